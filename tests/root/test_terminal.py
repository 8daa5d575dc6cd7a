"""The terminal from which popa3d or its super-server was started: no session has it, so that its owner cannot type on it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import HOME, Host
from tests.super.daemon import Connected, refused, sessions_of
from tests.talk import POPA3D, Talk, children, connection, wait_until

LEADER, JOB, CHILD = "leads the terminal's session", "leads a group of it, as a shell's job", "is one of a group"


def terminal_of(pid: int) -> tuple[int, int]:
    """The session id of a process, and the number of its controlling terminal, 0 for none."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[3]), int(fields[4])


class OnTerminal:
    """A process, started in one of the three ways on a terminal of its own that controls it; a context manager that ends it.

    start: called in it, with standard error on the terminal; it execs. pid: of that process. first: of the terminal's leader.
    """

    def __init__(self, way: str, start: Callable[[], None]) -> None:
        reading, writing = os.pipe()
        self.first, self._master = pty.fork()
        if not self.first:
            try:
                if way != LEADER and (pid := os.fork()):
                    os.write(writing, b"%d\n" % pid)
                    signal.pause()
                if way == JOB:
                    os.setpgid(0, 0)
                start()
            finally:
                os._exit(1)
        os.close(writing)
        with open(reading, "rb") as pipe:
            self.pid = self.first if way == LEADER else int(pipe.readline())

    def __enter__(self) -> OnTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in {self.pid, self.first}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(self.first, 0)
        os.close(self._master)


@pytest.mark.parametrize("way", [LEADER, JOB, CHILD])
def test_session_has_no_terminal(host: Host, way: str) -> None:
    """However it was started on a terminal, a session has none before it reads of the client, and is in no shell's session."""
    client, server = connection()

    def start() -> None:
        for fd in (0, 1):
            os.dup2(server.fileno(), fd)
        os.execve(POPA3D[0], POPA3D, {})

    with server, OnTerminal(way, start) as started:
        server.close()
        with client:
            client.settimeout(60)
            assert client.recv(100).startswith(b"+OK")
            for pid in (started.pid, *children(started.pid)):
                assert terminal_of(pid) == (started.pid, 0)
            client.sendall(b"USER alice\r\nPASS sesame-1\r\n")
            got = b""
            while got.count(b"+OK") < 2:
                got += client.recv(100)
            assert b"popa3d-session" in Path(f"/proc/{started.pid}/cmdline").read_bytes()
            assert terminal_of(started.pid) == (started.pid, 0)


def test_sessions_of_a_listener_in_the_foreground(host: Host) -> None:
    """popa3d -F stays on the terminal, where Ctrl-C ends it; its sessions are not there."""
    with OnTerminal(CHILD, lambda: os.execve(POPA3D[0], [*POPA3D, "-F"], {})) as started:
        wait_until(lambda: not refused("127.0.0.1"))
        assert terminal_of(started.pid)[0] == started.first and terminal_of(started.pid)[1]
        with Connected() as talk:
            assert talk.line().startswith(b"+OK")
            wait_until(lambda: len(sessions_of(started.pid)) == 1)  # the look whether it listens was a session, too
            (session,) = sessions_of(started.pid)
            for pid in (session, *children(session)):
                assert terminal_of(pid) == (session, 0)
            assert talk.ask(b"USER alice") == b"+OK\r\n" and talk.ask(b"PASS sesame-1") == b"+OK\r\n"
            assert terminal_of(session) == (session, 0)
            assert talk.ask(b"QUIT") == b"+OK\r\n"


TYPE = """
import fcntl, os, socket, sys, termios
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
    sys.stdout.write("opened")
except OSError as error:
    sys.stdout.write(f"open: {error.errno}")
for name in ("TIOCSTI", "TIOCSCTTY"):
    try:
        fcntl.ioctl(0, getattr(termios, name), b"x" if name == "TIOCSTI" else 0)
        sys.stdout.write(f" {name} done")
    except OSError as error:
        sys.stdout.write(f" {name}: {error.errno}")
"""


def test_session_by_hand(host: Host) -> None:
    """A session that root starts on a terminal by hand talks on it, and can neither type on it nor have it for its own."""
    place = host.base / "by-hand"
    (place / "bin").mkdir(parents=True)
    (place / "lib").symlink_to(HOME / "lib")
    (place / "bin/popa3d").write_bytes((HOME / "bin/popa3d").read_bytes())
    worker = place / "bin/popa3d-session"
    worker.write_text(f"#!/usr/bin/python3 -IBS\n{TYPE}")  # in the stead of the owner's program, with the owner's uid
    for path in (place / "bin/popa3d", worker):
        path.chmod(0o755)
    first, master = pty.fork()
    if not first:
        job = os.fork()
        if not job:
            os.setpgid(0, 0)
            os.execve(place / "bin/popa3d", [str(place / "bin/popa3d")], {})
        os.waitpid(job, 0)
        os._exit(0)
    got = b""
    os.write(master, b"USER alice\nPASS sesame-1\n")
    try:
        while b"TIOCSCTTY" not in got:
            got += os.read(master, 1000)
    finally:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        os.close(master)
    assert b"open: " in got and b"opened" not in got and b" TIOCSTI: " in got and b"done" not in got, got


def test_the_test_itself() -> None:
    """On a terminal of one's own, typing works: what fails above fails for the session's sake."""
    first, master = pty.fork()
    if not first:
        status = 1
        try:
            fcntl.ioctl(0, termios.TIOCSTI, b"x")
            status = 0
        finally:
            os._exit(status)
    _, how = os.waitpid(first, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(how) == 0


def test_a_pipe_and_a_socket_need_no_terminal(host: Host) -> None:
    """A session that leads its own session already, without a terminal, is served as it is."""
    with Talk(ends=socket.socketpair(), start_new_session=True) as talk:
        assert talk.login() == b"+OK\r\n"
        assert terminal_of(talk.process.pid) == (talk.process.pid, 0)
