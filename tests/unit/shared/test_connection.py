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
from tests.talk import connection

LIMIT_S = 600


@contextlib.contextmanager
def client_on(end: socket.socket | int, ahead: bytes = b"", timeout_s: float = LIMIT_S) -> Iterator[Connection]:
    """A Connection whose descriptors 0 and 1 are `end` for that time."""
    saved = os.dup(0), os.dup(1)
    for fd in (0, 1):
        os.dup2(end if isinstance(end, int) else end.fileno(), fd)
    try:
        client = Connection(ahead, timeout_s)
        yield client
        if client._socket is not None:
            client._socket.detach()
    finally:
        for fd in (0, 1):
            os.dup2(saved[fd], fd)
            os.close(saved[fd])


class Peer:
    """A clock, and a peer that sends `octets` each `step_s` by it, for the module. Nothing of it waits for real."""

    def __init__(self, step_s: float, octets: bytes = b"x", would_block: int = 0) -> None:
        self.now = 1000.0
        self.step_s = step_s
        self.octets = octets
        self.would_block = would_block  # so many reads find nothing
        self.asked: list[float] = []  # how long select(2) was to wait
        self.reads = 0

    def select(self, reading: list[int], writing: list[int], _: list[int], left: float) -> tuple[list[int], list[int], list[int]]:
        self.asked.append(left)
        self.now += min(left, self.step_s)
        return (reading, writing, []) if left > self.step_s else ([], [], [])

    def read(self, _fd: int, _octets: int) -> bytes:
        self.reads += 1
        assert self.reads < 10_000, "it reads for ever"
        if self.reads <= self.would_block:
            raise BlockingIOError
        if len(self.asked) == 0:
            self.now += self.step_s  # the read has waited by itself
        return self.octets

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
    with ours, theirs, client_on(theirs) as client, peer.in_place():
        assert client.line(deadline) is None
        assert client.ended == EXPIRED
    assert peer.now == 1000 + limit
    assert peer.asked == [limit - 10 * i for i in range(1 if deadline is None else 0, int(limit / 10))]


def test_each_line_has_the_whole_limit() -> None:
    """What comes in time is a line, and the next one has all the time again."""
    peer = Peer(step_s=LIMIT_S - 1, octets=b"NOOP\r\n")
    ours, theirs = socket.socketpair()
    with ours, theirs, client_on(theirs) as client, peer.in_place():
        for _ in range(3):
            assert client.line() == b"NOOP"
    assert peer.asked == []


@pytest.mark.parametrize("times", [1, 10**9], ids=["once", "always"])
def test_a_read_that_comes_back_empty_handed(times: int) -> None:
    """When the socket's own time is over, or somebody made it non-blocking, what is left is waited for in select(2)."""
    peer = Peer(step_s=LIMIT_S, would_block=times)
    ours, theirs = socket.socketpair()
    with ours, theirs, client_on(theirs) as client, peer.in_place():
        assert client.line() is None
        assert client.ended == EXPIRED
    assert peer.asked == [LIMIT_S]


def test_the_socket_has_the_limit() -> None:
    """A read of the connection is bounded by the kernel: what bounds it is the limit."""
    ours, theirs = socket.socketpair()
    with ours, theirs, client_on(theirs, timeout_s=1.5) as client:
        ours.sendall(b"NOOP\n")
        assert client.line() == b"NOOP"
        assert struct.unpack("ll", theirs.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)) == (1, 500_000)


