"""The real openbsd-inetd in the foreground, with entries for the tests (and for the demonstration)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests import peers
from tests.host import BASE
from tests.talk import POPA3D, children, descriptors, wait_until

LOOPBACK = ("127.0.0.1",)
RATE = "100000"
LISTEN, SECONDS = "0A", 60


class Inetd:
    """inetd with one entry for each of `addresses`; a context manager that leaves no process and no file behind.

    port: the same for all entries. command: what inetd starts, as root; its arguments are words without spaces.
    Raises OSError (FileNotFoundError if inetd was not fetched, else an entry is not served) when it cannot start.
    """

    def __init__(self, port: int = 110, command: Sequence[str] = tuple(POPA3D), addresses: Sequence[str] = LOOPBACK) -> None:
        self.port = port
        self.addresses = addresses
        self._place = tempfile.TemporaryDirectory(prefix="inetd-", dir=BASE)
        configuration = Path(self._place.name, "inetd.conf")
        words = [command[0], os.path.basename(command[0]), *command[1:]]
        for address in addresses:
            entry = f"[{address}]:{port} stream tcp6" if ":" in address else f"{address}:{port} stream tcp4"
            with configuration.open("a") as file:
                file.write(f"{entry} nowait root {' '.join(words)}\n")
        try:
            # -i: stay in the foreground; -R: sessions a minute. It crashes without an environment, and washes what it has.
            program = str(peers.program("openbsd-inetd", "usr/sbin/inetd"))
            self._process = subprocess.Popen(
                [program, "-i", "-R", RATE, str(configuration)],
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self._place.cleanup()
            raise
        self.pid = self._process.pid
        try:
            wait_until(lambda: self.ended() or len(self._listening()) == len(addresses))
        except AssertionError:
            pass  # it is told below
        if self.ended() or len(self._listening()) != len(addresses):
            self.end()
            raise OSError(f"inetd does not listen on port {port} of {' and '.join(addresses)}: see the system log")

    def __enter__(self) -> Inetd:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ended(self) -> bool:
        """Whether inetd itself has ended, which it should not."""
        return self._process.poll() is not None

    def sessions(self) -> list[int]:
        """The process ids of the sessions that inetd has started and not yet buried, zombies included."""
        return children(self.pid)

    def end(self) -> None:
        """End inetd and what it started; all is dead when this returns. It has no say in that, so it cannot fork meanwhile."""
        if not self.ended():
            kill_tree(self.pid)
        self._process.wait(SECONDS)
        Path(BASE, "inetd.pid").unlink(missing_ok=True)
        self._place.cleanup()

    def _listening(self) -> set[str]:
        """The listening sockets on our port that are inetd's own: asking the kernel starts no session, connecting would."""
        own = descriptors(self.pid).values()
        found = set()
        for table in ("tcp", "tcp6"):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                words = line.split()
                name = f"socket:[{words[9]}]"
                if words[3] == LISTEN and int(words[1].rpartition(":")[2], 16) == self.port and name in own:
                    found.add(name)
        return found


def kill_tree(pid: int) -> None:
    """Kill a process and all that descend of it; all are dead when this returns."""
    tree = _stopped(pid)
    for process in tree:
        with contextlib.suppress(ProcessLookupError):  # it was ending
            signal.pidfd_send_signal(process, signal.SIGKILL)
    for process in tree:
        dead, _, _ = select.select([process], [], [], SECONDS)
        os.close(process)
        assert dead, "a process does not die"


def _stopped(pid: int) -> list[int]:
    """Descriptors (pidfd) of the process and all that descend of it. They are stopped one by one, so none is missed."""
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, signal.SIGSTOP)
    state = Path(f"/proc/{pid}/stat")
    wait_until(lambda: state.read_text().rpartition(") ")[2][0] in "TZX", SECONDS)
    found = [process]
    for child in children(pid):
        found += _stopped(child)
    return found
