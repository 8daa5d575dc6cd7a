"""What a process of a TLS session that was taken over could reach, and what it could make the others believe."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from popa3d.shared import replies
from tests import talk as talking
from tests.host import Host
from tests.super.daemon import Daemon
from tests.talk import children, descriptors, ids, wait_until
from tests.tls import Tls, install, small_connection
from tests.tls.test_daemon import LOOPBACK, Secure, keeper, logged_in, reload

DOTLOCK = '[mailbox]\nlocks = ["fcntl", "dotlock"]\n'
PREAUTH_USER = "20100"


def preauth(session: int) -> int:
    """The pre-auth child of a session."""
    (found,) = [pid for pid in children(session) if ids(pid)["Uid"].split()[0] == PREAUTH_USER]
    return found


@pytest.mark.parametrize("implicit", [True, False], ids=["-s", "STLS"])
def test_descriptors_of_the_preauth_child(host: Host, implicit: bool) -> None:
    """The connection, /dev/null and its pipe: neither the locker's socket nor what the TLS process reports to root."""
    with Tls(host, DOTLOCK, implicit=implicit) as talk:
        talk.line()
        if not implicit:
            talk.stls()
            talk.ask(b"CAPA")
        assert sorted(descriptors(preauth(talk.process.pid))) == [0, 1, 2, 3]


@pytest.mark.parametrize("port", [995, 110])
def test_descriptors_with_a_listener(host: Host, port: int) -> None:
    """The same with -D: nor has it the pipe of the logins, or the keeper's socket."""
    with Daemon(host, install(host) + LOOPBACK + DOTLOCK) as daemon:
        keeping = keeper(daemon)
        with Secure(port) as talk:
            talk.ask(b"CAPA")
            (session,) = [pid for pid in children(daemon.pid) if pid != keeping]
            assert sorted(descriptors(preauth(session))) == [0, 1, 2, 3]


@pytest.mark.parametrize("port", [995, 110])
def test_a_keeper_that_hangs(host: Host, port: int) -> None:
    """Sessions wait for it for a while, then have a TLS process of their own; what the keeper does later disturbs nobody."""
    with Daemon(host, install(host) + LOOPBACK + "[session]\nlogin_timeout_s = 8\n") as daemon:
        keeping = keeper(daemon)
        os.kill(keeping, signal.SIGSTOP)
        try:
            with Secure(port) as talk:
                host.syslog.wait("The keeper of the TLS key does not answer")
                os.kill(keeping, signal.SIGCONT)
                wait_until(lambda: not children(keeping))
                assert talk.ask(b"USER alice") == replies.OK
                assert talk.ask(b"PASS sesame-1") == replies.OK
                assert talk.ask(b"QUIT") == replies.OK
                assert talk.rest() == b""
        finally:
            os.kill(keeping, signal.SIGCONT)


def test_reloads_that_fail(host: Host) -> None:
    """A reload that fails after the pair was read leaves no second process with the key, and no descriptor."""
    with Daemon(host, install(host) + LOOPBACK) as daemon:
        keeping, open_ones = keeper(daemon), daemon.descriptors()
        host.configuration(install(host) + LOOPBACK.replace("127.0.0.1", "192.0.2.1"))
        for _ in range(3):
            reload(host, daemon, "Configuration not reloaded")
        assert keeper(daemon) == keeping
        wait_until(lambda: daemon.descriptors() <= open_ones)  # the log's comes and goes


SAID = b"STLS\r\nUSER alice\r\nPASS sesame-1\r\nSTAT\r\n"
STLS_OCTETS = len(b"STLS\r\n")


@pytest.mark.parametrize("first", [1, 4, 5, STLS_OCTETS - 1, STLS_OCTETS, STLS_OCTETS + 1, 17, 18, 19, len(SAID) - 1])
def test_injected_in_two_segments(host: Host, first: int) -> None:
    """However the segments are cut, what came with STLS or after it, but before the handshake, is no command."""
    with Tls(host, implicit=False) as talk:
        talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        talk.line()
        talk.send(SAID[:first])
        if first == STLS_OCTETS:
            assert talk.line() == replies.TLS_STARTS
        talk.send(SAID[first:])
        assert b"+OK" not in talk.rest()
        assert talk.status() == 0
    host.syslog.wait("TLS handshake failed from 127.0.0.1: " if first == STLS_OCTETS else "Octets behind STLS from 127.0.0.1")
    assert "Authentication" not in host.syslog.text


def test_many_reloads(host: Host) -> None:
    """However many there are at once, one process has the key in the end, and clients are served meanwhile."""
    with Daemon(host, install(host) + LOOPBACK) as daemon:
        first, open_ones = keeper(daemon), daemon.descriptors()
        for _ in range(10):
            for _ in range(20):
                daemon.process.send_signal(signal.SIGHUP)
            assert logged_in()
        wait_until(lambda: len(children(daemon.pid)) == 1)
        assert keeper(daemon) != first
        wait_until(lambda: daemon.descriptors() <= open_ones)
        assert logged_in(110)


def test_who_reads_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has not logged in and takes no reply keeps no TLS process when its session, which is counted, has ended."""
    monkeypatch.setattr(talking, "connection", small_connection)
    with Tls(host) as talk:
        talk.line()
        (tls,) = [pid for pid in children(talk.process.pid) if pid != preauth(talk.process.pid)]
        talk.send(b"CAPA\r\n" * 190 + b"QUIT\r\n")  # of the 200 lines that it may send
        assert talk.status() == 0
        wait_until(lambda: not os.path.exists(f"/proc/{tls}"))
