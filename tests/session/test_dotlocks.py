"""Dot-locks: made, kept young and removed by a session; what others leave behind; and where none can be made."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared.dotlock import Dotlock
from tests.host import ALICE, PAM_OPEN, Host, tmpfs, unmount
from tests.session import MAILBOX, ONE, TWO
from tests.session.locks import NOBODY, NOT_LOADED, all_free, deliver, dotlock, held, make_dotlock, opened, session, silent
from tests.talk import POPA3D, Talk, state, wait_until

LARGE = (b"From x\nSubject: large\n\n" + (b"x" * 70 + b"\n") * 14_000 + b"\n") * 150


# What a dot-lock is


@contextlib.contextmanager
def in_the_middle(path: Path, of: str, locks: str = "dotlock") -> Iterator[Talk]:
    """A session that is stopped while it has its dot-lock: while it parses, or in UPDATE (ONE is deleted then)."""
    deliver(path, ONE + LARGE)
    with session(path, locks) as talk:
        if of == "update":
            assert talk.line() == b"+OK\r\n"
            talk.send(b"DELE 1\r\nQUIT\r\n")
        lock = dotlock(path)
        end = time.monotonic() + 20
        while not lock.exists():
            assert time.monotonic() < end
        talk.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: state(talk.process.pid) == "T")
            wait_until(lambda: lock.read_bytes() == b"%d\n" % talk.process.pid or a_moment(talk))
            yield talk
        finally:
            talk.process.send_signal(signal.SIGCONT)


def a_moment(talk: Talk) -> bool:
    """Let a session that was stopped between making the file and writing into it go on for an instant."""
    talk.process.send_signal(signal.SIGCONT)
    talk.process.send_signal(signal.SIGSTOP)
    return False


@pytest.mark.parametrize("of", ["parse", "update"])
def test_a_signal_does_not_leave_it(spool: Path, of: str) -> None:
    """The dot-lock is MAILBOX.lock, of mode 0444, with the process's number; a session that is told to end removes it first,
    and ends with an update that is done.
    """
    path = spool / "alice"
    with in_the_middle(path, of, "fcntl,dotlock") as talk:
        wait_until(lambda: dotlock(path).stat().st_mode == 0o100444 or a_moment(talk))
        assert dotlock(path).stat().st_uid == ALICE.uid
        talk.process.terminate()
        talk.process.send_signal(signal.SIGCONT)
        assert talk.process.wait(30) == -signal.SIGTERM
        assert all_free(path)
    assert path.read_bytes() == (ONE if of == "parse" else b"") + LARGE


def test_a_signal_while_waiting(spool: Path) -> None:
    """A session that waits for another lock ends at once when it is told to, and leaves no dot-lock."""
    path = deliver(spool / "alice")
    with held("flock", path), session(path, "dotlock,flock") as talk:
        silent(talk)
        talk.process.terminate()
        assert talk.process.wait(60) == -signal.SIGTERM
        assert not dotlock(path).exists()


@pytest.mark.parametrize("of", ["parse", "update"])
def test_a_killed_session_is_not_waited_for(spool: Path, of: str) -> None:
    """The dot-lock of a session that was killed is removed by the next one, which finishes an update that was begun."""
    path = spool / "alice"
    with in_the_middle(path, of) as talk:
        talk.process.kill()
        talk.process.wait(20)
        assert dotlock(path).exists()
    with opened(path, "dotlock") as talk:
        assert all_free(path)
        assert talk.ask(b"STAT").split()[1] in ((b"151",) if of == "parse" else (b"150", b"151"))
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes().removeprefix(ONE) == LARGE


@pytest.mark.parametrize("of", ["parse", "update"])
@pytest.mark.parametrize("by", [None, b"0"], ids=["removed", "replaced"])
def test_taken_for_a_stale_one(spool: Path, of: str, by: bytes | None) -> None:
    """A session whose dot-lock somebody removes goes on; it does not remove the one that somebody else makes meanwhile."""
    path = spool / "alice"
    with in_the_middle(path, of) as talk:
        dotlock(path).unlink()
        if by is not None:
            make_dotlock(path, by)
        talk.process.send_signal(signal.SIGCONT)
        assert talk.line() == b"+OK\r\n"
        if of == "update":
            assert talk.line() == b"+OK\r\n"
        assert (dotlock(path).read_bytes() if os.path.lexists(dotlock(path)) else None) == by
    assert path.read_bytes() == (ONE if of == "parse" else b"") + LARGE


# Almost as old as a dot-lock of a living process can be.
SINCE_BOOT = int(time.clock_gettime(time.CLOCK_BOOTTIME)) - 20
STALE = {
    "dead process": (b"%d\n" % NOBODY, 0),
    "dead process, no line end": (b"%d" % NOBODY, 0),
    "empty, old": (b"", 301),
    "procmail's, old": (b"0", 301),
    "not a number, old": (b"x" * 1000, 301),
    "no possible number, old": (b"9" * 20, 301),
    "dead process of some host, old": (b"%d\nmail.example.org\n" % NOBODY, 301),
    "living process, older than the system's start": (b"1\n", 10**9),
}
LIVE = {
    "living process": (b"%d\n" % os.getpid(), 0),
    "living process, old": (b"%d\n" % os.getpid(), SINCE_BOOT),
    "root's process, old": (b"1\n", SINCE_BOOT),
    "living process of some host, old": (b"%d\nmail.example.org\n" % os.getpid(), SINCE_BOOT),
    "empty": (b"", 280),
    "procmail's": (b"0", 280),
    "dead process of some host": (b"%d\nmail.example.org\n" % NOBODY, 280),
    "empty, from the future": (b"", -1000),
}


@pytest.mark.parametrize("kind", STALE)
def test_a_stale_one_is_removed(spool: Path, kind: str) -> None:
    """A dot-lock of a dead process, or one of five minutes whose process cannot be told, is in nobody's way."""
    path = deliver(spool / "alice")
    make_dotlock(path, *STALE[kind])
    with opened(path, "fcntl,dotlock"):
        assert all_free(path)


