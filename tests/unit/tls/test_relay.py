"""The relay on local sockets: its limits, and which side's end does what."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from typing import Any
from unittest import mock

import pytest

from popa3d.shared.tls_limits import TLS_LAST_OCTETS
from popa3d.tls import relay
from popa3d.tls.engine import Engine
from tests.talk import wait_until
from tests.tls import client_context
from tests.unit.tls import context


class Running:
    """A relay in a thread, with the client's end and the session's in hand."""

    def __init__(self, timeout_s: float = 60, handshake_s: float = 60, goodbye_s: float = 0.1, ahead: bytes = b"") -> None:
        self._goodbye_s = goodbye_s
        self.reports: list[str] = []
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.client = socket.create_connection(listening.getsockname())
            theirs, _ = listening.accept()
        self.session, plain = socket.socketpair()
        for end in (self.client, self.session):
            end.settimeout(30)
        self.client_fd, self.session_fd = theirs.fileno(), plain.fileno()
        with mock.patch.multiple(relay, CLIENT_FD=self.client_fd, SESSION_FD=self.session_fd):
            made = relay.Relay(Engine(context()), timeout_s, time.monotonic() + handshake_s, self.reports.append)

        def run() -> None:
            with theirs, plain:
                made.run(ahead)
                for one in (made._client, made._session):
                    one.detach()

        self.thread = threading.Thread(target=run, daemon=True)

    def __enter__(self) -> Running:
        own: Any = {"CLIENT_FD": self.client_fd, "SESSION_FD": self.session_fd, "TLS_GOODBYE_S": self._goodbye_s}
        self._patch = mock.patch.multiple(relay, **own)
        self._patch.start()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.session.close()
        self.thread.join(30)
        self._patch.stop()
        assert not self.thread.is_alive()

    def shake_hands(self) -> ssl.SSLSocket:
        """The client's end with TLS."""
        self.client = client_context().wrap_socket(self.client, suppress_ragged_eofs=False)
        return self.client

    def ended(self) -> None:
        """Wait for the relay's own end."""
        self.thread.join(30)
        assert not self.thread.is_alive()


def test_both_ways() -> None:
    """Large pieces in both directions arrive whole, and both ends are passed on."""
    big = os.urandom(3_000_000)
    with Running() as running:
        client = running.shake_hands()
        writer = threading.Thread(target=running.session.sendall, args=(big,))
        writer.start()
        heard = b""
        while len(heard) < len(big):
            heard += client.recv(1_000_000)
        writer.join()
        assert heard == big
        client.sendall(big[:100_000])
        got = b""
        while len(got) < 100_000:
            got += running.session.recv(100_000)
        assert got == big[:100_000]
        running.session.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""  # close_notify: without one this raises
        client.close()
        running.ended()
        assert running.reports == ["TLSv1.3 TLS_AES_256_GCM_SHA384"]


def test_stalled_handshake() -> None:
    """A handshake has its time, and both sides see the end."""
    with Running(handshake_s=0.2) as running:
        running.client.send(b"\x16\x03\x01")
        assert running.session.recv(1) == b""
        running.ended()


def test_the_session_ends_during_the_handshake() -> None:
    """Then there is nobody to talk to: the client is not waited for."""
    with Running(goodbye_s=600) as running:
        running.session.close()
        running.ended()


def test_a_client_that_does_not_read() -> None:
    """It has its time for each piece; then the relay ends, and the session sees that."""
    with Running(timeout_s=0.3) as running:
        running.shake_hands()
        running.session.setblocking(False)
        end = time.monotonic() + 30
        error: OSError | None = None
        while error is None and time.monotonic() < end:
            try:
                running.session.send(bytes(100_000))
            except BlockingIOError:
                time.sleep(0.01)
            except OSError as found:
                error = found
        assert isinstance(error, (BrokenPipeError, ConnectionResetError))
        running.ended()


