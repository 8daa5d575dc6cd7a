"""Mail programs that fetch all mail over TLS, from an address of their own, and verify the certificate."""

from __future__ import annotations

import poplib
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.host import Account
from tests.scale import FRONT
from tests.tls import pair

SECONDS = 60


def _context() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=pair().certificate)


def connected(way: str, of: str) -> poplib.POP3:
    """A connection from the address `of` whose TLS has begun: way is "pop3s" or "stls"."""

    class Client(poplib.POP3):
        """One that says where it comes from."""

        def _create_socket(self, timeout: float) -> socket.socket:
            plain = socket.create_connection((self.host, self.port), timeout, (of, 0))
            return _context().wrap_socket(plain, server_hostname=self.host) if way == "pop3s" else plain

    client = Client(FRONT, 995 if way == "pop3s" else 110, SECONDS)
    if way == "stls":
        client.stls(_context())
    return client


def python(account: Account, way: str, of: str) -> list[bytes]:
    """poplib: USER and PASS."""
    client = connected(way, of)
    client.user(account.name)
    client.pass_(account.password)
    found = [b"".join(line + b"\n" for line in client.retr(number)[1]) for number in range(1, client.stat()[0] + 1)]
    client.quit()
    return found


def curl(account: Account, way: str, of: str) -> list[bytes]:
    """curl: CAPA and AUTH PLAIN, and one connection for each message."""
    with tempfile.TemporaryDirectory() as place:
        trusted = Path(place, "trusted")
        trusted.write_text(pair().certificate)
        url, more = (f"pop3s://{FRONT}/", ()) if way == "pop3s" else (f"pop3://{FRONT}/", ("--ssl-reqd",))
        command = ["curl", "-sS", "--interface", of, "--cacert", trusted, "-u", f"{account.name}:{account.password}", *more]

        def run(path: str) -> bytes:
            done = subprocess.run([*command, url + path], capture_output=True, timeout=SECONDS, check=False)
            assert done.returncode == 0, done.stderr.decode()
            return done.stdout

        return [run(str(number + 1)).replace(b"\r\n", b"\n") for number in range(len(run("").splitlines()))]


Client = Callable[[Account, str, str], list[bytes]]
CLIENTS: tuple[Client, ...] = (python, curl)