def test_a_live_one_is_respected(spool: Path) -> None:
    """A dot-lock of a living process, however old, or a young one whose process cannot be told, is waited for."""
    with contextlib.ExitStack() as stack:
        talks = {}
        for i, kind in enumerate(LIVE):
            path = deliver(spool / f"live-{i}")
            make_dotlock(path, *LIVE[kind])
            talks[kind] = path, stack.enter_context(session(path, "dotlock"))
        silent(*(talk for _, talk in talks.values()))
        for kind, (path, talk) in talks.items():
            dotlock(path).unlink()
            assert (kind, talk.line()) == (kind, b"+OK\r\n")
            assert all_free(path)


def test_many_that_find_a_stale_one(spool: Path) -> None:
    """Sessions that find the same stale dot-lock remove it, but not each other's; all get in."""
    path = deliver(spool / "alice")
    make_dotlock(path, *STALE["dead process"])
    with contextlib.ExitStack() as stack:
        for talk in [stack.enter_context(session(path, "dotlock")) for _ in range(6)]:
            assert talk.line() == b"+OK\r\n"
        assert all_free(path)


def test_renewed_while_it_is_looked_at(spool: Path) -> None:
    """One whose time is renewed, or that is made anew, just before it would be removed as a stale one stays."""
    path = deliver(spool / "alice")
    lock = make_dotlock(path, *STALE["empty, old"])
    status = os.lstat(lock)
    os.utime(lock)
    Dotlock(bytes(path), 1)._remove_if_unchanged(status)
    assert lock.exists()
    Dotlock(bytes(path), 1)._remove_if_unchanged(os.lstat(lock))
    assert not lock.exists()


# Where it cannot be made


def test_a_spool_that_is_not_for_it(host: Host) -> None:
    """In a spool where users cannot make files the log says what is wrong; a QUIT that would delete changes nothing."""
    path = deliver(host.spool / "alice")
    with session(path, "fcntl,dotlock") as talk:
        assert talk.rest() == NOT_LOADED
    host.syslog.wait(f"Failed or refused to load {path}: cannot make its dot-lock: its directory does not let the owner")
    assert all_free(path)
    host.spool.chmod(0o1777)
    with opened(path, "fcntl,dotlock") as talk:
        host.spool.chmod(0o2775)
        talk.send(b"DELE 1\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n-ERR [SYS/PERM] deleted messages not removed\r\n"
    host.syslog.wait(f"Failed to update {path}: cannot make its dot-lock: its directory does not let the owner")
    assert path.read_bytes() == MAILBOX


@pytest.fixture
def small_spool(host: Host) -> Iterator[Path]:
    """A spool with room for some files, small ones."""
    tmpfs(host.spool, "mode=1777,size=64k,nr_inodes=8")
    yield host.spool
    unmount(host.spool)


def test_no_inode_for_it(host: Host, small_spool: Path) -> None:
    """On a file system without room for another file the log says so, the client too, and nothing is changed."""
    path = deliver(small_spool / "alice")
    with opened(path, "dotlock") as talk:
        with contextlib.suppress(OSError):
            for i in range(20):
                (small_spool / str(i)).touch()
        talk.send(b"DELE 1\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n-ERR [SYS/PERM] deleted messages not removed\r\n"
    host.syslog.wait(f"Failed to update {path}: cannot make its dot-lock: No space left on device")
    with session(path, "dotlock") as talk:
        assert talk.rest() == NOT_LOADED
    host.syslog.wait(f"Failed or refused to load {path}: cannot make its dot-lock: No space left on device")
    assert path.read_bytes() == MAILBOX


def test_no_block_for_it(small_spool: Path) -> None:
    """Where there is room for its name, but not for the number in it, a dot-lock locks as well, and is removed."""
    path = deliver(small_spool / "alice")
    with contextlib.suppress(OSError), open(small_spool / "large", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with opened(path, "dotlock") as talk:
        assert all_free(path)
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert all_free(path)
    assert path.read_bytes() == TWO


def test_read_only_file_system(spool: Path) -> None:
    """Where nobody can write, a mailbox is read without a dot-lock; one that is there is respected all the same."""
    path = deliver(spool / "alice")
    subprocess.run(["mount", "-o", "remount,ro", spool], check=True)
    try:
        with opened(path, "fcntl,dotlock") as talk:
            assert talk.ask(b"RETR 2") == b"+OK\r\n"
            assert talk.lines()[-1] == b"body 2\r\n"
            talk.send(b"DELE 1\r\nQUIT\r\n")
            assert talk.rest() == b"+OK\r\n-ERR [SYS/PERM] deleted messages not removed\r\n"
    finally:
        subprocess.run(["mount", "-o", "remount,rw", spool], check=True)
    assert path.read_bytes() == MAILBOX


# Through the whole server


def test_configured(host: Host) -> None:
    """With dot-locks configured, and a spool in which users can make them, sessions do."""
    host.pam_stack(PAM_OPEN)
    path = deliver(host.spool / "alice")
    name = host.configuration('[mailbox]\nlocks = ["dotlock"]\n')
    host.spool.chmod(0o1777)
    with Talk([*POPA3D, "-c", name]) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        with held("dotlock", path), held("fcntl", path):
            talk.send(b"QUIT\r\n")
            silent(talk)
        assert talk.line() == b"+OK\r\n"
    assert path.read_bytes() == TWO
    assert all_free(path)
