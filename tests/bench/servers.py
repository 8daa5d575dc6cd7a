"""The servers side by side: each way to reach one is a door with a port of its own, and all are open at once.

Runs as: root, in the private namespaces of tests/host.py. The servers are what users would run: popa3d by `make install`,
C popa3d, openbsd-inetd and Dovecot from Debian's packages.
"""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests import host, peers, tls
from tests.bench import dovecot
from tests.host import Account, Host
from tests.sockets import listens
from tests.super.inetd import Inetd
from tests.super.tree import kill_tree
from tests.talk import children, wait_until

OURS, C, DOVECOT, BARE = "popa3d", "C popa3d", "Dovecot", "bare Python"
PREFIX = Path("/opt/bench")
STATE = Path("/var/lib/popa3d-state")
WORKERS = 16  # accounts of each server
PASSWORD = "sesame-1"
TLS_PORTS = {OURS: 1113, DOVECOT: 1115}  # of -D, and of Dovecot
_PR_SET_CHILD_SUBREAPER = 36


class Door(NamedTuple):
    """A way to reach a server. how: inetd, -D, or what else starts its sessions. accounts: this server's own."""

    server: str
    how: str
    port: int
    accounts: tuple[Account, ...]

    @property
    def name(self) -> str:
        return f"{self.server} {self.how}".strip()


def _accounts(kind: str, first: int) -> tuple[Account, ...]:
    return tuple(Account(f"{kind}{i:02}", PASSWORD, first + i) for i in range(WORKERS))


# Dovecot writes into the mailboxes it serves, so each server has its own.
ACCOUNTS = {OURS: _accounts("ours", 21000), C: _accounts("judge", 21100), DOVECOT: _accounts("dove", 21200)}


def yescrypt(password: str) -> str:
    """The form that Debian's passwd makes since Debian 11; SHA-512 with its usual 5000 rounds where libcrypt lacks it."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    found: bytes = crypt(password.encode(), b"$y$j9T$popa3dbenchpopa3dbenc.") or b"*"
    if found.startswith(b"*"):
        found = crypt(password.encode(), b"$6$popa3dbench$")
    return found.decode()


class Place:
    """The private host, ready for all servers."""

    def __init__(self) -> None:
        host.enter_namespaces()
        host.mount_proc()  # of this process's own namespace, if `make bench` gave it one
        self.host = Host(tuple(account for family in ACCOUNTS.values() for account in family))
        host.tmpfs("/var/mail", "mode=2775,gid=8,size=12g")
        self.hash = yescrypt(PASSWORD)
        etc = self.host.base / "etc"
        shadow = (etc / "shadow").read_text()
        for family in ACCOUNTS.values():
            for account in family:
                shadow = re.sub(rf"(?m)^{account.name}:[^:]*:", lambda found: found[0].split(":")[0] + f":{self.hash}:", shadow)
        (etc / "shadow").write_text(shadow)
        with (etc / "passwd").open("a") as passwd, (etc / "group").open("a") as group:
            for name, number in (("dovecot", 20110), ("dovenull", 20111)):
                passwd.write(f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n")
                group.write(f"{name}:x:{number}:\n")
        subprocess.run(
            ["make", "-s", "install", f"PREFIX={PREFIX}", "PYTHON=/usr/bin/python3"],
            cwd=self.host.base / "copy",
            check=True,
            stdout=subprocess.DEVNULL,
        )
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what detaches stays a child of ours, to be ended
        self.missing = ""  # why there is no Dovecot

    def pam_stack(self, text: str | None = None) -> None:
        """The same PAM service for all servers; the shipped one if none is given."""
        self.host.pam_stack(text)
        shutil.copyfile(self.host.pam_d / "popa3d", self.host.pam_d / "dovecot")

    @contextlib.contextmanager
    def doors(self) -> Iterator[list[Door]]:
        """Every server, listening. Dovecot is left out where it cannot run; `missing` says why then."""
        self.pam_stack()
        judge = str(peers.program("popa3d", "usr/sbin/popa3d"))
        with contextlib.ExitStack() as stack:
            stack.enter_context(Inetd(1101, [str(PREFIX / "sbin/popa3d")]))
            stack.enter_context(Inetd(1102, [judge]))
            stack.enter_context(_daemon([str(PREFIX / "sbin/popa3d"), "-D", "-c", self._configuration()], 1103))
            stack.enter_context(_daemon([judge, "-D"], 110))
            doors = [
                Door(OURS, "inetd", 1101, ACCOUNTS[OURS]),
                Door(C, "inetd", 1102, ACCOUNTS[C]),
                Door(OURS, "-D", 1103, ACCOUNTS[OURS]),
                Door(C, "-D", 110, ACCOUNTS[C]),
            ]
            try:
                stack.enter_context(dovecot.running(self.host, 1105, TLS_PORTS[DOVECOT], ACCOUNTS[DOVECOT]))
                doors.append(Door(DOVECOT, "", 1105, ACCOUNTS[DOVECOT]))
            except (OSError, AssertionError, subprocess.SubprocessError) as error:
                self.missing = f"{type(error).__name__}: {error}"
            yield doors

    @contextlib.contextmanager
    def on_disk(self) -> Iterator[None]:
        """The mailboxes, and what servers know of them, lie on the checkout's file system meanwhile, empty at first."""
        disk = self.host.base / "checkout/build/bench-disk"
        shutil.rmtree(disk, ignore_errors=True)
        bound = []
        try:
            for place in (self.host.spool, STATE, dovecot.HOMES):
                place.mkdir(mode=0o711, exist_ok=True)
                had, there = place.stat(), disk / place.name
                there.mkdir(parents=True)
                os.chown(there, had.st_uid, had.st_gid)
                there.chmod(had.st_mode & 0o7777)
                host.bind(there, place)
                bound.append(place)
            for account in ACCOUNTS[DOVECOT]:
                dovecot.make_home(account)
            yield
        finally:
            for place in bound:
                host.unmount(place)
            shutil.rmtree(disk, ignore_errors=True)

    def _configuration(self) -> str:
        """-D without the flood checks' limits: a client that comes back at once is what is measured."""
        return self.host.configuration(
            f'[listen]\nport = 1103\ntls_port = {TLS_PORTS[OURS]}\naddresses = ["127.0.0.1"]\n'
            f"sessions = 10000\nsessions_per_source = 10000\nmin_delay_s = 0\n{tls.install(self.host)}"
        )


