"""A host beside the private host of the tests: popa3d -D with users, spool, state directories, log and processes of its own.

Programs, network and clock are the private host's, as its address space is; so each neighbour has an address of its own. This
module is also the program that makes the neighbour's mounts, and becomes its popa3d.

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

    def __init__(self, name: str, configuration: str, users: tuple[Account, ...], shared: Path | None = None) -> None:
        """users: the accounts that are there. shared: a directory with `spool` and `state`, of several hosts."""
        self.name, self._users = name, users
        self._place = BASE / f"host-{name}"
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()
        self.spool, self.state = make_shared(shared or self._place)
        (self._place / "popa3d.toml").write_text(configuration)
        self._write_etc()
        self.syslog = _syslog(name)
        self.syslog.clear()
        self._process: subprocess.Popen[bytes] | None = None

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

    def __exit__(self, *_: object) -> None:
        self.die()

    def start(self) -> None:
        """Start popa3d -D, and return when it listens."""
        notify = self._place / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(notify))
            ready.settimeout(60)
            command = [*IN_NAMESPACES, sys.executable, "-B", "-m", "tests.scale.neighbour"]
            command += [str(path) for path in (self._place, BASE / f"log-{self.name}", self.spool, self.state)]
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "lib", "NOTIFY_SOCKET": str(notify)}
            self._process = subprocess.Popen(command, cwd=CHECKOUT, env=environment)
            try:
                assert ready.recv(100) == b"READY=1"
            except (OSError, AssertionError):
                self.die()
                raise

    def die(self) -> None:
        """What a power failure does to its processes: all of them end at once, and none does anything more."""
        if self._process is not None:
            for first in children(self._process.pid):
                os.kill(first, signal.SIGKILL)  # the kernel kills all others, and then lets it end
            self._process.wait()
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
        return Path(f"/proc/{pid}").stat().st_uid in {account.uid for account in ACCOUNTS}
    return False


def make_shared(place: Path) -> tuple[Path, Path]:
    """The directories spool and state below `place`, as Debian and popa3d make them."""
    spool, state = place / "spool", place / "state"
    if not spool.exists():
        spool.mkdir()
        os.chown(spool, 0, 8)
        spool.chmod(0o2775)
        state.mkdir()
        state.chmod(0o711)
    return spool, state


def main(place: str, log: str, spool: str, state: str) -> None:
    """Be this host, and then its popa3d."""
    for name in _ETC:
        bind(f"{place}/{name}", f"/etc/{name}")
    bind(log, "/dev/log")
    bind(spool, "/var/mail")
    STATE.mkdir(exist_ok=True)
    bind(state, STATE)
    os.execv(POPA3D[0], [POPA3D[0], "-DF", "-c", f"{place}/popa3d.toml"])


if __name__ == "__main__":
    main(*sys.argv[1:])
