"""The client's connection, descriptors 0 and 1: lines in, whole replies out, every wait bounded.

Runs as: popa3d (the pre-auth child) and the mailbox owner, never uid 0.
Trusts: nobody; the peer may send anything, nothing, or never read.
"""

import _socket
import posix as os  # as os, without its start-up time
import select
import time

from .limits import PIPE_OCTETS, READ_OCTETS, WRITE_OCTETS
from .lines import Lines

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable

# How a connection ends, when it does not end with QUIT.
GONE = "gone"  # closed, reset, or unusable
EXPIRED = "expired"  # nothing came, or nothing was taken, for too long


def _socket_on(fd: int) -> "_socket.socket | None":
    """The socket that `fd` is, or None for a pipe, terminal or file. Replies leave at once (TCP_NODELAY)."""
    try:
        found = _socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        if found.family in (_socket.AF_INET, _socket.AF_INET6):
            found.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except OSError:
        pass  # a peer that is gone already; reading will say so
    return found


class Client:
    """The connection. `ended` is "" while it can be used, then GONE or EXPIRED; after that nothing is sent any more.

    The standard library's socket module would cost more time at start-up than all of this; _socket is what it is made of.
    """

    def __init__(self, ahead: bytes, timeout_s: float) -> None:
        self.ended = ""
        self.timeout_s = timeout_s
        self._lines = Lines(ahead)
        self._out: list[bytes] = []
        self._queued = 0
        self._socket = _socket_on(1)
        self._read_timeout: bool | None = None  # not tried yet
        self.idle: "Callable[[], None] | None" = None  # called when all is said, and before the next line is waited for

    def line(self, deadline: float | None = None) -> bytes | None:
        """The next command line, or None if the connection `ended`; what was `put` is sent before anything is waited for.

        A whole line must arrive within timeout_s, and by `deadline` (time.monotonic) where there is one. A connection that
        `ended` has no lines any more, though some may have come: a peer that does not get replies must not go on deleting.
        """
        line = None if self.ended else self._lines.take()
        if line is not None or self.ended:
            return line
        self.flush()
        if self.idle is not None:
            self.idle()
        end = time.monotonic() + self.timeout_s
        if deadline is not None:
            end = min(end, deadline)
        blocking = deadline is None and self._reads_with_timeout()
        while line is None and not self.ended:
            if not blocking and not self._wait(0, False, end):
                break
            try:
                more = os.read(0, READ_OCTETS)
            except BlockingIOError:
                blocking = False  # the time is over, or somebody made it non-blocking
                continue
            except OSError:
                more = b""
            blocking = False  # only the first read may take all the time
            if not more:
                self.ended = GONE
                break
            self._lines.feed(more)
            line = self._lines.take()
        return line

    def rest(self) -> bytes:
        """What was read of the client and not taken as a line; at most READ_OCTETS behind a line."""
        return self._lines.rest()

    def put(self, reply: bytes) -> None:
        """Queue octets for the client; they leave when WRITE_OCTETS are reached, on `flush`, or before the next wait."""
        self._out.append(reply)
        self._queued += len(reply)
        if self._queued >= WRITE_OCTETS:
            self.flush()

    def flush(self) -> None:
        """Send what is queued. Each piece of progress may take timeout_s; then the peer counts as EXPIRED."""
        if not self._out:
            return
        out: "bytes | memoryview" = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self._queued = 0
        while len(out) and not self.ended:
            try:
                if self._socket is not None:
                    sent = self._socket.send(out, _socket.MSG_DONTWAIT)
                elif self._wait(1, True, time.monotonic() + self.timeout_s):
                    sent = os.write(1, out[:PIPE_OCTETS])
                else:
                    return
                if sent == len(out):
                    return  # mostly all is taken at once
                out = memoryview(out)[sent:]
            except BlockingIOError:
                self._wait(1, True, time.monotonic() + self.timeout_s)
            except OSError:
                self.ended = GONE

    def _reads_with_timeout(self) -> bool:
        """Whether read(2) on descriptor 0 takes timeout_s at most: then nothing needs to be asked before it."""
        if self._read_timeout is None:
            found = _socket_on(0)
            self._read_timeout = found is not None
            if found is not None:
                from _struct import pack

                try:
                    found.setsockopt(
                        _socket.SOL_SOCKET, _socket.SO_RCVTIMEO, pack("ll", *divmod(int(self.timeout_s * 1_000_000), 1_000_000))
                    )
                except OSError:
                    self._read_timeout = False
                found.detach()
        return self._read_timeout

    def _wait(self, fd: int, write: bool, end: float) -> bool:
        """Wait until `fd` can be read (or written), or `end`; False means EXPIRED.

        With select(2), since the pre-auth child may have no descriptors, and poll(2) fails with a limit of 0.
        """
        left = end - time.monotonic()
        if left > 0 and any(select.select([] if write else [fd], [fd] if write else [], [], left)):
            return True
        self.ended = EXPIRED
        return False