@contextlib.contextmanager
def _daemon(command: list[str], port: int) -> Iterator[None]:
    """A program that detaches and listens: it becomes a child of ours (see the subreaper above)."""
    before = set(children(os.getpid()))
    subprocess.run(command, cwd="/", env={}, check=True, timeout=30)
    wait_until(lambda: listens(port), 20)
    (pid,) = set(children(os.getpid())) - before
    try:
        yield
    finally:
        kill_tree(pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def version(package: str) -> str:
    """Debian's version of an unpacked package."""
    for name in ("changelog.Debian.gz", "changelog.Debian.amd64.gz"):
        path = peers.PEERS / package / "usr/share/doc" / package / name
        if path.exists():
            return re.sub(rb".*?\(([^)]*)\).*", rb"\1", gzip.decompress(path.read_bytes()).split(b"\n", 1)[0]).decode()
    return "of an unknown version"


@contextlib.contextmanager
def together() -> Iterator[None]:
    """The client and all servers share one processor meanwhile."""
    usual = os.sched_getaffinity(0)
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    _run_on(pids, {min(usual)})
    try:
        yield
    finally:
        _run_on(pids, usual)


def _run_on(pids: list[int], processors: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended, or is the kernel's
            os.sched_setaffinity(pid, processors)


@contextlib.contextmanager
def floor(made: Path, octets: int) -> Iterator[int]:
    """A server that only copies: `RETR n` sends the nth `octets` octets of `made` with CRLF line ends. Its port.

    No parser, no states, no limits: what a Python server could at best send.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        child = os.fork()
        if child == 0:
            try:
                while True:
                    _copy(listening, made, octets)
            finally:
                os._exit(0)
    try:
        yield port
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _copy(listening: socket.socket, made: Path, octets: int) -> None:
    client, _ = listening.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(b"+OK\r\n")
    with client, made.open("rb", buffering=0) as file:
        while line := client.recv(4096):
            words = line.split()
            if words[0] != b"RETR":
                client.sendall(b"+OK\r\n")
                if words[0] == b"QUIT":
                    return
                continue
            file.seek((int(words[1]) - 1) * octets)
            client.send(b"+OK\r\n", socket.MSG_MORE)
            left = octets
            while left and (data := file.read(min(left, 256 * 1024))):
                left -= len(data)
                client.sendall(data.replace(b"\n", b"\r\n"))
            client.sendall(b"\r\n.\r\n")
