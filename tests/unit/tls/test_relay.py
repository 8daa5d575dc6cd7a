"""The relay on local sockets: its limits, and which side's end does what."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from unittest import mock

import pytest

from popa3d.tls import relay
from popa3d.tls.engine import Engine
from tests.tls import client_context
from tests.unit.tls import context


class Running:
    """A relay in a thread, with the client's end and the session's in hand."""

    def __init__(self, timeout_s: float = 60, handshake_s: float = 60) -> None:
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
                made.run()
                for one in (made._client, made._session):
                    one.detach()

        self.thread = threading.Thread(target=run, daemon=True)

    def __enter__(self) -> Running:
        self._patch = mock.patch.multiple(relay, CLIENT_FD=self.client_fd, SESSION_FD=self.session_fd)
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
    """Then there is nobody to talk to."""
    with Running() as running:
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


def test_a_client_that_takes_its_time() -> None:
    """After the session's end what that said is sent for one timeout, not for one with each piece."""
    with Running(timeout_s=3) as running:
        for end in (running.client, running.session):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        with socket.socket(fileno=os.dup(running.client_fd)) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client = running.shake_hands()
        running.session.setblocking(False)
        sent = 0
        for _ in range(20):
            try:
                sent += running.session.send(bytes(100_000))
            except BlockingIOError:
                time.sleep(0.01)
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