def with_little_room(running: Running) -> ssl.SSLSocket:
    """The client's end with TLS, where the kernel keeps little of what is on the way."""
    running.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    with socket.socket(fileno=os.dup(running.client_fd)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    client = running.shake_hands()
    wait_until(lambda: running.reports)  # the client believes that sooner
    return client


def speak(running: Running, count: int) -> int:
    """Let the session say as much as there is room for, at most `count` octets; how many these were."""
    running.session.setblocking(False)
    said = 0
    end = time.monotonic() + 1
    while said < count and time.monotonic() < end:
        try:
            said += running.session.send(bytes(min(10_000, count - said)))
        except BlockingIOError:
            time.sleep(0.01)
    return said


def test_a_client_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the session's end, what the kernel has no room for is sent for a while, and not for one more with each piece."""
    monkeypatch.setattr(relay, "TLS_LINGER_S", 1)
    monkeypatch.setattr(relay, "TLS_LAST_OCTETS", 0)
    with Running() as running:
        client = with_little_room(running)
        sent = speak(running, 400_000)
        running.session.close()
        got = 0
        was_cut = False
        while not was_cut and got < sent:
            try:
                got += len(client.recv(1500))
            except OSError:  # also without close_notify
                was_cut = True
            time.sleep(0.03)
        assert was_cut
        assert 10_000 < got < sent
        running.ended()


def test_what_the_kernel_delivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a client that takes nothing the relay rids itself when the session has ended; what that said arrives all the same."""
    monkeypatch.setattr(relay, "TLS_LINGER_S", 600)
    with Running() as running:
        client = with_little_room(running)
        assert speak(running, 100_000) == 100_000
        running.session.close()
        running.ended()
        got = 0
        while more := client.recv(100_000):  # to close_notify: without one this raises
            got += len(more)
        assert got == 100_000


def test_room_is_not_taken_away() -> None:
    """A connection for which the kernel keeps more than that already goes on so."""
    with Running() as running, socket.socket(fileno=os.dup(running.client_fd)) as server:
        running.shake_hands()
        wait_until(lambda: running.reports)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TLS_LAST_OCTETS)
        before = server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        with mock.patch.object(relay, "TLS_LAST_OCTETS", 10_000):
            running.session.close()
            running.client.close()
            running.ended()
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before


@pytest.mark.parametrize("end", ["close_notify", "cut"])
def test_the_client_ends(end: str) -> None:
    """The session reads what was said, then the end; a client that has only said that no more comes still gets the reply."""
    with Running() as running:
        client = running.shake_hands()
        client.sendall(b"QUIT\r\n")
        assert running.session.recv(100) == b"QUIT\r\n"
        if end == "cut":
            os.close(client.detach())
            assert running.session.recv(100) == b""
            running.ended()
            return
        client.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            client.unwrap()
        assert running.session.recv(100) == b""
        running.session.sendall(b"+OK\r\n")
        running.session.close()
        running.ended()


def test_nothing_is_held_back() -> None:
    """What is sent to the client leaves at once."""
    with Running() as running:
        other = socket.socket(fileno=os.dup(running.client_fd))
        with other:
            assert other.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("size", [1, 100, 1 << 16])
def test_what_was_read_before(size: int) -> None:
    """The beginning of the handshake may have been read with a proxy's header; nothing of it is lost."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    with Running(ahead=hello[:size]) as running:
        running.client.sendall(hello[size:])
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                answer = running.client.recv(1 << 16)
                assert answer
                incoming.write(answer)
        tls.write(b"CAPA\r\n")
        running.client.sendall(outgoing.read())
        assert running.session.recv(100) == b"CAPA\r\n"


@pytest.mark.parametrize("ahead", [b"CAPA\r\n", b"\x16\x03\x01\x00\x01\xff", b"\0"])
def test_no_tls_behind_a_header(ahead: bytes) -> None:
    """What was read with the header and is no handshake ends both sides, as if it had come later."""
    with Running(ahead=ahead) as running:
        running.client.shutdown(socket.SHUT_WR)
        running.ended()
        assert running.session.recv(1) == b""
        assert [report[:2] for report in running.reports] == ["! "]


@pytest.mark.parametrize("ahead", [None, b"ahead"])
def test_met(ahead: bytes | None) -> None:
    """With a proxy, its header is read first; without one there is no TLS, and with one what was behind it comes first."""
    run = mock.Mock()
    with mock.patch.object(relay, "Relay", mock.Mock(return_value=mock.Mock(run=run))) as made:
        relay.run(context(), 60, 60, mock.Mock(), lambda: ahead)
    assert run.call_args_list == ([mock.call(ahead)] if ahead else [])
    assert made.called == (ahead is not None)
