"""Sessions behind the real openbsd-inetd and the real tcpd, with the lines of packaging/inetd/inetd.conf."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.host import BASE, Host, bind, unmount
from tests.super.foreground import HELLO, MBOX, Foreground, everything, login, packaged
from tests.talk import wait_until

ALLOW = "popa3d: 127.0.0.1, [::1]\n"
DENY = "popa3d: ALL\n"


def _lines() -> tuple[str, str]:
    """The two lines of the file for pop3: without tcpd, and (no comment here) with it."""
    lines = [line for line in packaged("inetd/inetd.conf").splitlines() if line.lstrip("#").startswith("pop3\t")]
    plain, wrapped = lines
    assert wrapped.startswith("#")
    return plain, wrapped[1:].replace("/usr/sbin/tcpd", str(peers.program("tcpd", "usr/sbin/tcpd")))


def _inetd(line: str) -> Foreground:
    program = str(peers.program("openbsd-inetd", "usr/sbin/inetd"))
    return Foreground([program, "-i", "{}"], f"{line}\n", 2)  # "tcp" is both address families


@pytest.fixture
def access(host: Host) -> Iterator[None]:
    """hosts.allow and hosts.deny for tcpd, on a copy of /etc that is gone afterwards: the machine may have neither."""
    copy = BASE / "etc-for-tcpd"
    copy.mkdir()
    shutil.copytree("/etc", copy, symlinks=True, dirs_exist_ok=True)
    (copy / "hosts.allow").write_text(ALLOW)
    (copy / "hosts.deny").write_text(DENY)
    bind(copy, "/etc")
    yield
    unmount("/etc")
    shutil.rmtree(copy)


@pytest.fixture
def tcpd(access: None) -> Iterator[Foreground]:
    """inetd with the tcpd line."""
    with _inetd(_lines()[1]) as running:
        yield running


def test_the_plain_line(host: Host) -> None:
    """The line of inetd.conf that is not a comment serves sessions over both address families as it stands."""
    host.deliver("alice", MBOX)
    with _inetd(_lines()[0]) as inetd:
        for address in ("127.0.0.1", "::1"):
            assert HELLO in everything(address, login())
        wait_until(lambda: not inetd.sessions())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_allowed_client(host: Host, tcpd: Foreground, address: str) -> None:
    """A client that hosts.allow names for the daemon popa3d logs in and fetches over either address family."""
    host.deliver("alice", MBOX)
    assert HELLO in everything(address, login())
    assert address in host.syslog.wait("Authentication passed for alice")
    wait_until(lambda: not tcpd.sessions())


def test_a_denied_client(host: Host, tcpd: Foreground) -> None:
    """A client that only hosts.deny names is hung up on without an octet, and popa3d is never started."""
    assert everything("127.0.0.1", login(), source="127.0.0.2") == b""
    assert "127.0.0.2" in host.syslog.wait("refused connect")
    wait_until(lambda: not tcpd.sessions())
    assert "Session from" not in host.syslog.text


def test_a_client_denied_over_ipv6(host: Host, tcpd: Foreground) -> None:
    """An IPv6 address that hosts.allow does not name any more is refused like any other."""
    Path("/etc/hosts.allow").write_text("popa3d: 127.0.0.1\n")
    assert everything("::1", login()) == b""
    host.syslog.wait("refused connect")
    wait_until(lambda: not tcpd.sessions())
    assert "Session from" not in host.syslog.text
