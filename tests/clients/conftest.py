"""A server and a person at a client for each test; another user's mailbox must come out untouched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import Home
from tests.host import BASE, Host
from tests.super.inetd import Inetd
from tests.talk import wait_until

OTHERS = b"From x Mon Nov 17 08:12:44 2025\nSubject: bob's\n\nnot for alice\n\n"


@pytest.fixture(autouse=True)
def server(host: Host) -> Iterator[Inetd]:
    """popa3d behind inetd on 127.0.0.1, port 110. No session ends in an internal error or touches bob's mailbox."""
    others = host.deliver("bob", OTHERS)
    before = others.stat()
    with Inetd() as inetd:
        yield inetd
        wait_until(lambda: not inetd.sessions())
    assert others.read_bytes() == OTHERS
    assert others.stat().st_mtime_ns == before.st_mtime_ns
    for bad in ("Internal error", "Premature disconnect", "refused"):
        assert bad not in host.syslog.text


@pytest.fixture
def home(host: Host) -> Iterator[Home]:
    """A private home directory."""
    with tempfile.TemporaryDirectory(prefix="home-", dir=BASE) as path:
        yield Home(Path(path))
