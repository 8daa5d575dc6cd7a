"""What a process of a TLS session that was taken over could reach, and what it could make the others believe."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.super.daemon import Daemon
from tests.talk import children, descriptors, ids
from tests.tls import Tls, install
from tests.tls.test_daemon import LOOPBACK, Secure, keeper

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
