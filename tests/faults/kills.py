"""SIGKILL at a system call of the real program: the owner's session under strace, in UPDATE or in the recovery at login."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tests.session import handover, worker
from tests.talk import Talk, descriptors, wait_until

# What UPDATE and recovery do with the system, but for memory. strace counts each of them by itself.
CALLS = ("fcntl", "pread64", "pwrite64", "fdatasync", "fsync", "ftruncate", "openat", "close", "rename", "renameat", "unlinkat")


class Tracer(subprocess.Popen[bytes]):
    """strace. It ends by itself with what it traces; but if the test fails first, nobody would wait for it for ever."""

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self.terminate()
        self.wait()


def attach(pid: int, log: Path, *options: str) -> Tracer:
    """strace at work on process `pid`, and with the option -f on those that it starts."""
    with tempfile.TemporaryFile() as said:
        tracer = Tracer(["strace", "-o", str(log), "-p", str(pid), *options], stderr=said)
        # It is the process's tracer some moments before it has stopped it.
        wait_until(lambda: b" attached" in os.pread(said.fileno(), 4096, 0))
    return tracer


def counted(log: Path) -> list[tuple[str, int]]:
    """Each call in a trace of one process: its name, and the how many-eth of that name it is."""
    seen: dict[str, int] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(?:\d+ +)?(\w+)\(", line)
        if match and match[1] in CALLS:
            seen[match[1]] = seen.get(match[1], 0) + 1
            found.append((match[1], seen[match[1]]))
    return found


def update(commands: bytes, log: Path, kill: tuple[str, int] | None = None) -> list[tuple[str, int]]:
    """Log in, give `commands`, and trace the session from QUIT on; SIGKILL at one call. The calls up to there."""
    with worker(handover().encode()) as talk:
        assert talk.line() == b"+OK\r\n"
        for command in commands.splitlines():
            assert talk.ask(command) == b"+OK\r\n"
        tracer = attach(talk.process.pid, log, "-f", "-e", "trace=" + ",".join(CALLS), *_inject(kill))
        talk.send(b"QUIT\r\n")
        talk.rest()
        tracer.wait(20)
        assert talk.status() == (-9 if kill else 0)
    return counted(log)


def login(path: Path, log: Path, kill: tuple[str, int] | None = None) -> list[tuple[str, int]]:
    """Log in only, and trace the session once it has loaded its program: while it waits for a lock. SIGKILL at one call."""
    talk = _waiting(path)
    with talk:
        tracer = attach(talk.process.pid, log, "-f", "-e", "trace=" + ",".join(CALLS), *_inject(kill))
        os.close(_LOCKED.pop())  # closing it lets the lock go
        if kill is None:
            assert talk.line() == b"+OK\r\n"
        talk.client.close()
        tracer.wait(20)
        talk.status()
    return counted(log)


_LOCKED: list[int] = []


def _waiting(path: Path) -> Talk:
    """A session that waits for the lock of the mailbox at `path`."""
    fd = os.open(path, os.O_RDWR)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    _LOCKED.append(fd)
    talk = worker(handover().encode())
    wait_until(lambda: str(path) in descriptors(talk.process.pid).values())
    return talk


def _inject(kill: tuple[str, int] | None) -> list[str]:
    return [] if kill is None else ["-e", f"inject={kill[0]}:signal=SIGKILL:when={kill[1]}"]
