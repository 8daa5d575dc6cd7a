"""The connection: how long each wait may be, whatever trickles in, and what leaves when. Clock and select(2) are not real."""

from __future__ import annotations

import contextlib
import os
import posix
import socket
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from unittest import mock

import pytest

from popa3d.shared import connection as module
from popa3d.shared.connection import EXPIRED, GONE, Connection
from popa3d.shared.limits import WRITE_OCTETS
from tests import talk

LIMIT_S = 600


@contextlib.contextmanager
def connection_on(endpoint: socket.socket | int, ahead: bytes = b"", timeout_s: float = LIMIT_S) -> Iterator[Connection]:
    """A Connection whose descriptors 0 and 1 are `endpoint` for that time."""
    saved = os.dup(0), os.dup(1)
    for fd in (0, 1):
        os.dup2(endpoint if isinstance(endpoint, int) else endpoint.fileno(), fd)
    try:
        connection = Connection(ahead, timeout_s)
        yield connection
        if connection._socket is not None:
            connection._socket.detach()
    finally:
        for fd in (0, 1):
            os.dup2(saved[fd], fd)
            os.close(saved[fd])


class Peer:
    """Stands in for the clock and the system's calls: each `step_s` the peer sends `data`. Nothing waits for real."""

    def __init__(self, step_s: float, data: bytes = b"x", would_block: int = 0) -> None:
        self.now = 1000.0
        self.step_s = step_s
        self.data = data
        self.would_block = would_block  # so many reads find nothing
        self.waits: list[float] = []  # how long select(2) was to wait
        self.reads = 0

    def select(
        self, reading: list[int], writing: list[int], _: list[int], left_s: float
    ) -> tuple[list[int], list[int], list[int]]:
        self.waits.append(left_s)
        self.now += min(left_s, self.step_s)
        return (reading, writing, []) if left_s > self.step_s else ([], [], [])

    def read(self, _fd: int, _most: int) -> bytes:
        self.reads += 1
        assert self.reads < 10_000, "it reads for ever"
        if self.reads <= self.would_block:
            raise BlockingIOError
        if len(self.waits) == 0:
            self.now += self.step_s  # the read has waited by itself
        return self.data

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        with (
            mock.patch.object(module, "time", SimpleNamespace(monotonic=lambda: self.now)),
            mock.patch.object(module, "select", SimpleNamespace(select=self.select)),
            mock.patch.object(module, "os", SimpleNamespace(read=self.read, write=posix.write)),
        ):
            yield


@pytest.mark.parametrize("deadline", [None, 1000.0 + 2 * LIMIT_S, 1000.0 + LIMIT_S / 2], ids=["none", "later", "sooner"])
def test_octets_of_a_line_do_not_start_the_limit_again(deadline: float | None) -> None:
    """A whole line must arrive within the limit, or by the deadline; each octet leaves less time for the next."""
    limit = LIMIT_S if deadline is None else min(LIMIT_S, deadline - 1000)
    peer = Peer(step_s=10)
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs) as connection, peer.in_place():
        assert connection.line(deadline) is None
        assert connection.ended == EXPIRED
    assert peer.now == 1000 + limit
    assert peer.waits == [limit - 10 * i for i in range(1 if deadline is None else 0, int(limit / 10))]


def test_each_line_has_the_whole_limit() -> None:
    """What comes in time is a line, and the next one has all the time again."""
    peer = Peer(step_s=LIMIT_S - 1, data=b"NOOP\r\n")
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs) as connection, peer.in_place():
        for _ in range(3):
            assert connection.line() == b"NOOP"
    assert peer.waits == []


@pytest.mark.parametrize("times", [1, 10**9], ids=["once", "always"])
def test_a_read_that_comes_back_empty_handed(times: int) -> None:
    """When the socket's own time is over, or somebody made it non-blocking, what is left is waited for in select(2)."""
    peer = Peer(step_s=LIMIT_S, would_block=times)
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs) as connection, peer.in_place():
        assert connection.line() is None
        assert connection.ended == EXPIRED
    assert peer.waits == [LIMIT_S]


def test_the_socket_has_the_limit() -> None:
    """A read of the connection is bounded by the kernel: what bounds it is the limit."""
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs, timeout_s=1.5) as connection:
        ours.sendall(b"NOOP\n")
        assert connection.line() == b"NOOP"
        assert struct.unpack("ll", theirs.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)) == (1, 500_000)


def test_before_login_select_bounds_each_read() -> None:
    """With a deadline no read is begun that select(2) has not promised something for."""
    peer = Peer(step_s=5, data=b"NOOP\n")
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs) as connection, peer.in_place():
        assert connection.line(1100.0) == b"NOOP"
    assert peer.waits == [100]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_replies_leave_at_once(family: socket.AddressFamily) -> None:
    """TCP does not hold small replies back until others are acknowledged."""
    ours, theirs = talk.connection(family)
    with ours, theirs:
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        with connection_on(theirs):
            assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_when_replies_leave() -> None:
    """Replies are collected up to WRITE_OCTETS, and leave in one piece then, or before a line is waited for."""
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs) as connection:
        sent: list[bytes] = []

        def send(data: bytes, _flags: int) -> int:
            sent.append(bytes(data))
            return len(data)

        with mock.patch.object(connection, "_socket", SimpleNamespace(send=send)):
            connection.put(b"x" * (WRITE_OCTETS - 1))
            assert sent == []
            connection.put(b"y")
            assert sent == [b"x" * (WRITE_OCTETS - 1) + b"y"]
            connection.put(b"z")
            ours.sendall(b"NOOP\nNOOP\n")
            assert connection.line(idle=lambda: sent.append(b"idle")) == b"NOOP"
            assert sent[1:] == [b"z", b"idle"]
            assert connection.line(idle=lambda: sent.append(b"idle")) == b"NOOP"  # it is there: nothing is waited for
            assert sent[3:] == []


