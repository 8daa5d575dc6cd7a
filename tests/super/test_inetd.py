"""Sessions that the real openbsd-inetd starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from tests.host import PAM_QUICK, Host
from tests.super.foreground import HELLO, MBOX, everything, login
from tests.super.inetd import Inetd
from tests.talk import POPA3D, children, state, wait_until

ADDRESSES = ("127.0.0.1", "::1")
SECONDS = 20


def dead(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return state(pid) in "ZX"
    except OSError:
        return True


@pytest.fixture
def inetd(host: Host) -> Iterator[Inetd]:
    """inetd with popa3d on port 110 of both loopback addresses."""
    with Inetd(addresses=ADDRESSES) as running:
        yield running


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_session_from_greeting_to_quit(host: Host, inetd: Inetd, address: str) -> None:
    """Under inetd a client logs in, fetches and quits over either address family, and the log has its address."""
    path = host.deliver("alice", MBOX)
    got = everything(address, login())
    lines = got.split(b"\r\n", 3)
    assert lines[0].startswith(b"+OK popa3d") and lines[1] == b"+OK"
    assert lines[2].startswith(b"+OK") and lines[3].startswith(b"+OK")
    assert HELLO in got
    host.syslog.wait(f"Session from {address}")
    assert address in host.syslog.wait("Authentication passed for alice")
    assert path.read_bytes() == MBOX
    wait_until(lambda: not inetd.sessions())


def test_a_deletion_survives_quit(host: Host, inetd: Inetd) -> None:
    """A message deleted in a session under inetd is gone when the last reply has come."""
    path = host.deliver("alice", MBOX)
    got = everything("127.0.0.1", login(then=b"DELE 1\r\nQUIT\r\n"))
    assert got.count(b"+OK") == 5 and b"-ERR" not in got
    assert path.read_bytes() == b""


def test_a_wrong_password_ends_the_session(host: Host, inetd: Inetd) -> None:
    """A failed login gets exactly one refusal, as the last thing on the connection."""
    host.pam_stack(PAM_QUICK)
    host.deliver("alice", MBOX)
    got = everything("::1", b"USER alice\r\nPASS not-hers\r\nSTAT\r\n")
    assert got.count(b"-ERR") == 1
    assert got.endswith(b"-ERR [AUTH] Authentication failed (bad password?)\r\n")
    host.syslog.wait("Authentication failed for alice from ::1")


@pytest.mark.parametrize(
    ("arguments", "logged"),
    [(["-c", "/nonexistent"], "/nonexistent"), (["-x"], "unknown option -x"), (["-c", "broken"], "broken")],
    ids=["absent file", "wrong option", "not a table"],
)
def test_a_mistake_of_the_administrator_is_for_the_log_only(host: Host, arguments: list[str], logged: str) -> None:
    """inetd makes the connection descriptor 2 as well, and still a client never sees popa3d's complaints."""
    if arguments[-1] == "broken":
        arguments = ["-c", host.configuration("broken = 1\n")]
    with Inetd(command=[*POPA3D, *arguments]) as inetd:
        assert everything("127.0.0.1") == b""
        host.syslog.wait(logged)
        wait_until(lambda: not inetd.sessions())


def test_standard_error_is_not_the_client(host: Host, inetd: Inetd) -> None:
    """No process of a session keeps the connection as descriptor 2, so that no library can write to the client."""
    host.deliver("alice", MBOX)
    with socket.create_connection(("127.0.0.1", 110), SECONDS) as client, client.makefile("rb") as stream:
        assert stream.readline().startswith(b"+OK")
        (root,) = inetd.sessions()
        for pid in (root, *children(root)):  # before login: root and the pre-auth child
            assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
        client.sendall(login(then=b""))
        assert stream.readline() == b"+OK\r\n"
        assert stream.readline().startswith(b"+OK")
        assert os.readlink(f"/proc/{root}/fd/2") == "/dev/null"


def test_thirty_quick_connections(host: Host, inetd: Inetd) -> None:
    """Clients that connect and leave at once leave no process, and the next one is served."""
    for number in range(30):
        with socket.create_connection((ADDRESSES[number % 2], 110), SECONDS) as client:
            if number % 3 == 0:  # some leave with a reset rather than a FIN
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: not inetd.sessions(), 60)
    assert everything("127.0.0.1", b"QUIT\r\n").endswith(b"+OK\r\n")
    assert "Internal error" not in host.syslog.text
    wait_until(lambda: not inetd.sessions())


def test_inetd_ends_with_its_sessions(host: Host) -> None:
    """The test's own super-server takes an unfinished session with it when it ends."""
    with Inetd() as inetd, socket.create_connection(("127.0.0.1", 110), SECONDS) as client:
        assert client.recv(100).startswith(b"+OK")
        (pid,) = inetd.sessions()
        tree = [inetd.pid, pid, *children(pid)]
        inetd.end()
        assert all(dead(each) for each in tree)
        assert client.recv(100) == b""
