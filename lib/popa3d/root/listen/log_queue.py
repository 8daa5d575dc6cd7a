"""Log lines of the listener, written by a child: a log daemon that is stuck must not hold the listener up.

There is one such child at a time. Lines that come meanwhile wait for the next one, up to LOG_LINES; beyond that they are
only counted. If a child is ended because the log is stuck, its lines are counted, too, though it may have written some.

Runs as: root, only with -D.
Trusts: the kernel.
"""

import contextlib
import os
import signal

from ...shared import log
from .limits import LOG_LINES, LOG_S

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable

    RunAside = Callable[[Callable[[], None]], int]


class LogQueue:
    """The lines that wait, and the process that writes."""

    def __init__(self, run_aside: "RunAside") -> None:
        """run_aside: starts a process that calls a function and ends; its id. Raises OSError."""
        self._run_aside = run_aside
        self._lines: list[tuple[int, str]] = []
        self._lost = 0
        self._writer = 0
        self._writing = 0  # how many lines it has

    def has_room(self) -> bool:
        """Whether a line would not be lost."""
        return len(self._lines) < LOG_LINES

    def put(self, priority: int, text: str) -> None:
        """Log a line with the next `start`."""
        if self.has_room():
            self._lines.append((priority, text))
        else:
            self._lost += 1

    def ended(self, pid: int, status: int) -> None:
        """Process `pid` is gone, with that wait status; if it was the writer, the next one may start."""
        if pid == self._writer:
            self._writer = 0
            self._lost += self._writing if status else 0

    def finish(self) -> None:
        """Log what waits, beside another writer if there is one: nobody will be there to start the next."""
        self._writer = 0
        self.start()

    def start(self) -> None:
        """Start a writer, if there is something to write and none at work. It has what is open now, as long as it is at work."""
        if self._writer or not self._lines:
            return
        lines = list(self._lines)
        if self._lost:
            lines.append((log.WARNING, f"Up to {self._lost} more lines were not logged"))
        with contextlib.suppress(OSError):  # no process to be had: they wait for the next line
            self._writer = self._run_aside(lambda: _write(lines))
            self._writing = len(self._lines) + self._lost
            self._lines.clear()
            self._lost = 0


def _write(lines: list[tuple[int, str]]) -> None:
    for priority, text in lines:
        signal.alarm(LOG_S)  # a line at a time: whoever has not taken one by then is stuck
        log.write(priority, text)
    os._exit(0)
