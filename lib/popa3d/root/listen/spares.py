"""Spare sessions: forked ahead, each waits on a socket of its own until the listener gives it a client.

The pre-auth child of a spare session waits too. Where nobody else has to agree first, the listener gives the client to both at
the same time, and the child greets it.

Runs as: root, only with -D.
Trusts: the kernel.
"""

import _socket
import os
import select
import time

from ...shared.limits import SPARE_LATER_S
from .. import process
from .limits import ORDER_OCTETS, PAUSE_S

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[[int, int, int], int]


class Client:
    """A client for a spare session. address: numeric, or empty. speaks_tls: from the first octet. is_greeted: the pre-auth
    child has the client already; so the client has been let in."""

    __slots__ = ("address", "is_greeted", "speaks_tls")

    def __init__(self, address: str, speaks_tls: bool, is_greeted: bool = False) -> None:
        self.address = address
        self.speaks_tls = speaks_tls
        self.is_greeted = is_greeted

    def encode(self) -> bytes:
        """The message for a session."""
        return b"%d%d%s" % (self.speaks_tls, self.is_greeted, self.address.encode())

    @classmethod
    def decode(cls, message: bytes) -> "Client":
        """The client in a message that `encode` made. Raises ValueError for any other."""
        client = cls(message[2:].decode(), message[:1] == b"1", message[1:2] == b"1")
        if client.encode() != message:
            raise ValueError("a message to a spare session")
        return client


class Spares:
    """Those that wait, by process id; the longest first. Of each: the sockets to the session and to its pre-auth child."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[_socket.socket, _socket.socket]] = {}
        self._most = 0
        self._not_before = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def due_s(self, most: int) -> float | None:
        """After how many seconds `add` should be called; None if there are as many as there should be."""
        self._most = most
        return max(0.0, self._not_before - time.monotonic()) if len(self._waiting) < most else None

    def add(self, start: "Start") -> None:
        """Have one more. Raises OSError; if sessions cannot start either, these will say so.

        start: starts a process that waits on its first descriptor, and a child of it that waits on the third, of which the
        second is the other end; its id.
        """
        pairs: list[tuple[_socket.socket, _socket.socket]] = []
        try:
            for kind in (_socket.SOCK_SEQPACKET, _socket.SOCK_STREAM):
                pairs.append(_socket.socketpair(_socket.AF_UNIX, kind))
            (ours, theirs), (link, childs) = pairs
            self._waiting[start(theirs.fileno(), link.fileno(), childs.fileno())] = ours, link
        except OSError:
            for one, _ in pairs:
                one.close()
            self._rest(PAUSE_S)
            raise
        finally:
            for _, other in pairs:
                other.close()

    def give(self, fd: int, client: Client, order: bytes) -> "tuple[int, _socket.socket | None]":
        """Give one of them a client, which is descriptor `fd`: its process id (0 if there is none) and the socket to it.

        order: for the pre-auth child (preauthentication.order); empty: not before the session agrees.
        """
        while self._waiting:
            pid = next(iter(self._waiting))
            waiting, link = self._waiting.pop(pid)
            try:
                if _is_there(waiting):
                    client.is_greeted = bool(order) and process.send_client(link, order, fd)
                    if process.send_client(waiting, client.encode(), fd) or client.is_greeted:
                        if 2 * len(self._waiting) >= self._most:
                            self._rest(SPARE_LATER_S)
                        return pid, waiting  # if it has ended just now, so will its child, which must not meet another one's
            finally:
                link.close()
            waiting.close()
        return 0, None

    def example(self, client: Client, order: bytes) -> None:
        """Do what is done to have one, and to give it a client, for practice. Raises OSError."""
        held: list[int] = []

        def start(*fds: int) -> int:
            held.extend(map(os.dup, fds))
            return 1

        try:
            self.add(start)
            self.give(0, client, order)
        finally:
            self.dismiss()
            for fd in held:
                os.close(fd)

    def ended(self, pid: int) -> bool:
        """Process `pid` is gone. Whether it was one of them."""
        sockets = self._waiting.pop(pid, ())
        for one in sockets:
            one.close()
        if sockets:
            self._rest(PAUSE_S)  # if it cannot live, the next one cannot either
        return bool(sockets)

    def dismiss(self) -> None:
        """They end, as there will be no clients for them."""
        for sockets in self._waiting.values():
            for one in sockets:
                one.close()
        self._waiting.clear()

    def _rest(self, seconds: float) -> None:
        self._not_before = max(self._not_before, time.monotonic() + seconds)


def _is_there(waiting: _socket.socket) -> bool:
    """Whether the process at the other end of a socket has not ended."""
    poll = select.poll()
    poll.register(waiting, 0)
    return not poll.poll(0)  # POLLHUP is always reported


def receive(fd: int) -> Client:
    """In a spare session: wait for a client on the socket `fd`, and have it as descriptors 0 and 1. If none comes, end.

    The socket stays open.
    """
    waiting = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
    message = process.receive_client(waiting, ORDER_OCTETS)
    waiting.detach()
    return Client.decode(message)
