"""A server and a person at a client for each test; another user's mailbox must come out untouched.

Each test runs twice: with the real inetd, and with popa3d's own listener.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import PORT, Home, nobody_else_touched
from tests.clients.recorder import Recorder
from tests.host import BASE, Host
from tests.super.daemon import Daemon, sessions_of
from tests.super.inetd import Inetd
from tests.talk import wait_until


@pytest.fixture(autouse=True, params=["inetd", "popa3d -D"])
def server(host: Host, request: pytest.FixtureRequest) -> Iterator[Inetd | Daemon]:
    """popa3d on 127.0.0.1, port 110."""
    with nobody_else_touched(host), Inetd() if request.param == "inetd" else Daemon(host) as server:
        yield server
        wait_until(lambda: not sessions_of(server.pid))


@pytest.fixture
def recorder(server: Inetd | Daemon) -> Iterator[Recorder]:
    """A port that leads to the server, and what is said over it."""
    with Recorder(PORT) as recorder:
        yield recorder


@pytest.fixture
def home(host: Host) -> Iterator[Home]:
    """A private home directory."""
    with tempfile.TemporaryDirectory(prefix="home-", dir=BASE) as path:
        yield Home(Path(path))
