"""A private /dev/log, which keeps what programs log for the tests to read."""

from __future__ import annotations

import os
import socket
import threading
import time

_MARK = "\0mark"


class Syslog:
    """A datagram socket at `path`, and a thread that collects what programs log there, in order."""

    def __init__(self, path: str) -> None:
        self._lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        os.chmod(path, 0o666)
        self._news = threading.Condition()
        self._mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._mark.connect(path)
        self._marks = self._marked = 0
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        while True:
            line = self._socket.recv(65536).decode("utf-8", "backslashreplace")
            with self._news:
                if line == _MARK:
                    self._marked += 1
                else:
                    self._lines.append(line)
                self._news.notify_all()

    def _all(self) -> None:
        """Wait until all that was sent so far is collected: datagrams keep their order."""
        with self._news:
            self._marks += 1
            wanted = self._marks
        self._mark.send(_MARK.encode())  # not with the condition held: the queue may be full
        with self._news:
            assert self._news.wait_for(lambda: self._marked >= wanted, 60)

    def clear(self) -> None:
        """Forget what was logged so far."""
        self._all()
        with self._news:
            self._lines.clear()

    @property
    def lines(self) -> list[str]:
        """What was logged so far."""
        self._all()
        with self._news:
            return list(self._lines)

    def wait(self, part: str, seconds: float = 60) -> str:
        """The first line that contains `part`, waiting for it up to a bound; AssertionError if it never came."""
        end = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self._lines:
                    if part in line:
                        return line
                left = end - time.monotonic()
                assert left > 0, f"never logged: {part!r}, but {self._lines}"
                self._news.wait(left)

    def after(self, seen: int, seconds: float = 60) -> list[str]:
        """The lines behind the first `seen`, waiting up to a bound until there is one; none if none came."""
        with self._news:
            self._news.wait_for(lambda: len(self._lines) > seen, seconds)
            return self._lines[seen:]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
