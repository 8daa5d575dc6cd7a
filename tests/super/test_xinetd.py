"""Sessions that the real xinetd starts, with packaging/xinetd/popa3d."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests import peers
from tests.host import Host
from tests.super.foreground import HELLO, MBOX, Foreground, connected, everything, login, packaged
from tests.talk import wait_until

PER_SOURCE = 50


def _xinetd(text: str) -> Foreground:
    return Foreground([str(peers.program("xinetd", "usr/sbin/xinetd")), "-dontfork", "-f", "{}"], text)


@pytest.fixture
def xinetd(host: Host) -> Iterator[Foreground]:
    """xinetd with the shipped file."""
    with _xinetd(packaged("xinetd/popa3d")) as running:
        yield running


def test_a_session(host: Host, xinetd: Foreground) -> None:
    """Under xinetd a client logs in, fetches and quits; the log has its address, and no process is left."""
    host.deliver("alice", MBOX)
    assert HELLO in everything("127.0.0.1", login())
    assert "127.0.0.1" in host.syslog.wait("Authentication passed for alice")
    wait_until(lambda: not xinetd.sessions())
    assert not xinetd.ended()


def test_ipv6(host: Host) -> None:
    """With the flag that is a comment in the file, one xinetd serves IPv6 and IPv4, and the log has plain addresses."""
    host.deliver("alice", MBOX)
    with _xinetd(packaged("xinetd/popa3d", ("#flags", "flags"))) as xinetd:
        for address in ("::1", "127.0.0.1"):
            assert HELLO in everything(address, login())
            host.syslog.wait(f"Authentication passed for alice from {address}")
        wait_until(lambda: not xinetd.sessions())


def test_the_limit_of_one_address(host: Host, xinetd: Foreground) -> None:
    """One address has per_source sessions at a time; one more is hung up on, and another address is served."""
    host.deliver("alice", MBOX)
    with contextlib.ExitStack() as clients:
        for _ in range(PER_SOURCE):
            client = clients.enter_context(connected("127.0.0.1", "127.0.0.2"))
            assert client.recv(100).startswith(b"+OK")
        assert everything("127.0.0.1", login(), source="127.0.0.2") == b""
        assert HELLO in everything("127.0.0.1", login(), source="127.0.0.3")
    wait_until(lambda: not xinetd.sessions(), 60)
    assert HELLO in everything("127.0.0.1", login(), source="127.0.0.2")
    wait_until(lambda: not xinetd.sessions())