def test_before_login_select_bounds_each_read() -> None:
    """With a deadline no read is begun that select(2) has not promised something for."""
    peer = Peer(step_s=5, octets=b"NOOP\n")
    ours, theirs = socket.socketpair()
    with ours, theirs, client_on(theirs) as client, peer.in_place():
        assert client.line(1100.0) == b"NOOP"
    assert peer.asked == [100]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_replies_leave_at_once(family: socket.AddressFamily) -> None:
    """TCP does not hold small replies back until others are acknowledged."""
    ours, theirs = connection(family)
    with ours, theirs:
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        with client_on(theirs):
            assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_when_replies_leave() -> None:
    """Replies are collected up to WRITE_OCTETS, and leave in one piece then, or before a line is waited for."""
    ours, theirs = socket.socketpair()
    with ours, theirs, client_on(theirs) as client:
        sent: list[bytes] = []

        def send(out: bytes, _flags: int) -> int:
            sent.append(bytes(out))
            return len(out)

        with mock.patch.object(client, "_socket", SimpleNamespace(send=send)):
            client.put(b"x" * (WRITE_OCTETS - 1))
            assert sent == []
            client.put(b"y")
            assert sent == [b"x" * (WRITE_OCTETS - 1) + b"y"]
            client.put(b"z")
            ours.sendall(b"NOOP\nNOOP\n")
            assert client.line(idle=lambda: sent.append(b"idle")) == b"NOOP"
            assert sent[1:] == [b"z", b"idle"]
            assert client.line(idle=lambda: sent.append(b"idle")) == b"NOOP"  # it is there: nothing is waited for
            assert sent[3:] == []


def test_what_is_sent_in_pieces() -> None:
    """A peer that takes a part at a time gets all, in order; between the parts it is waited for."""
    peer = Peer(step_s=1)
    taken = [3, 0, 0, 2, 4]
    sent = b""

    def send(out: bytes, _flags: int) -> int:
        nonlocal sent
        count = taken.pop(0)
        if not count:
            raise BlockingIOError
        sent += bytes(out[:count])
        return count

    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        client_on(theirs) as client,
        peer.in_place(),
        mock.patch.object(client, "_socket", SimpleNamespace(send=send)),
    ):
        client.put(b"123456789")
        client.flush()
    assert (sent, taken, client.ended) == (b"123456789", [], None)
    assert peer.asked == [LIMIT_S, LIMIT_S]  # each piece of progress has the whole limit


def test_a_peer_that_takes_nothing() -> None:
    """After the limit it is given up: the rest is not sent, and its lines are no commands any more."""
    peer = Peer(step_s=LIMIT_S)
    full = mock.Mock(side_effect=[BlockingIOError] * 3 + [AssertionError("it sends for ever")])
    ours, theirs = socket.socketpair()
    with ours, theirs, client_on(theirs, b"DELE 1\r\nQUIT\r\n") as client, peer.in_place():
        with mock.patch.object(client, "_socket", SimpleNamespace(send=full)):
            client.put(b"message")
            client.flush()
        assert client.ended == EXPIRED
        assert client.line() is None
    assert full.call_count == 1


def test_a_peer_that_is_gone() -> None:
    """A reset connection, or one at its end, has no lines, though some had come."""
    for error in (True, False):
        ours, theirs = socket.socketpair()
        with ours, theirs, client_on(theirs, b"DELE 1\r\n" if error else b"") as client:
            ours.close()
            if error:
                client.put(b"+OK\r\n")
                with mock.patch.object(client, "_socket", SimpleNamespace(send=mock.Mock(side_effect=BrokenPipeError))):
                    client.flush()
            assert client.line() is None
            assert client.ended == GONE


def test_on_a_pipe_writes_never_block() -> None:
    """Where there is no socket, no more is written at once than a writable pipe takes, and each piece is waited for."""
    peer = Peer(step_s=1)
    reading, writing = os.pipe()
    with client_on(writing) as client, peer.in_place():
        client.put(b"x" * 1100)
        client.flush()
        client.put(b"y")
        peer.step_s = LIMIT_S
        client.flush()
        assert client.ended == EXPIRED
    assert os.read(reading, 5000) == b"x" * 1100
    assert peer.asked == [LIMIT_S] * 4  # 512, 512 and 76 octets; then it took nothing
    os.close(reading)
    os.close(writing)
