"""What comes with STLS, or after it but before the handshake, is no command (CVE-2011-0411 and its kind)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from popa3d.shared import replies
from tests.host import Host
from tests.super.daemon import Connected, Daemon
from tests.super.inetd import Inetd
from tests.talk import POPA3D, Talk, wait_until
from tests.tls import Tls, install

SAID = b"STLS\r\nUSER alice\r\nPASS sesame-1\r\nSTAT\r\n"
STLS_OCTETS = len(b"STLS\r\n")


@pytest.fixture(params=["a program", "inetd", "popa3d -D"])
def connect(host: Host, request: pytest.FixtureRequest) -> Iterator[Callable[[], Talk]]:
    """What makes a connection without TLS; afterwards no session is left."""
    table = install(host)
    if request.param == "a program":
        yield lambda: Tls(host, implicit=False)
    elif request.param == "inetd":
        with Inetd(110, [*POPA3D, "-c", host.configuration(table)]) as inetd:
            yield Connected
            wait_until(lambda: not inetd.sessions())
    else:
        with Daemon(host, table) as daemon:
            yield Connected
            wait_until(daemon.idle_but_for_the_keeper)


@pytest.mark.parametrize("behind", [SAID[STLS_OCTETS:], b"\r\n", b"x"], ids=str)
def test_in_one_segment(host: Host, connect: Callable[[], Talk], behind: bytes) -> None:
    """What comes in one segment with STLS ends the connection, without a handshake."""
    with connect() as talk:
        talk.line()
        talk.send(b"STLS\r\n" + behind)
        assert talk.rest() == b""
    host.syslog.wait("Octets behind STLS from 127.0.0.1")


@pytest.mark.parametrize("first", [1, 4, 5, STLS_OCTETS - 1, STLS_OCTETS, STLS_OCTETS + 1, 17, 18, 19, len(SAID) - 1])
def test_in_two_segments(host: Host, connect: Callable[[], Talk], first: int) -> None:
    """However the segments are cut: after a complete STLS the rest is no handshake."""
    with connect() as talk:
        talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        talk.line()
        talk.send(SAID[:first])
        if first == STLS_OCTETS:
            assert talk.line() == replies.TLS_STARTS
        talk.send(SAID[first:])
        assert b"+OK" not in talk.rest()
    host.syslog.wait("TLS handshake failed from 127.0.0.1: " if first == STLS_OCTETS else "Octets behind STLS from 127.0.0.1")
    assert "Authentication" not in host.syslog.text
