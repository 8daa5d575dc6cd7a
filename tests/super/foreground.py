"""A super-server in the foreground, started with one of the files below packaging/."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.host import BASE, HOME
from tests.sockets import listening_of
from tests.super.tree import SECONDS, kill_tree
from tests.talk import children, script, wait_until

PACKAGING = HOME / "packaging"
INSTALLED = "/usr/sbin/popa3d"  # the path in the packaging files
MBOX = b"From bob Mon Nov 23 06:00:00 2026\nSubject: hello\n\nhello\n\n"
RETR = b"RETR 1\r\nQUIT\r\n"
HELLO = b"Subject: hello\r\n\r\nhello\r\n.\r\n+OK"


def packaged(name: str, *others: tuple[str, str]) -> str:
    """A file below packaging/ with the path of the program under test, and with other words replaced."""
    text = (PACKAGING / name).read_text()
    for old, new in ((INSTALLED, str(HOME / "bin/popa3d")), *others):
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text


class Foreground:
    """A super-server and what it started; a context manager that leaves no process and no file behind.

    command: its words; "{}" stands for the path of a file with the text `configuration`. It is ready when it has
    `sockets` listening sockets. `said()` is what it wrote to standard output and standard error.
    """

    def __init__(self, command: list[str], configuration: str = "", sockets: int = 1) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="super-", dir=BASE)
        file = Path(self._place.name, "configuration")
        file.write_text(configuration)
        self._output = Path(self._place.name, "output")
        try:
            with self._output.open("wb") as output:
                self._process = subprocess.Popen(
                    [word.replace("{}", str(file)) for word in command],
                    cwd="/",
                    env={"PATH": "/usr/sbin:/usr/bin"},  # inetd crashes without an environment
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
        except OSError:
            self._place.cleanup()
            raise
        self.pid = self._process.pid
        try:
            wait_until(lambda: self.ended() or listening_of(self.pid) == sockets, SECONDS)
            assert not self.ended(), self.said()
        except AssertionError:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ended(self) -> bool:
        """Whether the super-server itself has ended."""
        return self._process.poll() is not None

    def said(self) -> str:
        """What it has written to standard output and standard error."""
        return self._output.read_text(errors="backslashreplace") if self._output.exists() else ""

    def sessions(self) -> list[int]:
        """The process ids of what it has started and not yet buried."""
        return children(self.pid)

    def end(self) -> None:
        """End it and all that it started; all is dead when this returns."""
        if not self.ended():
            kill_tree(self.pid)
        self._process.wait(SECONDS)
        self._place.cleanup()


def everything(address: str | Path, octets: bytes = b"", source: str = "", port: int = 110) -> bytes:
    """All that a server sends to a client that says `octets` at once, up to the end of the connection."""
    with connected(address, source, port) as client:
        try:
            client.sendall(octets)
        except OSError:
            pass  # hung up on
        got = b""
        try:
            while more := client.recv(1 << 16):
                got += more
        except ConnectionResetError:
            pass  # hung up on with something unread
        return got


def connected(address: str | Path, source: str = "", port: int = 110) -> socket.socket:
    """A connection to an address or, if it is a path, to a local socket; `source` is the client's own address."""
    if isinstance(address, Path):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(SECONDS)
        client.connect(str(address))
        return client
    return socket.create_connection((address, port), SECONDS, (source, 0) if source else None)


def login(name: str = "alice", then: bytes = RETR) -> bytes:
    """What a client says that logs in and goes on with `then`."""
    return script(then, name)
