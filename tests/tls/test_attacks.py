"""What a process of a TLS session that was taken over could reach, and what it could make the others believe."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from popa3d.shared import replies
from popa3d.shared.limits import SPARE
from tests import talk as talking
from tests.host import Host
from tests.super.daemon import Daemon
from tests.talk import POPA3D, Talk, children, descriptors, ids, wait_until
from tests.tls import NAME, Tls, client_context, install, small_connection
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
    with Daemon(host, install(host) + LOOPBACK + DOTLOCK) as daemon, Secure(port) as talk:
        talk.ask(b"CAPA")
        session = daemon.session()
        assert sorted(descriptors(preauth(session))) == [0, 1, 2, 3]


@pytest.mark.parametrize("port", [995, 110])
def test_a_keeper_that_hangs(host: Host, port: int) -> None:
    """Sessions wait for it for a while, then have a TLS process of their own; what the keeper does later disturbs nobody."""
    with Daemon(host, install(host) + LOOPBACK + "spare = 0\n[session]\nlogin_timeout_s = 8\n") as daemon:
        keeping = keeper(daemon)
        os.kill(keeping, signal.SIGSTOP)
        try:
            with Secure(port) as talk:
                host.syslog.wait("The keeper of the TLS key does not answer")
                os.kill(keeping, signal.SIGCONT)
                wait_until(lambda: not daemon.tls())
                assert talk.ask(b"USER alice") == replies.OK
                assert talk.ask(b"PASS sesame-1") == replies.OK
                assert talk.ask(b"QUIT") == replies.OK
                assert talk.rest() == b""
        finally:
            os.kill(keeping, signal.SIGCONT)


def test_reloads_that_fail(host: Host) -> None:
    """A reload that fails after the pair was read leaves no second process with the key, and no descriptor."""
    with Daemon(host, install(host) + LOOPBACK) as daemon:
        keeping = keeper(daemon)
        wait_until(lambda: len(daemon.spares()) == SPARE)
        open_ones = daemon.descriptors()
        host.configuration(install(host) + LOOPBACK.replace("127.0.0.1", "192.0.2.1"))
        for _ in range(3):
            reload(host, daemon, "Configuration not reloaded")
        assert keeper(daemon) == keeping
        wait_until(lambda: daemon.descriptors() <= open_ones)  # the log's comes and goes


def test_many_reloads(host: Host) -> None:
    """However many there are at once, one process has the key in the end, and clients are served meanwhile."""
    with Daemon(host, install(host) + LOOPBACK) as daemon:
        first = keeper(daemon)
        wait_until(lambda: len(daemon.spares()) == SPARE)
        open_ones = daemon.descriptors()
        for _ in range(10):
            for _ in range(20):
                daemon.process.send_signal(signal.SIGHUP)
            assert logged_in()
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


# A program's own descriptors from 3 on: a socket that listens, and a file that nobody else may read.
PASSED = 'exec 3<&$1 4</etc/shadow; shift; LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"'


def test_sockets_that_are_passed_to_a_session(host: Host) -> None:
    """With -s what LISTEN_FDS names is closed, and no process of the session has it; the client is the one on descriptor 0."""
    host.deliver("alice", b"From a\nSubject: x\n\nx\n\n")
    file = host.configuration(install(host))
    with socket.create_server(("127.0.0.1", 0)) as stray:
        command = ["bash", "--norc", "-c", PASSED, "bash", str(stray.fileno()), *POPA3D, "-s", "-c", file]
        with Talk(command, pass_fds=[stray.fileno()]) as talk:
            talk.client = client_context().wrap_socket(talk.client, server_hostname=NAME, suppress_ragged_eofs=False)
            assert talk.line() == replies.GREETING
            first = talk.process.pid
            seen = {pid: descriptors(pid) for pid in (first, *children(first))}
            assert talk.ask(b"USER alice") == talk.ask(b"PASS sesame-1") == replies.OK
            seen[0] = descriptors(first)  # now the owner's program
            assert len(seen) == 4
            inode = os.fstat(stray.fileno()).st_ino
            for pid, open_ones in seen.items():
                assert not {f"socket:[{inode}]", "/etc/shadow"} & set(open_ones.values()), (pid, open_ones)
            assert talk.ask(b"QUIT") == replies.OK
