"""Mailboxes of alice's, sessions that lock them in some way, and other programs' locks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

from tests.host import ALICE
from tests.session import MAILBOX, handover, worker
from tests.talk import Talk

IN_USE = b"-ERR [IN-USE] mailbox is locked or in use by another program\r\n"
NOT_LOADED = b"-ERR [SYS/PERM] service unavailable: mailbox cannot be loaded\r\n"
NOBODY = 2**22 + 1  # beyond the largest pid_max


def dotlock(mailbox: Path) -> Path:
    return mailbox.with_name(mailbox.name + ".lock")


def append(path: Path, octets: bytes) -> None:
    """Write behind the end. Not with "ab": in a sticky directory Linux may not let even root open another's file to make it."""
    with open(path, "r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(octets)


def deliver(path: Path, mbox: bytes = MAILBOX) -> Path:
    """A mailbox of alice's, whatever its name; not so young that its times could not show a change."""
    path.write_bytes(mbox)
    os.chown(path, ALICE.uid, 8)
    path.chmod(0o660)
    os.utime(path, (time.time() - 1000,) * 2)
    return path


def session(path: Path, locks: str, **changes: object) -> Talk:
    """A worker for alice's mailbox `path`; its reply to PASS is still to be read."""
    told = handover(locks=locks)
    told.path = bytes(path)
    for name, value in changes.items():
        setattr(told, name, value)
    return worker(told.encode())


def opened(path: Path, locks: str, **changes: object) -> Talk:
    """The same, loaded."""
    talk = session(path, locks, **changes)
    assert talk.line() == b"+OK\r\n"
    return talk


def make_dotlock(path: Path, text: bytes = b"%d\n" % os.getpid(), age_s: int = 0) -> Path:
    """MAILBOX.lock of alice's, as another program would have made it."""
    lock = dotlock(path)
    lock.write_bytes(text)
    os.chown(lock, ALICE.uid, ALICE.uid)
    lock.chmod(0o444)
    os.utime(lock, (time.time() - age_s,) * 2)
    return lock


@contextlib.contextmanager
def held(kind: str, path: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
    """A lock of this process, another program to the session. Who opens and closes the mailbox in here loses an fcntl lock."""
    fd = os.open(path, os.O_RDWR)
    if kind == "dotlock":
        make_dotlock(path)
    else:
        (fcntl.lockf if kind == "fcntl" else fcntl.flock)(fd, how | fcntl.LOCK_NB)
    try:
        yield fd
    finally:
        os.close(fd)
        if kind == "dotlock":
            dotlock(path).unlink()


def all_free(path: Path) -> bool:
    """Whether another program gets every kind of lock at once, if it tries now."""
    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return not os.path.lexists(dotlock(path))


def silent(*talks: Talk) -> None:
    """The sessions say nothing for a moment."""
    assert select.select([talk.client for talk in talks], [], [], 0.25) == ([], [], [])
