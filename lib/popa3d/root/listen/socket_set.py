"""The sockets that the listener has now, and the change to those that new settings want.

Runs as: root, only with -D.
Trusts: the administrator.
"""

import time

from ...shared import log
from . import sockets
from .limits import FREED_S
from .sockets import AddressInUse, CannotListen

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    import socket

    from ...shared.settings import Settings
    from .log_queue import LogQueue


class SocketSet:
    """Either what a service manager has passed, for good, or what the settings want."""

    def __init__(self, families: str, queue: "LogQueue") -> None:
        """families: see sockets.wanted. Raises CannotListen."""
        self._families = families
        self._queue = queue
        self._passed = sockets.passed()
        self._opened: dict[sockets.Key, socket.socket] = {}
        self._backlog = 0

    def all(self) -> "list[socket.socket]":
        """Every socket that listens."""
        return [*self._opened.values(), *self._passed]

    def close(self) -> None:
        """Listen no more."""
        for listening in self.all():
            listening.close()
        self._opened.clear()
        self._passed.clear()

    def adopt(self, settings: "Settings") -> None:
        """Have exactly the sockets that `settings` want. Raises CannotListen; then they are as they were.

        With sockets that were passed there is nothing to do.
        """
        if self._passed:
            return
        wanted = sockets.wanted(settings, self._families)
        opened: dict[sockets.Key, socket.socket] = {}
        closed: list[sockets.Key] = []
        try:
            for key in wanted:
                if key not in self._opened:
                    opened[key] = self._open(key, settings.backlog, wanted, closed)
        except CannotListen:
            for listening in opened.values():
                listening.close()
            self._reopen(closed)
            raise
        for key in [key for key in self._opened if key not in wanted]:
            self._opened.pop(key).close()
        for listening in self._opened.values():
            listening.listen(settings.backlog)
        self._opened.update(opened)
        self._backlog = settings.backlog

    def _open(self, key: sockets.Key, backlog: int, wanted: list[sockets.Key], closed: list[sockets.Key]) -> "socket.socket":
        """A new socket. What is in its way and not wanted any more is closed, and added to `closed`. Raises CannotListen."""
        try:
            return sockets.opened(key, backlog)
        except AddressInUse:  # by 0.0.0.0, perhaps, which is ours
            family, _, port = key
            for other in [other for other in self._opened if other not in wanted and (other[0], other[2]) == (family, port)]:
                self._opened.pop(other).close()
                closed.append(other)
            return _opened_soon(key, backlog)

    def _reopen(self, keys: list[sockets.Key]) -> None:
        """Open again what was closed for others that could not be had."""
        for key in keys:
            try:
                self._opened[key] = _opened_soon(key, self._backlog)
            except CannotListen as lost:
                self._queue.put(log.ERROR, f"Not listening any more on {lost.reason}")


def _opened_soon(key: sockets.Key, backlog: int) -> "socket.socket":
    """A new socket where one was closed: a child that was just forked may have that for a moment longer. Raises CannotListen."""
    end = time.monotonic() + FREED_S
    while True:
        try:
            return sockets.opened(key, backlog)
        except AddressInUse:
            if time.monotonic() >= end:
                raise
        time.sleep(0.01)
