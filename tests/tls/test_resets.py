"""Clients that break their connection off at any moment of a session over TLS."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct

import pytest

from popa3d.shared import replies
from tests.host import PAM_QUICK, Host
from tests.super.daemon import Daemon
from tests.talk import script, wait_until
from tests.tls import NAME, client_context, install

RESETS = 25
SECONDS = 60
FIRST = b"From a\nSubject: 1\n\n" + b"".join(b"%060d\n" % i for i in range(20_000)) + b"\n"  # more than is on the way at once
SECOND = b"From a\nSubject: 2\n\nstays\n\n"
COMMANDS = script(b"STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
PLAIN = b"STLS\r\n"


class Broken(Exception):
    """The client has reset the connection."""


class Breaking:
    """A client that resets its connection as soon as so many octets were sent, or received; never if there are fewer."""

    def __init__(self, port: int, sent: float, received: float) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        self.socket.connect(("127.0.0.1", port))
        self.limits = {"sent": sent, "received": received}
        self.counts = {"sent": 0, "received": 0}
        self.got = b""
        self.all_was_said = False  # and on its way

    def _break(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        raise Broken

    def send(self, octets: bytes) -> None:
        """Send them, or a part of them."""
        left = self.limits["sent"] - self.counts["sent"]
        part = octets if left > len(octets) else octets[: int(left)]
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(part)
        self.counts["sent"] += len(part)
        if left <= len(octets):
            self._break()

    def receive(self) -> bytes:
        """What comes, or a part of it; none at the end."""
        left = self.limits["received"] - self.counts["received"]
        octets = self.socket.recv(int(min(left, 20_000)))
        self.counts["received"] += len(octets)
        if self.counts["received"] >= self.limits["received"]:
            self._break()
        return octets

    def run(self, stls: bool) -> None:
        """All of a session. Raises Broken."""
        if stls:
            for line in (replies.GREETING, replies.TLS_STARTS):
                while not self.got.endswith(line):
                    self.got += self.receive()
                if line == replies.GREETING:
                    self.send(PLAIN)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context().wrap_bio(incoming, outgoing, server_hostname=NAME)
        is_shaking_hands = True
        while True:
            try:
                if is_shaking_hands:
                    tls.do_handshake()
                    is_shaking_hands = False
                    tls.write(COMMANDS)
                    self.send(outgoing.read())
                    self.all_was_said = True
                more = tls.read(100_000)
                if not more:
                    return  # close_notify
                self.got += more
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    self.send(outgoing.read())
                octets = self.receive()
                assert octets, "cut by the server"
                incoming.write(octets)


@pytest.mark.parametrize("stls", [False, True], ids=["pop3s", "STLS"])
def test_resets(host: Host, stls: bool) -> None:
    """Nothing is lost but what a complete QUIT has deleted; no process, descriptor or line about a bug stays behind."""
    host.pam_stack(PAM_QUICK)
    port = 110 if stls else 995
    with Daemon(host, install(host) + "[listen]\nmin_delay_s = 0\n") as daemon:
        path = host.deliver("alice", FIRST + SECOND)
        whole = Breaking(port, float("inf"), float("inf"))
        whole.run(stls)
        assert whole.got.endswith(replies.OK * 2) and path.read_bytes() == SECOND
        whole.socket.close()
        wait_until(daemon.idle_but_for_the_keeper)
        descriptors = daemon.descriptors()
        outcomes = set()
        for seed in range(RESETS):
            chance = random.Random(f"{seed} {stls}")
            limits = {"sent": float("inf"), "received": float("inf")}
            side = chance.choice(("sent", "received"))
            limits[side] = chance.randint(1, whole.counts[side])
            path = host.deliver("alice", FIRST + SECOND)
            client = Breaking(port, **limits)
            with contextlib.suppress(Broken, ConnectionError):
                client.run(stls)
            client.socket.close()
            wait_until(daemon.idle_but_for_the_keeper)
            left = path.read_bytes()
            where = f"seed {seed}, {side} {limits[side]} of {whole.counts[side]}"
            assert left in (FIRST + SECOND, SECOND) if client.all_was_said else left == FIRST + SECOND, where
            outcomes.add((client.all_was_said, left == SECOND))
        assert len(outcomes) == 3, outcomes
        wait_until(lambda: daemon.descriptors() <= descriptors)
    for bad in ("Internal error", "Server failure", "Failed to update", "keeper"):
        assert bad not in host.syslog.text
