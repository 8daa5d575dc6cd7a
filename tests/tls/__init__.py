"""TLS, by real processes: certificates that are made here, and clients that use Python's ssl or OpenSSL's own."""

from __future__ import annotations

import functools
import re
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.host import Host
from tests.talk import POPA3D, Talk, connection

NAME = "pop.example.org"


class Pair(NamedTuple):
    """A certificate that signs itself, and its key, in PEM."""

    certificate: str
    key: str


def pair(kind: str = "ec", number: int = 0) -> Pair:
    """One of a kind: "ec", "rsa" or "ed25519". number: to have several."""
    return _pair(kind, number)


@functools.cache
def _pair(kind: str, number: int) -> Pair:
    algorithm = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"], "ed25519": ["ed25519"]}[kind]
    with tempfile.TemporaryDirectory() as place:
        names = [f"{place}/{name}" for name in ("certificate", "key")]
        command = ["openssl", "req", "-x509", "-nodes", "-newkey", *algorithm, "-subj", f"/CN={NAME}", "-days", "30"]
        command += [
            "-addext",
            f"subjectAltName=DNS:{NAME},IP:127.0.0.1",
            "-set_serial",
            str(number + 1),
            "-out",
            names[0],
            "-keyout",
            names[1],
        ]
        subprocess.run(command, check=True, capture_output=True)
        certificate, key = (Path(name).read_text() for name in names)
    return Pair(certificate, key)


def install(host: Host, made: Pair | None = None) -> str:
    """Put a pair where root has it; the table [tls] for it."""
    made = made or pair()
    directory = host.base / "tls"
    directory.mkdir(exist_ok=True)
    for name, text, mode in (("certificate", made.certificate, 0o644), ("key", made.key, 0o600)):
        path = directory / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)
    return f'[tls]\ncertificate = "{directory}/certificate"\nkey = "{directory}/key"\n'


def client_context() -> ssl.SSLContext:
    """A client that does not look at certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify raises
    return context


class Tls(Talk):
    """A Talk over TLS with a program that is given a connection: from the first octet with its option -s, else after `stls`."""

    def __init__(self, host: Host, configuration: str = "", implicit: bool = True, pair: Pair | None = None) -> None:
        file = host.configuration(install(host, pair) + configuration)
        self.context = client_context()
        super().__init__([*POPA3D, *(["-s"] if implicit else []), "-c", file])
        if implicit:
            self.handshake()

    def __enter__(self) -> Tls:
        super().__enter__()
        return self

    def handshake(self) -> None:
        """TLS from now on."""
        self.client = self.context.wrap_socket(self.client, server_hostname=NAME, suppress_ragged_eofs=False)

    def stls(self) -> None:
        """STLS, and TLS from then on."""
        assert self.ask(b"STLS").startswith(b"+OK")
        assert self.got == b""
        self.handshake()


def small_connection() -> tuple[socket.socket, socket.socket]:
    """A connection on whose way little has room."""
    client, server = connection()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    return client, server


def memory(pid: int) -> bytes:
    """All of a process's memory that can be read and written."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as file:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match and "[v" not in line:
                file.seek(int(match[1], 16))
                found.append(file.read(int(match[2], 16) - int(match[1], 16)))
    return b"".join(found)
