"""The starter as the listener has it: one process, and another one if it ends.

Runs as: root, only with -D.
Trusts: the administrator, whose program it executes.
"""

from ...shared import log
from ...shared.limits import LOGINS_FD, STARTER_FD
from .. import process
from .limits import STARTER_AGAIN_S

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from ..start import StartStarter
    from ..starter import Starter
    from .log_queue import LogQueue


class SessionStarter:
    """At most one process (root.starter). While there is none that is ready, sessions execute the owner's program."""

    def __init__(self, start: "StartStarter", queue: "LogQueue") -> None:
        self._start = start
        self._queue = queue
        self._starter: "Starter | None" = None
        self._not_before = 0.0
        self._spare = 0

    @property
    def answer(self) -> int:
        """What can be read when a new one is ready, or has failed; -1 if none is starting."""
        return -1 if self._starter is None else self._starter.answer

    def can_be_asked(self) -> bool:
        """Whether STARTER_FD is one that is ready."""
        return self._starter is not None and self.answer < 0

    def begin(self, now: float, spare: int) -> None:
        """Have one, if there is none. One that could not start (logged) is not tried again at once.

        spare: so many of its processes wait. One with another number of them is asked no more.
        """
        if self.can_be_asked() and spare != self._spare:
            process.place_null(STARTER_FD)  # it ends when no session can ask it either
            self._starter = None
        if self._starter is not None or now < self._not_before:
            return
        self._not_before = now + STARTER_AGAIN_S  # unless it becomes ready
        self._spare = spare
        try:
            self._starter = self._start(spare, LOGINS_FD)
        except OSError as error:
            self._failed(error.strerror or "")

    def answered(self) -> None:
        """`answer` can be read."""
        if self._starter is None:
            return
        if self._starter.is_ready():
            self._starter.fd = process.place(self._starter.fd, STARTER_FD)
            self._not_before = 0.0
        else:
            self._starter.close()
            self._starter = None
            self._failed("it has ended")

    def ended(self, pid: int) -> bool:
        """A child of the listener has ended; whether it was the starter."""
        if self._starter is None or pid != self._starter.pid:
            return False
        if self.answer >= 0:
            self.answered()
        if self._starter is not None:  # it was ready
            process.place_null(STARTER_FD)  # it was the socket
            self._starter = None
            self._queue.put(log.ERROR, "The starter of sessions has ended: starting another one")
        return True

    def _failed(self, reason: str) -> None:
        self._queue.put(log.ERROR, f"The starter of sessions cannot start: {reason}")
