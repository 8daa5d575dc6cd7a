"""A server with TLS for each test: with the real inetd, which has an entry for each port, and with popa3d's own listener."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.clients import nobody_else_touched
from tests.clients.recorder import Recorder
from tests.clients.tls import PORTS
from tests.host import Host
from tests.super.daemon import Daemon
from tests.super.inetd import Inetd
from tests.talk import POPA3D, children, wait_until
from tests.tls import install


def _idle(server: Inetd | Daemon) -> bool:
    if isinstance(server, Inetd):
        return not children(server.pid)
    return server.idle_but_for_the_keeper()


@pytest.fixture(autouse=True, params=["inetd", "popa3d -D"])
def server(host: Host, request: pytest.FixtureRequest) -> Iterator[None]:
    """popa3d on 127.0.0.1, ports 110 and 995, which lets nobody log in without TLS; afterwards no process is left."""
    table = install(host) + 'plaintext_logins = "never"\n'
    with nobody_else_touched(host), contextlib.ExitStack() as stack:
        servers: list[Inetd | Daemon]
        if request.param == "inetd":
            command = [*POPA3D, "-c", host.configuration(table)]
            servers = [stack.enter_context(Inetd(110, command)), stack.enter_context(Inetd(995, [*command, "-s"]))]
        else:
            servers = [stack.enter_context(Daemon(host, table))]
        yield
        wait_until(lambda: all(_idle(each) for each in servers))


@pytest.fixture(params=list(PORTS))
def way(request: pytest.FixtureRequest) -> str:
    """How TLS begins: "pop3s" or "stls"."""
    return str(request.param)


@pytest.fixture
def recorder(way: str) -> Iterator[Recorder]:
    """A port that leads to the server's port for this way, and what is said over it."""
    with Recorder(PORTS[way]) as recorder:
        yield recorder
