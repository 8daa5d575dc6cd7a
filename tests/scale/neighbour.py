"""A host beside the private host of the tests: popa3d -D with users, spool, state directories, log and processes of its own.

Programs, network and clock are the private host's, as its address space is; so each neighbour has an address of its own. This
module is also the program that makes the neighbour's mounts, and becomes its popa3d or another program.

Runs as: root, in namespaces for mounts and processes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.host import ACCOUNTS, BASE, CHECKOUT, STATE, Account, bind
from tests.parallel import IN_NAMESPACES
from tests.syslog import Syslog
from tests.talk import POPA3D, children

_ETC = ("passwd", "shadow", "group")


class Neighbour:
    """A context manager: popa3d -D listens inside. Afterwards no process of the host is left.

    spool, state: where the mail is, and the state directories; seen from here. syslog: what was logged there.
    """

    def __init__(
        self, name: str, configuration: str, users: tuple[Account, ...], shared: Path | None = None, share_state: bool = True
    ) -> None:
        """users: the accounts that are there. shared: a directory of several hosts, for the spool and perhaps the states."""
        self.name, self._users = name, users
        self._place = BASE / f"host-{name}"
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()
        self.spool = _made(shared or self._place, "spool", 0o2775)
        self.state = _made(shared if shared and share_state else self._place, "state", 0o711)
        self.configuration = configuration
        self.file = self._place / "popa3d.toml"
        self.file.write_text(configuration)
        self._write_etc()
        self.syslog = _syslog(name)
        self.syslog.clear()
        self._process: subprocess.Popen[bytes] | None = None
        self._before: list[subprocess.Popen[bytes]] = []  # those that wait for the ends of their sessions

    def _write_etc(self) -> None:
        """The private host's accounts without those that are not here; its PAM services."""
        gone = [account.name for account in ACCOUNTS if account not in self._users]
        for name in _ETC:
            lines = Path("/etc", name).read_text().splitlines(True)
            path = self._place / name
            path.write_text("".join(line for line in lines if line.split(":")[0] not in gone))
            path.chmod(0o600 if name == "shadow" else 0o644)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            for line in self.syslog.lines:
                error.add_note(f"log of {self.name}: {line}")
        self.die()

    def start(self) -> None:
        """Start popa3d -D, and return when it listens."""
        notify = self._place / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(notify))
            ready.settimeout(60)
            self._process = self._begin(*POPA3D, "-DF", "-c", str(self.file), NOTIFY_SOCKET=str(notify))
            try:
                assert ready.recv(100) == b"READY=1"
            except (OSError, AssertionError):
                self.die()
                raise

    def _begin(self, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a program on this host, in a process namespace of its own."""
        words = [*IN_NAMESPACES, sys.executable, "-B", "-m", "tests.scale.neighbour"]
        words += [str(path) for path in (self._place, BASE / f"log-{self.name}", self.spool, self.state)]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "lib", **variables}
        return subprocess.Popen([*words, *command], cwd=CHECKOUT, env=environment)

    def run(self, *command: str) -> None:
        """Run a program there, which must succeed."""
        assert self._begin(*command).wait(60) == 0

    def die(self) -> None:
        """What a power failure does to its processes: all of them end at once, and none does anything more."""
        for process in [*self._before, *([self._process] if self._process else [])]:
            if process.poll() is None:
                for first in children(process.pid):
                    os.kill(first, signal.SIGKILL)  # the kernel kills all others, and then lets it end
                process.wait()
        self._process, self._before = None, []

    def stop_listening(self) -> None:
        """Tell popa3d -D to stop, as a service manager does. It goes on until its last session has ended; then call `start`."""
        assert self._process is not None
        os.kill(self.listener(), signal.SIGTERM)
        self._before.append(self._process)
        self._process = None

    def listener(self) -> int:
        """The process id of popa3d -D, as seen from here."""
        assert self._process is not None
        (shell,) = children(self._process.pid)
        (listener,) = children(shell)
        return listener

    def sessions(self) -> list[int]:
        """Those of clients that have logged in."""
        return [pid for child in children(self.listener()) for pid in children(child) if _is_users(pid)]

    def deliver(self, account: Account, mbox: bytes) -> Path:
        """Make `mbox` the mailbox of an account, old enough for popa3d to take its end for the end."""
        path = self.spool / account.name
        path.write_bytes(mbox)
        os.chown(path, account.uid, 8)
        path.chmod(0o660)
        os.utime(path, (1e9, 1e9))
        return path


@functools.cache
def _syslog(name: str) -> Syslog:
    """One for all neighbours of that name."""
    return Syslog(str(BASE / f"log-{name}"))


def _is_users(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}").stat().st_uid in {account.uid for account in ACCOUNTS if account.uid}
    return False


def _made(place: Path, name: str, mode: int) -> Path:
    """A directory that is made if it is missing, as Debian and popa3d make theirs."""
    path = place / name
    if not path.exists():
        path.mkdir()
        os.chown(path, 0, 8)
        path.chmod(mode)
    return path


def main(place: str, log: str, spool: str, state: str, *command: str) -> None:
    """Be this host, and then its program."""
    for name in _ETC:
        bind(f"{place}/{name}", f"/etc/{name}")
    bind(log, "/dev/log")
    bind(spool, "/var/mail")
    STATE.mkdir(exist_ok=True)
    bind(state, STATE)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
