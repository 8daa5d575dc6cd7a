"""Who may have another session: the flood checks of C popa3d's standalone.c. No I/O, no clock.

A session counts while its process lives and for min_delay_s after its start, so that quick connections count too.
Sources are those of wire.address.

Runs as: root, only with -D.
Trusts: nobody; what is kept is bounded by the number of sessions and by _LOGGED.
"""

_LOGGED = 1024  # sources whose refusals are told apart in the log; beyond that a flood is many sources, and not logged each


class Flood:
    """The sessions there are, by process id."""

    def __init__(self) -> None:
        self._sessions: dict[int, tuple[str, float]] = {}  # pid: source, time of its start
        self._ended: list[tuple[str, float]] = []  # the same for processes that are gone, as long as they count
        self._logged: dict[str, float] = {}

    def started(self, pid: int, of: str, now: float) -> None:
        """Process `pid` serves a session of source `of` since `now` (seconds of any clock that only goes forward)."""
        self._sessions[pid] = (of, now)

    def ended(self, pid: int) -> None:
        """Process `pid` is gone."""
        if pid in self._sessions:
            self._ended.append(self._sessions.pop(pid))

    def living(self) -> int:
        """How many session processes there are."""
        return len(self._sessions)

    def refusal(self, of: str, now: float, sessions: int, per_source: int, min_delay_s: float) -> str:
        """Why a new session of source `of` is refused, in C popa3d's words for the log; empty if it is not."""
        self._ended = [(whose, start) for whose, start in self._ended if now - start < min_delay_s]
        counting = [whose for whose, _ in self._sessions.values()] + [whose for whose, _ in self._ended]
        if counting.count(of) >= per_source:
            return f"{of}: per source limit reached"
        if len(counting) >= sessions:
            return f"{of}: sessions limit reached"
        return ""

    def may_log(self, what: str, now: float, min_delay_s: float) -> bool:
        """Whether `what` was not logged within min_delay_s, and may be now."""
        self._logged = {line: when for line, when in self._logged.items() if now - when < min_delay_s}
        if what in self._logged or len(self._logged) >= _LOGGED:
            return False
        self._logged[what] = now
        return True
