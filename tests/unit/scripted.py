"""A connection without a socket: lines that have come all at once, and what was sent, in order."""

from __future__ import annotations

from collections.abc import Callable

from popa3d.shared.connection import GONE
from popa3d.shared.lines import Lines


class Scripted:
    """Has the methods of connection.Connection. When there are no more lines, it ends as `ending` says.

    It may also end when so many octets are put: `ends_after`. `sent` is what was flushed until then.
    """

    def __init__(self, stream: bytes = b"", ending: str = GONE, ends_after: int | None = None) -> None:
        self.ended: str | None = None
        self.sent = b""
        self.sent_octets = 0
        self.flushes = 0
        self.deadlines: list[float | None] = []
        self._lines = Lines(stream)
        self._ending = ending
        self._ends_after = ends_after
        self._queue = b""

    def line(self, deadline: float | None = None, idle: Callable[[], None] | None = None) -> bytes | None:
        self.deadlines.append(deadline)
        if self.ended:
            return None
        line = self._lines.take()
        if line is None:
            self.flush()
            if idle is not None:
                idle()
            self.ended = self._ending
        return line

    def put(self, block: bytes) -> None:
        self._queue += block
        if self._ends_after is not None and len(self.sent + self._queue) >= self._ends_after:
            self.flush()
            self.ended = self._ending

    def flush(self) -> None:
        self.flushes += 1
        if not self.ended:
            self.sent += self._queue
            self.sent_octets += len(self._queue)
        self._queue = b""

    def ahead(self) -> bytes:
        return self._lines.ahead()

    def feed(self, ahead: bytes) -> None:
        self._lines.feed(ahead)
