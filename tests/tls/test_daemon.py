"""popa3d -D with TLS: its port for POP3S, the keeper of the key, and renewed or wrong pairs."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared import replies
from popa3d.shared.census import processes
from popa3d.shared.process_name import KEEPER
from tests.host import Host
from tests.super.daemon import Connected, Daemon, name, refused
from tests.talk import POPA3D, children, wait_until
from tests.tls import NAME, client_context, install, memory, pair

LOOPBACK = '[listen]\naddresses = ["127.0.0.1"]\n'
OK = replies.OK


class Secure(Connected):
    """A Connected over TLS: on the port of POP3S, or on another one after STLS."""

    def __init__(self, port: int = 995) -> None:
        super().__init__(port=port)
        if port != 995:
            self.line()
            assert self.ask(b"STLS") == replies.TLS_STARTS
        self.client = client_context().wrap_socket(self.client, server_hostname=NAME, suppress_ragged_eofs=False)
        if port == 995:
            assert self.line() == replies.GREETING

    def certificate(self) -> bytes:
        """The server's, as it was sent."""
        assert isinstance(self.client, ssl.SSLSocket)
        return self.client.getpeercert(binary_form=True) or b""

    def __enter__(self) -> Secure:
        super().__enter__()
        return self


def logged_in(port: int = 995) -> bytes:
    """The server's certificate, with which alice has logged in and said goodbye."""
    with Secure(port) as talk:
        assert talk.ask(b"USER alice") == OK
        assert talk.ask(b"PASS sesame-1") == OK
        assert talk.ask(b"QUIT") == OK
        assert talk.rest() == b""
        return talk.certificate()


def der(number: int) -> bytes:
    """The certificate of one of the pairs."""
    return ssl.PEM_cert_to_DER_cert(pair(number=number).certificate)


def keeper(daemon: Daemon) -> int:
    """The only process of a keeper, once there are no sessions."""
    wait_until(lambda: daemon.idle() and len(daemon.keepers()) == 1)
    return daemon.keepers()[0]


@pytest.fixture
def daemon(host: Host) -> Iterator[Daemon]:
    """A daemon with TLS."""
    with Daemon(host, install(host) + LOOPBACK) as daemon:
        yield daemon


@pytest.mark.parametrize("port", [995, 110])
def test_login(host: Host, daemon: Daemon, port: int) -> None:
    """POP3S and STLS; the TLS process is the keeper's child, and is gone afterwards."""
    assert logged_in(port) == der(0)
    assert " with TLSv1.3 TLS_AES_" in host.syslog.wait("Authentication passed for alice from 127.0.0.1")
    wait_until(daemon.idle_but_for_the_keeper)


def test_other_ports(host: Host) -> None:
    """tls_port is another one, or none; STLS is there all the same."""
    with Daemon(host, install(host) + LOOPBACK + "tls_port = 0\n"):
        assert refused("127.0.0.1", 995)
        assert logged_in(110)
    with Daemon(host, LOOPBACK + "tls_port = 995\n"):  # without a certificate
        assert refused("127.0.0.1", 995)


def test_where_the_key_is(host: Host, daemon: Daemon) -> None:
    """In the keeper and in TLS processes; not in the listener, nor in a session before or after the login."""
    private = pair().key.split("\n")[1].encode()[:40]
    keeping = keeper(daemon)
    assert "libssl" in Path(f"/proc/{keeping}/maps").read_text()
    with Secure() as talk:
        session = daemon.session()
        (preauth,) = children(session)
        for pid in (daemon.pid, session, preauth):
            assert "libssl" not in Path(f"/proc/{pid}/maps").read_text()
            assert private not in memory(pid)
        assert talk.ask(b"USER alice") == OK
        assert talk.ask(b"PASS sesame-1") == OK
        wait_until(lambda: session not in daemon.sessions())
        for pid in (daemon.session(), daemon.starter()):
            assert "libssl" not in Path(f"/proc/{pid}/maps").read_text()
            assert private not in memory(pid)


def test_the_keeper_is_killed(host: Host, daemon: Daemon) -> None:
    """Sessions go on, there is another keeper, and the log says so."""
    first = keeper(daemon)
    with Secure() as talk:
        os.kill(first, signal.SIGKILL)
        host.syslog.wait("The keeper of the TLS key has ended: starting another one")
        assert talk.ask(b"USER alice") == OK
        assert talk.ask(b"PASS sesame-1") == OK
        assert talk.ask(b"QUIT") == OK
    assert keeper(daemon) != first
    assert logged_in() == der(0)


def test_a_daemon_that_detaches(host: Host) -> None:
    """Its keeper is a child of the process that stays: another one is started when it ends. A wrong pair is told before that."""
    command = [*POPA3D, "-D", "-c", host.configuration(install(host) + LOOPBACK)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    try:
        assert (done.returncode, done.stderr) == (0, "")
        assert logged_in() == der(0)
        (pid,) = processes.listeners(POPA3D[0])
        (keeping,) = [child for child in children(pid) if name(child) == KEEPER]
        os.kill(keeping, signal.SIGKILL)
        host.syslog.wait("The keeper of the TLS key has ended: starting another one")
        assert logged_in() == der(0)
        wait_until(lambda: [child for child in children(pid) if name(child) == KEEPER] not in ([], [keeping]))
    finally:
        for pid in processes.listeners(POPA3D[0]):
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: refused("127.0.0.1", 995))
    (host.base / "tls/key").unlink()
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert re.fullmatch("popa3d: tls.key: .*/key: No such file or directory\n", done.stderr)


def reload(host: Host, daemon: Daemon, line: str) -> None:
    """SIGHUP, until the log has the line."""
    host.syslog.clear()
    daemon.process.send_signal(signal.SIGHUP)
    host.syslog.wait(line)


def test_renewal(host: Host, daemon: Daemon) -> None:
    """With SIGHUP a renewed pair is used, by new connections and by STLS in old ones."""
    with Connected() as old:
        old.line()
        install(host, pair(number=1))
        reload(host, daemon, "Configuration reloaded")
        assert logged_in() == der(1)
        assert old.ask(b"STLS") == replies.TLS_STARTS
    keeper(daemon)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda at: (at / "key").write_text(pair(number=1).key), "does not belong to"),
        (lambda at: (at / "key").unlink(), "tls.key: .*key: No such file"),
        (lambda at: (at / "key").chmod(0o644), "tls.key: .*key: can be read by everybody"),
        (lambda at: (at / "key").write_text("no key\n"), "OpenSSL cannot use"),
        (lambda at: (at / "certificate").chmod(0o666), "must belong to root and be writable by root alone"),
        (lambda at: (at / "certificate").write_text(""), "OpenSSL cannot use"),
        (lambda at: os.chown(at / "key", 20001, 20001), "tls.key: .*key: must belong to root"),
    ],
    ids=["another key", "no file", "open to all", "no PEM", "writable", "empty", "a user's"],
)
def test_wrong_pairs(host: Host, daemon: Daemon, spoil: object, reason: str) -> None:
    """A pair that cannot be used is named in one line, and the old one stays; a new daemon does not start with it."""
    spoil(host.base / "tls")  # type: ignore[operator]
    host.syslog.clear()
    daemon.process.send_signal(signal.SIGHUP)
    line = host.syslog.wait("Configuration not reloaded: ")
    assert re.search(reason, line), line
    assert logged_in() == logged_in(110) == der(0)
