"""Who the client of a proxy is: what root makes of a report, and how long it waits for one."""

from __future__ import annotations

import os
import socket

import pytest

from popa3d.root import proxied
from popa3d.root.ending import End
from popa3d.root.peer import Peer
from popa3d.shared import log
from popa3d.shared.proxy_header import CHECKSUM, REASONS
from popa3d.shared.proxy_report import BAD, CLIENT, GONE, LATE, OCTETS, PEER, encode
from popa3d.shared.settings import Settings

PROXY = Peer.accepted("10.0.0.1")
ADDRESS = socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.1")


def client(report: bytes, proxies_tls: bool = False) -> Peer:
    """The client of the proxy."""
    settings = Settings()
    settings.proxies_tls = proxies_tls
    return proxied.client(report, PROXY, settings)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("setting", [False, True])
def test_a_client(number: int, setting: bool) -> None:
    """It has the address of the report, and TLS if the report or the setting says so."""
    peer = client(encode(CLIENT, number, ADDRESS), setting)
    assert (peer.address, peer.proxy, peer.name) == ("192.0.2.1", "10.0.0.1", "192.0.2.1 through 10.0.0.1")
    assert (peer.origin, peer.is_proxy, peer.has_tls) == (" from 192.0.2.1", False, bool(number) or setting)


def test_the_proxy_itself() -> None:
    """Without an address, or with the proxy's own, the client is the proxy."""
    for report in (encode(PEER), encode(CLIENT, 0, socket.inet_pton(socket.AF_INET6, "::ffff:10.0.0.1"))):
        peer = client(report)
        assert (peer.address, peer.proxy, peer.name, peer.is_proxy) == ("10.0.0.1", "10.0.0.1", "10.0.0.1", True)
    assert not PROXY.is_proxy  # which is a client where it is no proxy


@pytest.mark.parametrize(
    ("report", "reason", "priority"),
    [
        (encode(GONE), "", log.INFO),
        (encode(LATE), "No PROXY header from 10.0.0.1 in time", log.WARNING),
        (encode(BAD, CHECKSUM), "Bad PROXY header from 10.0.0.1: its checksum is wrong", log.WARNING),
        (b"", "The process that reads the header of proxy 10.0.0.1 has failed", log.ERROR),
        (encode(CLIENT, 2, ADDRESS), "The process that reads the header of proxy 10.0.0.1 has failed", log.ERROR),
        (encode(BAD, len(REASONS)), "The process that reads the header of proxy 10.0.0.1 has failed", log.ERROR),
        (encode(PEER, 0, ADDRESS), "The process that reads the header of proxy 10.0.0.1 has failed", log.ERROR),
    ],
)
def test_no_client(report: bytes, reason: str, priority: int) -> None:
    """There is no session, and one line in the log, or none for a proxy that only looks."""
    with pytest.raises(End) as end:
        client(report)
    assert (end.value.reason, end.value.priority, end.value.reply) == (reason, priority, b"")


@pytest.mark.parametrize(
    ("proxy", "address", "local"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "127.0.0.2", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("10.0.0.1", "127.0.0.1", False),
        ("10.0.0.1", "::1", False),
        ("10.0.0.1", "10.0.0.1", False),
    ],
)
def test_local_clients(proxy: str, address: str, local: bool) -> None:
    """A client is local if both it and its proxy are: what is not encrypted leaves the host otherwise."""
    assert Peer.through(proxy, address, False).is_local == local


def test_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a report is read, and what comes late, or from a process that has died, is none."""
    monkeypatch.setattr(proxied, "RECORD_GRACE_S", 0)
    ours, theirs = socket.socketpair()
    with ours:
        assert proxied.read_report(ours.fileno(), 0) == b""
        theirs.send(encode(CLIENT, 0, ADDRESS) + b"Q")
        assert proxied.read_report(ours.fileno(), 60) == encode(CLIENT, 0, ADDRESS)
        assert os.read(ours.fileno(), OCTETS) == b"Q"
        ours.send(b"x")
        theirs.close()  # with something unread: a reset
        assert proxied.read_report(ours.fileno(), 60) == b""
        assert proxied.read_report(ours.fileno(), 60) == b""
