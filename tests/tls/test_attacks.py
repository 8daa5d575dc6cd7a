"""What a process of a TLS session that was taken over could reach, and what it could make the others believe."""

from __future__ import annotations

import os
import signal

import pytest

from popa3d.shared import replies
from tests.host import Host
from tests.super.daemon import Daemon
from tests.talk import children, descriptors, ids, wait_until
from tests.tls import Tls, install
from tests.tls.test_daemon import LOOPBACK, Secure, keeper, reload

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
