"""The client's connection, descriptors 0 and 1: lines in, whole replies out, every wait bounded.

Runs as: popa3d (the pre-auth child) and the mailbox owner, never uid 0.
Trusts: nobody; the peer may send anything, nothing, or never read.
"""

import _socket  # what the socket module is made of; that one takes more start-up time than all of this
import posix as os  # as os, without its start-up time
import select
import time

from .limits import PIPE_OCTETS, READ_OCTETS, WRITE_OCTETS
from .lines import Lines

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable

# How a connection ends, if it does not end with QUIT.
GONE = "gone"  # closed, reset, or unusable
EXPIRED = "expired"  # nothing came, or nothing was taken, for too long


def _socket_on(fd: int) -> "_socket.socket | None":
    """The socket that `fd` is, or None for a pipe, terminal or file. Replies leave at once (TCP_NODELAY)."""
    try:
        endpoint = _socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        if endpoint.family in (_socket.AF_INET, _socket.AF_INET6):
            endpoint.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except OSError:
        pass  # a peer that is gone already; reading will say so
    return endpoint


class Connection:
    """The connection. `ended` is None while it can be used, then GONE or EXPIRED; after that nothing is sent any more.

    sent_octets: how many the system has taken.
    """

    def __init__(self, ahead: bytes, timeout_s: float) -> None:
        """ahead: what another process has read of it. timeout_s: the limit for each line, and for each piece sent."""
        self.ended: str | None = None
        self.sent_octets = 0
        self._timeout_s = timeout_s
        self._lines = Lines(ahead)
        self._queue: list[bytes] = []
        self._queued_octets = 0
        self._socket = _socket_on(1)
        self._read_is_bounded: bool | None = None  # see _bound_read; None: not tried yet

    def line(self, deadline: float | None = None, idle: "Callable[[], None] | None" = None) -> bytes | None:
        """The next command line, or None if the connection `ended`; what was `put` is sent before anything is waited for.

        A whole line must arrive within timeout_s, and by `deadline` (time.monotonic) where there is one. idle: called when
        all is sent and no line is there yet. A connection that `ended` has no lines any more, though some may have come: a
        peer that gets no replies must not go on deleting.
        """
        if self.ended:
            return None
        line = self._lines.take()
        if line is None:
            self.flush()
            if idle is not None:
                idle()
            line = self._read_line(deadline)
        return line

    def _read_line(self, deadline: float | None) -> bytes | None:
        """Read until there is a line, or the connection has ended."""
        line_deadline = time.monotonic() + self._timeout_s
        if deadline is not None:
            line_deadline = min(line_deadline, deadline)
        may_block = deadline is None and self._bound_read()
        line = None
        while line is None and not self.ended:
            if not may_block and not self._wait([0], [], line_deadline):
                break
            try:
                data = os.read(0, READ_OCTETS)
            except BlockingIOError:
                may_block = False  # the time is over, or somebody made it non-blocking
                continue
            except OSError:
                data = b""
            may_block = False  # only the first read may take all the time
            if data:
                self._lines.feed(data)
                line = self._lines.take()
            else:
                self.ended = GONE
        return line

    def feed(self, ahead: bytes) -> None:
        """Add what was read of it elsewhere, before the first line is taken."""
        self._lines.feed(ahead)

    def ahead(self) -> bytes:
        """What was read and not taken as a line, for the process that goes on; at most READ_OCTETS behind a line."""
        return self._lines.ahead()

    def put(self, block: bytes) -> None:
        """Queue (a part of) a reply; it is sent when WRITE_OCTETS are queued, on `flush`, or before the next wait."""
        self._queue.append(block)
        self._queued_octets += len(block)
        if self._queued_octets >= WRITE_OCTETS:
            self.flush()

    def flush(self) -> None:
        """Send what is queued. Each piece of progress may take timeout_s; then the peer counts as EXPIRED."""
        if not self._queue:
            return
        data: "bytes | memoryview" = self._queue[0] if len(self._queue) == 1 else b"".join(self._queue)
        self._queue.clear()
        self._queued_octets = 0
        while len(data) and not self.ended:
            try:
                if self._socket is not None:
                    sent_octets = self._socket.send(data, _socket.MSG_DONTWAIT)
                elif self._wait([], [1], time.monotonic() + self._timeout_s):
                    sent_octets = os.write(1, data[:PIPE_OCTETS])
                else:
                    return
                self.sent_octets += sent_octets
                if sent_octets == len(data):
                    return  # mostly all is taken at once
                data = memoryview(data)[sent_octets:]
            except BlockingIOError:
                self._wait([], [1], time.monotonic() + self._timeout_s)
            except OSError:
                self.ended = GONE

    def _bound_read(self) -> bool:
        """Let read(2) on descriptor 0 take timeout_s at most: then it needs no wait before it. False: it cannot be had."""
        if self._read_is_bounded is None:
            endpoint = _socket_on(0)
            self._read_is_bounded = endpoint is not None
            if endpoint is not None:
                from _struct import pack

                limit = pack("ll", *divmod(int(self._timeout_s * 1_000_000), 1_000_000))
                try:
                    endpoint.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, limit)
                except OSError:
                    self._read_is_bounded = False
                endpoint.detach()
        return self._read_is_bounded

    def _wait(self, reading: list[int], writing: list[int], deadline: float) -> bool:
        """Wait until a descriptor can be read (or written), or for `deadline`: then the connection is EXPIRED, and False.

        With select(2), since the pre-auth child may have no descriptors, and poll(2) fails with a limit of 0.
        """
        left_s = deadline - time.monotonic()
        if left_s > 0 and any(select.select(reading, writing, [], left_s)):
            return True
        self.ended = EXPIRED
        return False
