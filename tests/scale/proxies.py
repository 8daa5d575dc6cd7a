"""nginx and HAProxy, with the configurations that popa3d ships: only names, addresses and paths are the tests' own.

Runs as: root, as Debian starts them; their workers are users of their own.
"""

from __future__ import annotations

import contextlib
import csv
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests import peers
from tests.host import BASE, HOME, Account, Host
from tests.scale import ADDRESSES, FRONT
from tests.talk import wait_until
from tests.tls import install

ANSWERER = Account("answerer", "", 20300)  # who runs popa3d-hosts: a number is enough


def adapted(name: str, changes: Mapping[str, str]) -> str:
    """A shipped file with some words changed, each of which must be there."""
    text = (HOME / "packaging" / name).read_text()
    for old, new in changes.items():
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    return text


class Program:
    """A context manager: a program runs inside, which is ended by a signal and must then end with status 0."""

    ends_by = signal.SIGTERM

    def __init__(self, command: list[str | Path], stderr: Path | None = None, **options: object) -> None:
        """stderr: a file to add to. options: of subprocess.Popen."""
        self._command, self._stderr, self._options = command, stderr, options

    def __enter__(self) -> Self:
        with self._stderr.open("ab") if self._stderr else contextlib.nullcontext() as stderr:
            self._process = subprocess.Popen(self._command, stderr=stderr, env={}, **self._options)  # type: ignore[call-overload]
        try:
            wait_until(self._is_ready)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(self.ends_by)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def status(self) -> int:
        """Its exit status, once it has ended."""
        return int(self._process.wait(60))

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, f"{self._command[0]} has ended"
        return True


class Hosts(Program):
    """popa3d-hosts, which answers nginx."""

    def __init__(self, table: str) -> None:
        self.place = BASE / "popa3d-hosts"
        self.place.mkdir(mode=0o755, exist_ok=True)
        os.chown(self.place, ANSWERER.uid, ANSWERER.uid)
        self.table, self.socket, self._log = self.place / "table", self.place / "socket", self.place / "log"
        for path in (self.socket, self._log):
            path.unlink(missing_ok=True)
        self.write(table)
        command: list[str | Path] = ["/usr/bin/python3", "-IB", HOME / "packaging/nginx/popa3d-hosts", self.table, self.socket]
        super().__init__(command, self._log, user=ANSWERER.uid, group=ANSWERER.uid, extra_groups=[])

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def write(self, table: str) -> None:
        """Another table, as docs/SCALE.md says: a new file that is renamed."""
        new = self.place / "new"
        new.write_text(table)
        new.rename(self.table)

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return super()._is_ready() and client.connect_ex(str(self.socket)) == 0


class Nginx(Program):
    """nginx, with the shipped nginx.conf; TLS has the certificate of tests.tls."""

    ends_by = signal.SIGQUIT

    def __init__(self, host: Host) -> None:
        install(host)
        tls = "/etc/letsencrypt/live/pop.example.org"
        module = peers.program("libnginx-mod-mail", "usr/lib/nginx/modules/ngx_mail_module.so")
        text = adapted(
            "nginx/nginx.conf",
            {
                "include /etc/nginx/modules-enabled/*.conf": f"load_module {module}",
                f"{tls}/fullchain.pem": f"{host.base}/tls/certificate",
                f"{tls}/privkey.pem": f"{host.base}/tls/key",
                "listen 110;": f"listen {FRONT}:110;",
                "listen 995 ssl;": f"listen {FRONT}:995 ssl;",
                "listen [::]:": "listen [::1]:",
            },
        )
        file = host.base / "nginx.conf"
        file.write_text(text)
        super().__init__([peers.program("nginx", "usr/sbin/nginx"), "-c", file, "-e", "stderr", "-g", "daemon off;"])

    def _is_ready(self) -> bool:
        return super()._is_ready() and _answers(110) and _answers(995)


class HaProxy(Program):
    """HAProxy, with a shipped configuration."""

    ends_by = signal.SIGUSR1  # softly

    def __init__(self, host: Host, name: str, changes: Mapping[str, str]) -> None:
        empty = host.base / "haproxy"
        empty.mkdir(exist_ok=True)
        places = {
            "user haproxy": "user nobody",
            "group haproxy": "group nogroup",
            "chroot /var/lib/haproxy": f"chroot {empty}",
            "\nglobal\n": f"\nglobal\n    stats socket {host.base}/haproxy.sock\n",
            "bind :::": f"bind {FRONT}:",
            " v4v6": "",
            "192.0.2.11": ADDRESSES["a"],
            "192.0.2.12": ADDRESSES["b"],
        }
        self._socket = host.base / "haproxy.sock"
        file = host.base / "haproxy.cfg"
        file.write_text(adapted(f"haproxy/{name}", {**places, **changes}))
        super().__init__([peers.program("haproxy", "usr/sbin/haproxy"), "-db", "-f", file])

    def _is_ready(self) -> bool:
        return super()._is_ready() and _answers(995)

    def states(self) -> dict[str, str]:
        """What it knows of each host: "BACKEND/HOST", and the first word of its state."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self._socket))
            client.sendall(b"show stat\n")
            lines = b"".join(iter(lambda: client.recv(65536), b"")).decode().removeprefix("# ").splitlines()
        rows = csv.DictReader(lines)
        hosts = [row for row in rows if row["svname"] in ADDRESSES]
        return {f"{row['pxname']}/{row['svname']}": row["status"].split()[0] for row in hosts}


def _answers(port: int) -> bool:
    try:
        socket.create_connection((FRONT, port), 60).close()
    except ConnectionRefusedError:
        return False
    return True
