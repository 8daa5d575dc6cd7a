"""Who may have another session: the flood checks of C popa3d's standalone.c, and limits for who has not logged in.

No I/O, no clock, no chance of its own. A session counts for its source while its process lives and for min_delay_s after its
start, so that quick connections count too. One that has not logged in counts as unauthenticated for the same time: these
have a limit of their own, so that they never take the room of those who have.

Runs as: root, only with -D.
Trusts: nobody; what is kept is bounded by the number of sessions and by REFUSALS.
"""

from ...shared.address import networks
from ...shared.limits import (
    REFUSALS,
    SESSIONS,
    SESSIONS_PER_SOURCE,
    UNAUTHENTICATED_FEW,
    UNAUTHENTICATED_LEAST,
    UNAUTHENTICATED_SHARE,
)
from ...shared.settings import Settings

_SHARES = (1, 2, 4)  # of each of shared.address.networks


class Limits:
    """What the administrator's settings allow. Attributes: sessions, per_source, unauthenticated, min_delay_s."""

    def __init__(self, settings: Settings) -> None:
        self.sessions = settings.sessions or SESSIONS
        self.per_source = settings.sessions_per_source or SESSIONS_PER_SOURCE
        self.unauthenticated = settings.unauthenticated or max(self.sessions // 2, UNAUTHENTICATED_FEW)
        self.min_delay_s = settings.min_delay_s


PER_SOURCE, ALL, NOTREFUSALS_IN = "per source", "sessions", "unauthenticated"  # the limits, as the log has them


class Refusal:
    """Why there is no session. network: the source, or the network around it, which has too many. limit: which it reached."""

    __slots__ = ("limit", "network")

    def __init__(self, network: str, limit: str) -> None:
        self.network = network
        self.limit = limit

    def text(self) -> str:
        """For the log."""
        return f"{self.network}: {self.limit} limit reached"


class _Session:
    """One session: where it is from (shared.address.networks), when it began, and whether its client has logged in."""

    __slots__ = ("logged_in", "networks", "started")

    def __init__(self, networks: tuple[str, str, str], started: float) -> None:
        self.networks = networks
        self.started = started
        self.logged_in = False


class Flood:
    """The sessions there are, by process id."""

    def __init__(self) -> None:
        self._sessions: dict[int, _Session] = {}
        self._ended: list[_Session] = []  # those whose processes are gone, as long as they count
        self._logged: dict[str, float] = {}

    def started(self, pid: int, address: str, now: float) -> None:
        """Process `pid` serves a client with that numeric address since `now` (seconds of any clock that only goes forward)."""
        self._sessions[pid] = _Session(networks(address), now)

    def logged_in(self, pid: int) -> None:
        """The client of process `pid` has logged in."""
        if pid in self._sessions:
            self._sessions[pid].logged_in = True

    def ended(self, pid: int) -> None:
        """Process `pid` is gone."""
        if pid in self._sessions:
            self._ended.append(self._sessions.pop(pid))

    def living(self) -> int:
        """How many session processes there are."""
        return len(self._sessions)

    def refusal(self, address: str, now: float, limits: Limits, chance: float) -> Refusal | None:
        """Why a new session from `address` is refused; None if it is not. chance: a random number from 0 to less than 1."""
        self._ended = [session for session in self._ended if now - session.started < limits.min_delay_s]
        counting = [*self._sessions.values(), *self._ended]
        around = networks(address)
        source = around[0]
        if sum(session.networks[0] == source for session in counting) >= limits.per_source:
            return Refusal(source, PER_SOURCE)
        unknown = [session for session in counting if not session.logged_in]
        room = limits.sessions - sum(session.logged_in for session in self._sessions.values())
        most = min(limits.unauthenticated, room)
        if len(unknown) >= most:
            return Refusal(source, ALL if most == room else NOTREFUSALS_IN)
        if len(unknown) < most // 2:
            return None
        share = max(UNAUTHENTICATED_LEAST, int(most * UNAUTHENTICATED_SHARE))
        for i, network in enumerate(around):
            if sum(session.networks[i] == network for session in unknown) >= _SHARES[i] * share:
                return Refusal(network, NOTREFUSALS_IN)
        few = max(most // 2, UNAUTHENTICATED_FEW)
        if chance * (most - few) < len(unknown) - few:
            return Refusal(source, NOTREFUSALS_IN)
        return None

    def may_log(self, text: str, now: float, min_delay_s: float) -> bool:
        """Whether `text` was not logged within min_delay_s, and may be now."""
        self._logged = {line: when for line, when in self._logged.items() if now - when < min_delay_s}
        if text in self._logged or len(self._logged) >= REFUSALS:
            return False
        self._logged[text] = now
        return True
