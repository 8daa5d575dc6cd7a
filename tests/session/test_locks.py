"""Locks by configuration: waited for, not longer than they have to be, and free whenever a session does not need them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import ALICE, Host
from tests.session import MAILBOX, ONE, THREE, TWO
from tests.session.locks import IN_USE, NOBODY, NOT_LOADED, all_free, append, deliver, dotlock, held, opened, session, silent
from tests.talk import Talk

LOCKS = ("fcntl", "flock", "dotlock", "fcntl,dotlock", "dotlock,flock", "flock,fcntl,dotlock")
EACH = [(locks, held) for locks in LOCKS for held in locks.split(",")]


# Waiting


@pytest.mark.parametrize(("locks", "kind"), EACH)
def test_waits_for_each_lock(spool: Path, locks: str, kind: str) -> None:
    """PASS and QUIT wait for whichever of the locks another program has, and go on when it lets go."""
    path = deliver(spool / "alice")
    with contextlib.ExitStack() as stack:
        with held(kind, path):
            talk = stack.enter_context(session(path, locks))
            silent(talk)
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert all_free(path)
        with held(kind, path) as fd:
            talk.send(b"QUIT\r\n")
            silent(talk)
            assert os.pread(fd, 1000, 0) == MAILBOX
        assert talk.line() == b"+OK\r\n"
        assert all_free(path)
    assert path.read_bytes() == TWO


def a_link(lock: Path) -> None:
    lock.symlink_to("kept")


def a_dangling_link(lock: Path) -> None:
    lock.symlink_to("nowhere")


def a_directory(lock: Path) -> None:
    lock.mkdir(0o777)


def a_fifo(lock: Path) -> None:
    os.mkfifo(lock, 0o666)


def a_device(lock: Path) -> None:
    os.mknod(lock, 0o020666, os.makedev(1, 5))  # /dev/zero


def of_another(lock: Path) -> None:
    lock.write_bytes(b"%d\n" % NOBODY)
    lock.chmod(0o600)


ODD = (a_link, a_dangling_link, a_directory, a_fifo, a_device, of_another)


def test_a_wait_that_never_ends(host: Host, spool: Path) -> None:
    """A lock that is kept gives [IN-USE] at PASS, and at QUIT, when nothing is changed; so does anything odd in the
    dot-lock's place, which is neither waited for longer, nor followed, nor removed.
    """
    kept = deliver(spool / "kept")
    refused: list[tuple[str, Talk]] = []
    with contextlib.ExitStack() as stack:
        paths = []
        for locks, kind in (("fcntl", "fcntl"), ("dotlock,flock", "flock"), ("dotlock", "dotlock"), ("fcntl,dotlock", "dotlock")):
            path = deliver(spool / f"kept-{locks}")
            talk = stack.enter_context(opened(path, locks))
            assert talk.ask(b"DELE 1") == b"+OK\r\n"
            fd = stack.enter_context(held(kind, path))
            paths.append((path, fd))
            talk.send(b"QUIT\r\n")
            refused += [(locks, talk), (locks, stack.enter_context(session(path, locks)))]
        for make in ODD:
            path = deliver(spool / make.__name__)
            lock = dotlock(path)
            make(lock)
            if make is not of_another:
                os.chown(lock, ALICE.uid, ALICE.uid, follow_symlinks=False)
            os.utime(lock, (1, 1), follow_symlinks=False)
            refused.append((make.__name__, stack.enter_context(session(path, "fcntl,dotlock"))))
        for what, talk in refused:
            talk.client.settimeout(60)
            assert (what, talk.rest()) == (what, IN_USE)
            assert talk.status() == 1
        for path, fd in paths:
            assert os.pread(fd, 1000, 0) == MAILBOX
            host.syslog.wait(f"Failed or refused to load {path}: locked by another program")
            host.syslog.wait(f"Failed to update {path}: locked by another program")
    for make in ODD:
        lock = dotlock(spool / make.__name__)
        assert os.lstat(lock).st_mtime == 1, make.__name__
    assert kept.read_bytes() == MAILBOX


def test_readers_do_not_wait_for_each_other(spool: Path) -> None:
    """A shared fcntl lock of another reader, or several at once of sessions, keep nobody from reading."""
    path = deliver(spool / "alice")
    with held("fcntl", path, fcntl.LOCK_SH), contextlib.ExitStack() as stack:
        talks = [stack.enter_context(opened(path, "fcntl")) for _ in range(3)]
        for talk in talks:
            assert talk.ask(b"RETR 2") == b"+OK\r\n"
            assert talk.lines()[-1] == b"body 2\r\n"


# Letting go


@pytest.mark.parametrize("locks", LOCKS)
def test_free_between_commands(spool: Path, locks: str) -> None:
    """Between commands another program gets every lock at once, also after a command that had to lock again."""
    path = deliver(spool / "alice")
    with opened(path, locks) as talk:
        assert all_free(path)
        append(path, THREE)
        assert talk.ask(b"RETR 1") == b"+OK\r\n"  # looks at the mailbox once more, since it has grown
        talk.lines()
        assert all_free(path)
        assert talk.ask(b"DELE 2") == b"+OK\r\n"
        assert all_free(path)
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert all_free(path)
    assert path.read_bytes() == ONE + THREE


def quits(talk: Talk, path: Path) -> bytes:
    talk.send(b"QUIT\r\n")
    return b"+OK\r\n"


def deletes(talk: Talk, path: Path) -> bytes:
    talk.send(b"DELE 1\r\nQUIT\r\n")
    return b"+OK\r\n+OK\r\n"


def disconnects(talk: Talk, path: Path) -> bytes:
    talk.send(b"DELE 1\r\n")
    talk.client.shutdown(1)
    return b"+OK\r\n"


def is_terminated(talk: Talk, path: Path) -> bytes:
    os.kill(talk.process.pid, signal.SIGTERM)
    return b""


def finds_another_program(talk: Talk, path: Path) -> bytes:
    os.truncate(path, 0)
    append(path, TWO)
    talk.send(b"RETR 1\r\n")
    return b""


def finds_another_program_at_quit(talk: Talk, path: Path) -> bytes:
    os.truncate(path, 0)
    append(path, TWO)
    return deletes(talk, path)[:5]


def finds_junk_at_quit(talk: Talk, path: Path) -> bytes:
    append(path, b"this is no message\n")
    return deletes(talk, path)[:5]


@pytest.mark.parametrize(
    "end",
    [quits, deletes, disconnects, is_terminated, finds_another_program, finds_another_program_at_quit, finds_junk_at_quit],
)
def test_free_after_the_end(spool: Path, end: Callable[[Talk, Path], bytes]) -> None:
    """However a session ends, it leaves no lock behind."""
    path = deliver(spool / "alice")
    with opened(path, "fcntl,flock,dotlock") as talk:
        expected = end(talk, path)
        assert talk.rest() == expected
        talk.process.wait(20)
        assert all_free(path)


def test_free_after_an_update_that_fails(spool: Path) -> None:
    """An update that cannot be made leaves no lock behind, and the mailbox as it was."""
    path = deliver(spool / "alice")
    with opened(path, "fcntl,flock,dotlock", state=b"") as talk:  # without a state directory there is no journal
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT").startswith(b"-ERR")
        assert talk.status() == 1
        assert all_free(path)
    assert path.read_bytes() == MAILBOX


@pytest.mark.parametrize("mbox", [b"no mailbox\n", b"From x\nFrom y\n"])
def test_free_after_a_refused_mailbox(spool: Path, mbox: bytes) -> None:
    """A mailbox that cannot be served is left without locks."""
    path = deliver(spool / "alice", mbox)
    with session(path, "fcntl,flock,dotlock") as talk:
        assert talk.rest() == NOT_LOADED
        assert all_free(path)
