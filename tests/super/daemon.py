"""popa3d -D for the tests: in the foreground, ready when it says so."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.host import Host
from tests.talk import POPA3D, Talk, Transcript, children, wait_until


class Daemon:
    """A context manager: the listener runs inside, and is ended by SIGTERM, which must leave nothing.

    stderr, variables: of the listener, besides or instead of its own.
    """

    def __init__(
        self,
        host: Host,
        configuration: str = "",
        options: Sequence[str] = ("-DF",),
        stderr: int | None = None,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.host = host
        self.file = Path(host.configuration(configuration))
        self._notify = host.base / "notify"
        self._notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(self._notify))
            ready.settimeout(60)
            environment = {"NOTIFY_SOCKET": str(self._notify), "SOMETHING": "else", **(variables or {})}
            command = [*POPA3D, *options, "-c", str(self.file)]
            self.process = subprocess.Popen(command, env=environment, stderr=stderr)
            try:
                assert ready.recv(100) == b"READY=1"
            except (OSError, AssertionError):
                self.process.kill()
                self.process.wait()
                raise
        self.pid = self.process.pid

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def idle(self) -> bool:
        """Whether no session, and no zombie of one, is left."""
        return not children(self.pid)

    def idle_but_for_the_keeper(self) -> bool:
        """The same with TLS: its only child is the keeper of the key, and that has no TLS process."""
        left = children(self.pid)
        return len(left) == 1 and not children(left[0])

    def descriptors(self) -> int:
        """How many the listener has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Connected(Talk):
    """A Talk with a server that listens already."""

    def __init__(self, address: str = "127.0.0.1", port: int = 110, of: str = "", seconds: float = 60) -> None:
        self.client = socket.create_connection((address, port), seconds, (of, 0) if of else None)
        self.seconds = seconds
        self.got = b""
        self.transcript = Transcript()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self.transcript.explain(error)
        self.client.close()


def logged_in(address: str = "127.0.0.1", port: int = 110, of: str = "") -> bool:
    """Whether alice can log in there, and say goodbye."""
    with Connected(address, port, of) as talk:
        return talk.login() == b"+OK\r\n" and talk.ask(b"QUIT") == b"+OK\r\n"


def refused(address: str, port: int = 110) -> bool:
    """Whether nobody listens there."""
    try:
        with socket.create_connection((address, port), 5):
            return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # it was just closing


def over_the_limit(of: str) -> bool:
    """Whether a connection from there is closed without a greeting."""
    with Connected(of=of) as talk:
        return talk.line() == b""


__all__ = ["Connected", "Daemon", "logged_in", "over_the_limit", "refused", "wait_until"]
