"""The same over TLS, beside Dovecot's own: a login, and one large message."""

from __future__ import annotations

import time
from functools import partial

from tests.bench import measure
from tests.bench.bench import Bench
from tests.bench.report import Row
from tests.bench.servers import TLS_PORTS, Door
from tests.host import PAM_OPEN
from tests.tls import client_context

CONTEXT = client_context()


class Client(measure.Client):
    """A client that speaks TLS from the first octet; the handshake is a part of the session."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._socket = CONTEXT.wrap_socket(self._socket)


def _login(door: Door) -> float:
    """Milliseconds from connect to the reply to PASS."""
    start = time.perf_counter()
    with Client(TLS_PORTS[door.server]) as client:
        client.login(door.accounts[0])
        took = time.perf_counter() - start
        client.ask(b"QUIT")
        client.wait()
    return 1000 * took


def _fetch(door: Door) -> float:
    """MB/s of RETR of the only message."""
    with Client(TLS_PORTS[door.server]) as client:
        client.login(door.accounts[0])
        start = time.perf_counter()
        octets = client.multi(b"RETR 1")
        took = time.perf_counter() - start
        client.ask(b"QUIT")
        client.wait()
    return octets / 1e6 / took


def sessions(bench: Bench) -> list[Row]:
    """popa3d -D and Dovecot, with the same certificate (ECDSA, P-256)."""
    bench.place.pam_stack(PAM_OPEN)
    bench.deliver_small()
    doors = [door for door in bench.at("-D") if door.server in TLS_PORTS]
    found = measure.interleave(bench.rounds(60, 15), {door.server: partial(_login, door) for door in doors}, warm=2)
    rows = [Row("TLS", "login, -D", "ms", found)]
    large = bench.rounds(100, 30)
    bench.clean_spool()
    for door in doors:
        bench.deliver(door.accounts[0], 1, large * 1_000_000)
    found = measure.interleave(bench.rounds(7, 3), {door.server: partial(_fetch, door) for door in doors})
    return [*rows, Row("TLS", f"RETR of {large} MB", "MB/s", found, True)]
