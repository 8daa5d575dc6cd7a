"""popa3d -D for the tests: in the foreground, ready when it says so."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from popa3d.shared import process_name
from popa3d.shared.process_name import COPIER, KEEPER, SPARE
from tests.host import Host
from tests.talk import POPA3D, Talk, Transcript, children, wait_until

WAITING_TLS = process_name.encode("", 0)


def name(pid: int) -> str:
    """What the kernel calls a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _input(pid: int) -> str:
    """What a process's descriptor 0 is; empty if it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/fd/0")
    except OSError:
        return ""


def starter_of(listener: int) -> int:
    """The process that starts the sessions of clients that have logged in; 0 if there is none."""
    return next((pid for pid in children(listener) if name(pid) == "popa3d-starter"), 0)


def sessions_of(listener: int) -> list[int]:
    """The session processes with a client, and zombies of some: the listener's own, then the starter's."""
    starter = starter_of(listener)
    others = [pid for pid in children(listener) if pid != starter and name(pid) not in (COPIER, KEEPER, SPARE, "")]
    return others + ([pid for pid in children(starter) if name(pid) not in (SPARE, "popa3d-starter", "")] if starter else [])


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
        program: str = POPA3D[0],
    ) -> None:
        self.host = host
        self.file = Path(host.configuration(configuration))
        self._notify = host.base / "notify"
        self._notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(self._notify))
            ready.settimeout(60)
            environment = {"NOTIFY_SOCKET": str(self._notify), "SOMETHING": "else", **(variables or {})}
            command = [program, *options, "-c", str(self.file)]
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

    def starter(self) -> int:
        """See `starter_of`."""
        return starter_of(self.pid)

    def starters(self) -> list[int]:
        """That and those that are asked no more."""
        return [pid for pid in children(self.pid) if name(pid) == "popa3d-starter"]

    def keepers(self) -> list[int]:
        """The processes that have the key: one, with TLS, but for moments."""
        return [pid for pid in children(self.pid) if name(pid) == KEEPER]

    def keeper(self) -> int:
        """The one."""
        (pid,) = self.keepers()
        return pid

    def copiers(self) -> list[int]:
        """The processes that copy the log to standard error: none or one, but for moments."""
        return [pid for pid in children(self.pid) if name(pid) == COPIER]

    def spares(self) -> list[int]:
        """The sessions that wait for a client."""
        return [pid for pid in children(self.pid) if name(pid) == SPARE]

    def sessions(self) -> list[int]:
        """See `sessions_of`."""
        return sessions_of(self.pid)

    def session(self) -> int:
        """The only process that has a client, once there is no other one. New spare sessions look like some."""
        wait_until(lambda: len(self._with_clients()) == 1)
        return self._with_clients()[0]

    def _with_clients(self) -> list[int]:
        return [pid for pid in self.sessions() if _input(pid).startswith("socket:")]

    def idle(self) -> bool:
        """Whether no session, and no zombie of one, is left."""
        return not self.sessions()

    def idle_but_for_the_keeper(self) -> bool:
        """The same with TLS: the keeper of the key has no TLS process."""
        return self.idle() and not self.tls()

    def tls(self) -> list[int]:
        """The TLS processes with a client, and zombies of some."""
        return [pid for pid in children(self.keeper()) if name(pid) not in (KEEPER, WAITING_TLS, "")]

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
