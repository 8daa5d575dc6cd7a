"""Talking to a POP3 server program on its descriptors 0 and 1, the way a super-server connects it."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests import host, peers
from tests.host import HOME, PASSWORDS

_PARTS, _PART_OCTETS = 40, 400  # of a conversation, kept for a failure

POPA3D = [str(HOME / "bin/popa3d")]


def c_popa3d() -> list[str]:
    """The judge: Debian's C popa3d 1.0.3."""
    return [str(peers.program("popa3d", "usr/sbin/popa3d"))]


def connection(family: socket.AddressFamily = socket.AF_INET, of: str = "") -> tuple[socket.socket, socket.socket]:
    """A TCP connection over the loopback interface, from address `of` or any: the client's end and the server's."""
    with socket.socket(family) as listening:
        listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listening.listen(1)
        client = socket.create_connection(listening.getsockname()[:2], None, (of, 0) if of else None)
        server, _ = listening.accept()
    return client, server


def becoming(command: list[str], variables: dict[str, str]) -> Callable[[], None]:
    """For preexec_fn: become `command` with these variables, even with one that has no name, which Python refuses."""
    entries = [f"{name}={value}".encode() for name, value in variables.items()]
    argv = (ctypes.c_char_p * (len(command) + 1))(*[word.encode() for word in command], None)
    environment = (ctypes.c_char_p * (len(entries) + 1))(*entries, None)
    libc = ctypes.CDLL(None)
    return lambda: libc.execve(command[0].encode(), argv, environment)


class Transcript:
    """The end of a conversation, for whoever has to find out why a test failed."""

    def __init__(self) -> None:
        self._parts: collections.deque[tuple[str, bytes]] = collections.deque(maxlen=_PARTS)

    def add(self, direction: str, data: bytes) -> None:
        """Keep what was sent (">") or received ("<"), if that is not too long."""
        self._parts.append((direction, data if len(data) <= _PART_OCTETS else data[:_PART_OCTETS] + b"..."))

    def explain(self, error: BaseException) -> None:
        """Note the conversation, and what was logged on this host, in an exception; pytest prints the notes of one."""
        for direction, data in self._parts:
            error.add_note(f"{direction} {data!r}")
        for line in host.logged():
            error.add_note(f"log: {line}")


class Talk:
    """One session with a program; a context manager that leaves no process behind. Waits are bounded by `seconds`.

    An exception that leaves the context has the conversation, and the log lines, in its notes.
    """

    def __init__(
        self,
        command: list[str] | None = None,
        ends: tuple[socket.socket, socket.socket] | None = None,
        seconds: float = 60,
        **options: object,
    ) -> None:
        self.client, server = ends or connection()
        self.seconds = seconds
        self.client.settimeout(seconds)
        self.got = b""  # received, and not asked for yet
        self.transcript = Transcript()
        with server:
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                command or POPA3D, stdin=server, stdout=server, **{"stderr": server, "env": {}, **options}
            )

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self.transcript.explain(error)
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)
        self.client.close()
        try:
            self.process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def send(self, data: bytes) -> None:
        """Send octets as they are."""
        self.transcript.add(">", data)
        self.client.sendall(data)

    def line(self) -> bytes:
        """The next line with its end, or what there is at the end of the connection."""
        while b"\n" not in self.got:
            more = self._more()
            if not more:
                break
            self.got += more
        line, end, self.got = self.got.partition(b"\n")
        return line + end

    def _more(self) -> bytes:
        try:
            data = self.client.recv(1 << 20)
            self.transcript.add("<", data)
            return data
        except ConnectionResetError:
            return b""

    def ask(self, command: bytes) -> bytes:
        """Send one command; its first reply line."""
        self.send(command + b"\r\n")
        return self.line()

    def lines(self) -> list[bytes]:
        """A multi-line reply's lines behind the first, without the final dot."""
        found = []
        while (line := self.line()) not in (b".\r\n", b""):
            found.append(line)
        return found

    def login(self, name: str = "alice", password: str | None = None) -> bytes:
        """Read the greeting, log in; the reply to PASS."""
        assert self.line().startswith(b"+OK")
        assert self.ask(b"USER " + name.encode()) == b"+OK\r\n"
        return self.ask(b"PASS " + (PASSWORDS.get(name, "x") if password is None else password).encode())

    def rest(self) -> bytes:
        """All until the server closes the connection."""
        while more := self._more():
            self.got += more
        got, self.got = self.got, b""
        return got

    def status(self) -> int:
        """The exit status of the program, which must have ended by itself."""
        return int(self.process.wait(self.seconds))


def piped(octets: bytes, command: list[str] | None = None, seconds: float = 60) -> bytes:
    """All that a program answers to `octets` on a pipe, then the end of the pipe."""
    return subprocess.run(command or POPA3D, input=octets, capture_output=True, timeout=seconds, env={}, check=False).stdout


def script(commands: bytes, name: str = "alice") -> bytes:
    """`commands` with a login before them."""
    return b"USER %s\r\nPASS %s\r\n%s" % (name.encode(), PASSWORDS[name].encode(), commands)


def wait_until(true: object, seconds: float = 60) -> None:
    """Wait until the call `true()` is true; AssertionError if it never is."""
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came true"
        select.select([], [], [], 0.01)


def children(pid: int) -> list[int]:
    """The process ids of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state(pid: int) -> str:
    """What a process does, as a letter of proc(5): S sleeps, T is stopped, Z waits to be buried; OSError if there is none."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def ids(pid: int) -> dict[str, str]:
    """Uid, Gid, Groups, CapEff and the rest of /proc/PID/status."""
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def descriptors(pid: int) -> dict[int, str]:
    """The open descriptors of a process and what they are, but for those that it closes during the look."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found