def test_what_is_sent_in_pieces() -> None:
    """A peer that takes a part at a time gets all, in order; between the parts it is waited for."""
    peer = Peer(step_s=1)
    taken = [3, 0, 0, 2, 4]
    sent = b""

    def send(data: bytes, _flags: int) -> int:
        nonlocal sent
        count = taken.pop(0)
        if not count:
            raise BlockingIOError
        sent += bytes(data[:count])
        return count

    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        connection_on(theirs) as connection,
        peer.in_place(),
        mock.patch.object(connection, "_socket", SimpleNamespace(send=send)),
    ):
        connection.put(b"123456789")
        connection.flush()
    assert (sent, taken, connection.ended) == (b"123456789", [], None)
    assert peer.waits == [LIMIT_S, LIMIT_S]  # each piece of progress has the whole limit


def test_a_peer_that_takes_nothing() -> None:
    """After the limit it is given up: the rest is not sent, and its lines are no commands any more."""
    peer = Peer(step_s=LIMIT_S)
    full = mock.Mock(side_effect=[BlockingIOError] * 3 + [AssertionError("it sends for ever")])
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs, b"DELE 1\r\nQUIT\r\n") as connection, peer.in_place():
        with mock.patch.object(connection, "_socket", SimpleNamespace(send=full)):
            connection.put(b"message")
            connection.flush()
        assert connection.ended == EXPIRED
        assert connection.line() is None
    assert full.call_count == 1


def test_a_peer_that_is_gone() -> None:
    """A reset connection, or one at its end, has no lines, though some had come."""
    for error in (True, False):
        ours, theirs = socket.socketpair()
        with ours, theirs, connection_on(theirs, b"DELE 1\r\n" if error else b"") as connection:
            ours.close()
            if error:
                connection.put(b"+OK\r\n")
                with mock.patch.object(connection, "_socket", SimpleNamespace(send=mock.Mock(side_effect=BrokenPipeError))):
                    connection.flush()
            assert connection.line() is None
            assert connection.ended == GONE


def test_on_a_pipe_writes_never_block() -> None:
    """Where there is no socket, no more is written at once than a writable pipe takes, and each piece is waited for."""
    peer = Peer(step_s=1)
    reading, writing = os.pipe()
    with connection_on(writing) as connection, peer.in_place():
        connection.put(b"x" * 1100)
        connection.flush()
        connection.put(b"y")
        peer.step_s = LIMIT_S
        connection.flush()
        assert connection.ended == EXPIRED
    assert os.read(reading, 5000) == b"x" * 1100
    assert peer.waits == [LIMIT_S] * 4  # 512, 512 and 76 octets; then it took nothing
    os.close(reading)
    os.close(writing)


def test_a_peer_that_resets() -> None:
    """A read that fails is the connection's end."""
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs) as connection:
        with mock.patch.object(module, "os", SimpleNamespace(read=mock.Mock(side_effect=ConnectionResetError))):
            assert connection.line() is None
        assert connection.ended == GONE
        assert connection.line() is None


def test_reading_a_pipe() -> None:
    """Where no time can be set for a read, select(2) bounds each one."""
    peer = Peer(step_s=10, data=b"NO")
    reading, writing = os.pipe()
    with connection_on(reading) as connection, peer.in_place():
        peer.data = b"NOOP\n"
        assert connection.line() == b"NOOP"
        peer.step_s = LIMIT_S
        assert connection.line() is None
        assert connection.ended == EXPIRED
    assert peer.waits == [LIMIT_S, LIMIT_S]
    os.close(reading)
    os.close(writing)


def test_a_socket_without_a_limit_for_reads() -> None:
    """So it is where the system refuses to set it."""
    peer = Peer(step_s=LIMIT_S)
    ours, theirs = socket.socketpair()
    unwilling = mock.Mock()
    unwilling.setsockopt.side_effect = OSError
    with ours, theirs, connection_on(theirs) as connection, peer.in_place():
        with mock.patch.object(module, "_socket_on", mock.Mock(return_value=unwilling)):
            assert connection.line() is None
        assert connection.ended == EXPIRED
    assert peer.waits == [LIMIT_S]
    assert unwilling.detach.called  # or the descriptor would be closed with it


def test_replies_where_the_peer_is_gone() -> None:
    """A peer that was gone before its socket could be set up is noticed later."""
    gone = mock.Mock(family=socket.AF_INET)
    gone.setsockopt.side_effect = OSError
    system = SimpleNamespace(**{**vars(socket), "socket": lambda fileno: gone})
    with mock.patch.object(module, "_socket", system):
        assert module._socket_on(1) is gone
    assert gone.setsockopt.called


@pytest.mark.parametrize("cut", [0, 3, 6, 11, 14])
def test_what_is_ahead(cut: int) -> None:
    """What was read and is no taken line yet, from here or from another process, is kept as it came."""
    stream = b"PASS x\nSTAT\nQU"
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs, stream[:cut]) as connection:
        ours.sendall(stream[cut:])
        assert connection.line() == b"PASS x"
        read = stream if cut < 7 else stream[:cut]
        assert connection.ahead() == read[7:]


def test_nothing_is_sent_after_the_end() -> None:
    """What is put then goes nowhere, and is not held either."""
    ours, theirs = socket.socketpair()
    with ours, theirs, connection_on(theirs) as connection:
        connection.ended = GONE
        connection.put(b"x" * WRITE_OCTETS)
        connection.put(b"y")
        connection.flush()
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
