"""Whether a client may have another session: the flood checks of C popa3d's standalone.c, and limits before the login.

Pure: no I/O, and time and chance come from the caller. A session counts for its source while its process lives, and for at
least min_delay_s after its start, so that quick connections count, too. Until its client logs in, it also counts as
unauthenticated: such sessions have a limit of their own, so they cannot take the room of clients that have logged in.

Runs as: root, only with -D.
Trusts: nobody; the number of sessions and REFUSALS bound what is kept.
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

_SHARES = (1, 2, 4)  # how many shares each of shared.address.networks has


class Limits:
    """What the administrator's settings allow. Attributes: sessions, per_source, unauthenticated, min_delay_s."""

    def __init__(self, settings: Settings) -> None:
        self.sessions = settings.sessions or SESSIONS
        self.per_source = settings.sessions_per_source or SESSIONS_PER_SOURCE
        self.unauthenticated = settings.unauthenticated or max(self.sessions // 2, UNAUTHENTICATED_FEW)
        self.min_delay_s = settings.min_delay_s


PER_SOURCE, ALL, NOT_LOGGED_IN = "per source", "sessions", "unauthenticated"  # the limits, as the log has them


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
    """One session. networks: of its client (shared.address.networks). started: by the caller's clock. logged_in: or not yet."""

    __slots__ = ("logged_in", "networks", "started")

    def __init__(self, networks: tuple[str, str, str], started: float) -> None:
        self.networks = networks
        self.started = started
        self.logged_in = False


class Flood:
    """The sessions there are, by process id."""

    def __init__(self) -> None:
        self._sessions: dict[int, _Session] = {}
        self._ended: list[_Session] = []  # processes that are gone, but still count
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
        unauthenticated = [session for session in counting if not session.logged_in]
        room = limits.sessions - sum(session.logged_in for session in self._sessions.values())
        most = min(limits.unauthenticated, room)
        if len(unauthenticated) >= most:
            return Refusal(source, ALL if most == room else NOT_LOGGED_IN)
        if len(unauthenticated) < most // 2:
            return None
        share = max(UNAUTHENTICATED_LEAST, int(most * UNAUTHENTICATED_SHARE))
        for i, network in enumerate(around):
            if sum(session.networks[i] == network for session in unauthenticated) >= _SHARES[i] * share:
                return Refusal(network, NOT_LOGGED_IN)
        few = max(most // 2, UNAUTHENTICATED_FEW)
        if chance * (most - few) < len(unauthenticated) - few:
            return Refusal(source, NOT_LOGGED_IN)
        return None

    def may_log(self, text: str, now: float, min_delay_s: float) -> bool:
        """Whether `text` was not logged within min_delay_s, and may be now."""
        self._logged = {line: when for line, when in self._logged.items() if now - when < min_delay_s}
        if text in self._logged or len(self._logged) >= REFUSALS:
            return False
        self._logged[text] = now
        return True
