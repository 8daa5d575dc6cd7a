"""Whether a client may have another session: the flood checks of C popa3d's standalone.c, and limits before the login.

Pure: no I/O, and time and chance come from the caller. A session counts for its source while its process lives, and for at
least min_delay_s after its start, so that quick connections count, too. Until its client logs in, it also counts as
unauthenticated: such sessions have a limit of their own, so they cannot take the room of clients that have logged in. What a
proxy has connected counts for no source until its client is known (`came`).

Runs as: root, only with -D.
Trusts: nobody; the number of sessions and REFUSALS bound what is kept.
"""

import heapq

from ...shared.address import networks
from ...shared.limits import SESSIONS, SESSIONS_PER_SOURCE
from ...shared.settings import Settings
from .limits import REFUSALS, UNAUTHENTICATED_FEW, UNAUTHENTICATED_LEAST, UNAUTHENTICATED_SHARE

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
    """One session. networks: of its client (shared.address.networks); none while only its proxy is known. started: by the
    caller's clock. logged_in: or not yet.

    processes: how many serve it; root's process and the one that goes on with its client may be there at the same time.
    """

    __slots__ = ("logged_in", "networks", "processes", "started")

    def __init__(self, networks: tuple[str, ...], started: float) -> None:
        self.networks = networks
        self.started = started
        self.logged_in = False
        self.processes = 1


class Flood:
    """The sessions there are, by process id, and how many of them count for what: no connection costs a look at all others."""

    def __init__(self) -> None:
        self._sessions: dict[int, _Session] = {}
        self._living = self._living_logged_in = 0
        self._ended: list[tuple[float, int, _Session]] = []  # a heap of what is gone, but still counts; by start
        self._order = 0
        self._of_source: dict[str, int] = {}
        self._unauthenticated = 0
        self._of_networks: tuple[dict[str, int], ...] = ({}, {}, {})  # unauthenticated ones
        self._logged: dict[str, float] = {}

    def started(self, pid: int, address: str, now: float, is_proxy: bool = False) -> None:
        """Process `pid` serves a client with that numeric address since `now` (seconds of any clock that only goes forward).

        is_proxy: the address is a proxy's, for which nothing counts; see `came`.
        """
        session = self._sessions[pid] = _Session(() if is_proxy else networks(address), now)
        self._living += 1
        if not is_proxy:
            _add(self._of_source, session.networks[0], 1)
        self._count_unauthenticated(session, 1)

    def came(self, pid: int, address: str, now: float, limits: Limits) -> Refusal | None:
        """The client that process `pid` serves, which came through a proxy, has that address. Why it is refused, if it is."""
        self._forget_old(now, limits)
        session = self._sessions.get(pid)
        if session is None or session.networks:
            return None
        around = networks(address)
        if not session.logged_in:  # else the listener was too busy to answer, and the session did not wait any longer
            if self._has_all(around[0], limits):
                return Refusal(around[0], PER_SOURCE)
            if network := self._network_with_all(around, limits):
                return Refusal(network, NOT_LOGGED_IN)
            self._unauthenticated -= 1  # which it was without a network
        session.networks = around
        if not session.logged_in:
            self._count_unauthenticated(session, 1)
        _add(self._of_source, around[0], 1)
        return None

    def logged_in(self, pid: int, process: int) -> None:
        """The client of process `pid` has logged in, and `process` serves it now, beside or instead of the other one."""
        session = self._sessions.get(pid)
        if session is None:
            return
        if not session.logged_in:
            session.logged_in = True
            self._living_logged_in += 1
            self._count_unauthenticated(session, -1)
        if process not in self._sessions:
            self._sessions[process] = session
            session.processes += 1

    def ended(self, pid: int) -> None:
        """Process `pid` is gone."""
        session = self._sessions.pop(pid, None)
        if session is None:
            return
        session.processes -= 1
        if not session.processes:
            self._living -= 1
            self._living_logged_in -= session.logged_in
            if not session.networks:
                # Of a proxy without a client, or a client that was refused: as if it had never come. Else clients over their
                # limit could fill the one for connections without a login.
                self._forget(session)
                return
            self._order += 1
            heapq.heappush(self._ended, (session.started, self._order, session))

    def living(self) -> int:
        """How many sessions there are."""
        return self._living

    def refusal(self, address: str, now: float, limits: Limits, chance: float, is_proxy: bool = False) -> Refusal | None:
        """Why a new session from `address` is refused; None if it is not. chance: a random number from 0 to less than 1.

        is_proxy: what only the sessions in all decide; see `came`.
        """
        self._forget_old(now, limits)
        around = networks(address)
        source = around[0]
        if not is_proxy and self._has_all(source, limits):
            return Refusal(source, PER_SOURCE)
        room = limits.sessions - self._living_logged_in
        most = self._most(limits)
        if self._unauthenticated >= most:
            return Refusal(source, ALL if most == room else NOT_LOGGED_IN)
        if not is_proxy and (network := self._network_with_all(around, limits)):
            return Refusal(network, NOT_LOGGED_IN)
        few = max(most // 2, UNAUTHENTICATED_FEW)
        if self._unauthenticated >= most // 2 and chance * (most - few) < self._unauthenticated - few:
            return Refusal(source, NOT_LOGGED_IN)
        return None

    def _has_all(self, source: str, limits: Limits) -> bool:
        """Whether a source has as many sessions as one may have."""
        return self._of_source.get(source, 0) >= limits.per_source

    def _network_with_all(self, around: tuple[str, str, str], limits: Limits) -> str:
        """Which of these networks has its share of the unauthenticated sessions; empty if none has, or there is room."""
        most = self._most(limits)
        if self._unauthenticated < most // 2:
            return ""
        share = max(UNAUTHENTICATED_LEAST, int(most * UNAUTHENTICATED_SHARE))
        for i, network in enumerate(around):
            if self._of_networks[i].get(network, 0) >= _SHARES[i] * share:
                return network
        return ""

    def _most(self, limits: Limits) -> int:
        """How many sessions may be unauthenticated now."""
        return min(limits.unauthenticated, limits.sessions - self._living_logged_in)

    def _forget_old(self, now: float, limits: Limits) -> None:
        while self._ended and now - self._ended[0][0] >= limits.min_delay_s:
            self._forget(heapq.heappop(self._ended)[2])

    def _forget(self, session: _Session) -> None:
        """It is gone, and counts no more."""
        if session.networks:
            _add(self._of_source, session.networks[0], -1)
        if not session.logged_in:
            self._count_unauthenticated(session, -1)

    def _count_unauthenticated(self, session: _Session, change: int) -> None:
        self._unauthenticated += change
        for i, network in enumerate(session.networks):
            _add(self._of_networks[i], network, change)

    def may_log(self, text: str, now: float, min_delay_s: float) -> bool:
        """Whether `text` was not logged within min_delay_s, and may be now."""
        self._logged = {line: when for line, when in self._logged.items() if now - when < min_delay_s}
        if text in self._logged or len(self._logged) >= REFUSALS:
            return False
        self._logged[text] = now
        return True


def _add(counts: dict[str, int], key: str, change: int) -> None:
    """Change a count; what is 0 is not kept."""
    count = counts.get(key, 0) + change
    if count:
        counts[key] = count
    else:
        del counts[key]
