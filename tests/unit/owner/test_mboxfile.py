"""What is opened for a mailbox and for a dot-lock, and what is removed as a stale one, if others act in between.

The system's calls are real; `System` stands before them and lets something happen behind one of them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import posix
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from popa3d.owner import mboxfile
from popa3d.owner.mboxfile import InUse, MboxFile, Refused

MAILBOX = b"From a@b\n\nx\n\n"
NOBODY = 2**22 + 1  # beyond the largest pid_max: no process
LIVING = b"%d\n" % os.getpid()


class System:
    """posix, with a call behind some of its own: `after` has names and what happens once, when that one has returned."""

    def __init__(self, **after: Callable[[], object]) -> None:
        self._after = after
        self.opened: list[int] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(posix, name)
        if name not in self._after:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return real(*arguments, **named)
            finally:
                self._after.pop(name, lambda: None)()

        return call

    def open(self, path: bytes, flags: int, *mode: int) -> int:
        """open(2), but where it would wait for ever."""
        if stat.S_ISFIFO(os.stat(path, follow_symlinks=False).st_mode) if os.path.lexists(path) else False:
            assert flags & os.O_NONBLOCK, "it would wait for a FIFO's other end"
        fd = posix.open(path, flags, *mode)
        self.opened.append(fd)
        if "open" in self._after:
            self._after.pop("open")()
        return fd


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A mailbox."""
    path = tmp_path / "mailbox"
    path.write_bytes(MAILBOX)
    return path


def with_system(system: System) -> Any:
    """Let the module call that system."""
    return mock.patch.object(mboxfile, "os", system)


def instead(path: Path, make: Callable[[Path], object]) -> Callable[[], None]:
    """Something that takes the place of what has that path."""

    def act() -> None:
        path.unlink()
        make(path)

    return act


# The mailbox


def test_a_link_that_comes_meanwhile(path: Path) -> None:
    """A mailbox that becomes a link between the look and the open is not opened: the link may point anywhere."""
    other = path.with_name("other")
    other.write_bytes(MAILBOX)
    system = System(lstat=instead(path, lambda path: path.symlink_to(other)))
    with with_system(system), pytest.raises(OSError, match="symbolic links") as refused:
        MboxFile(bytes(path), ("fcntl",))
    assert refused.value.errno == errno.ELOOP
    assert system.opened == []


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))], ids=["FIFO", "device"]
)
def test_no_file_any_more(path: Path, make: Callable[[Path], object]) -> None:
    """What became a FIFO or a device between the look and the open is refused, without being waited for."""
    system = System(lstat=instead(path, make))
    with with_system(system), pytest.raises(Refused, match="not a regular file"):
        MboxFile(bytes(path), ("fcntl",))
    for fd in system.opened:
        os.close(fd)


def test_only_looked_at(path: Path) -> None:
    """A link, a FIFO or a device that is there from the start is not even opened: that could do something."""
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/null"), lambda path: os.mknod(path, 0o20600, os.makedev(1, 3))):
        instead(path, make)()
        system = System()
        with with_system(system), pytest.raises(Refused, match="not a regular file"):
            MboxFile(bytes(path), ("fcntl",))
        assert system.opened == []


def test_read_only(path: Path) -> None:
    """Where the file system lets nobody write, the file is opened once more, for reading, with the same care."""
    flags = []

    class ReadOnly(System):
        def open(self, path: bytes, how: int, *mode: int) -> int:
            flags.append(how)
            if how & os.O_ACCMODE != os.O_RDONLY:
                raise OSError(errno.EROFS, "read-only")
            return super().open(path, how, *mode)

    with with_system(ReadOnly()):
        file = MboxFile(bytes(path), ("fcntl",))
    assert file.read_only
    assert flags[0] ^ flags[1] == os.O_RDWR ^ os.O_RDONLY
    assert flags[1] & os.O_NOFOLLOW and flags[1] & os.O_NONBLOCK
    file.close()


def test_no_directory(tmp_path: Path) -> None:
    """No mailbox is one without messages; no directory for it is a spool that is not mounted, say."""
    assert MboxFile(bytes(tmp_path / "none"), ("fcntl",)).absent
    (tmp_path / "file").touch()
    for directory in ("none", "file"):
        with pytest.raises((Refused, NotADirectoryError)):
            MboxFile(bytes(tmp_path / directory / "mailbox"), ("fcntl",))


def test_which_file(path: Path) -> None:
    """The inode says which file it is, with its device or its volume: one of these may change, not both."""
    file = MboxFile(bytes(path), ("fcntl",))
    device, volume, inode = file.identity()
    assert file.is_it(device, volume, inode)
    assert file.is_it(device + 1, volume, inode)
    assert file.is_it(device, volume + 1, inode)
    assert not file.is_it(device + 1, volume + 1, inode)
    assert not file.is_it(device, volume, inode + 1)
    file.close()


# Locks


@pytest.mark.parametrize("locks", [("dotlock", "fcntl", "flock"), ("fcntl", "dotlock", "flock")])
def test_all_or_none(path: Path, locks: tuple[str, ...]) -> None:
    """Who does not get the last of the locks lets go of the others, so that nobody waits for what he has."""
    file = MboxFile(bytes(path), locks)
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not file._try(True)
    assert not path.with_name("mailbox.lock").exists()
    child = os.fork()
    if child == 0:  # a record lock is a process's
        try:
            fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(other)
    assert file._try(True)
    file.close()


@pytest.mark.parametrize("free_after_s", [None, 0, 1, 19], ids=str)
def test_how_long_a_lock_is_waited_for(path: Path, free_after_s: int | None) -> None:
    """Another's lock is waited for as long as 20 s, in small steps, and taken as soon as it is free. (The clock is not real.)"""
    file = MboxFile(bytes(path), ("flock",))
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        assert now < 100, "it waits for ever"
        if free_after_s is not None and now >= free_after_s:
            fcntl.flock(other, fcntl.LOCK_UN)

    with mock.patch.object(mboxfile, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep)):
        if free_after_s is None:
            with pytest.raises(InUse, match="locked by another program"):
                file.lock(True)
        else:
            file.lock(True)
    waited = 20 if free_after_s is None else free_after_s
    assert waited <= now < waited + 0.2
    os.close(other)
    file.close()


# Stale dot-locks


@pytest.fixture
def file(path: Path) -> Iterator[MboxFile]:
    """The mailbox, to be locked by dot-locks."""
    file = MboxFile(bytes(path), ("dotlock",))
    yield file
    file.close()


@pytest.fixture
def lock(path: Path) -> Path:
    """A dot-lock of a process that is dead: a stale one."""
    lock = path.with_name("mailbox.lock")
    lock.write_bytes(b"%d\n" % NOBODY)
    return lock


def test_a_stale_one(file: MboxFile, lock: Path) -> None:
    """It is removed at the first attempt, and the second one has the lock: what else happens below is on top of that."""
    assert not file._try(True)
    assert not lock.exists()
    assert file._try(True)
    assert lock.read_bytes() == LIVING


def test_while_another_removes_it(file: MboxFile, lock: Path) -> None:
    """Who removes it has locked it by flock(2); it is left to him, since his own would be the next with that name."""
    other = os.open(lock, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not file._try(True)
    assert lock.exists()
    os.close(other)
    assert not file._try(True)
    assert not lock.exists()


def test_another_one_by_now(file: MboxFile, lock: Path) -> None:
    """If its owner has removed it, or another session, and a new one is there, that one stays."""
    system = System(kill=instead(lock, lambda lock: lock.write_bytes(LIVING)))
    with with_system(system):
        assert not file._try(True)
    assert lock.read_bytes() == LIVING


def test_gone_by_now(file: MboxFile, lock: Path) -> None:
    """If it goes away by itself, the next attempt has the lock."""
    with with_system(System(kill=lock.unlink)):
        assert not file._try(True)
    assert file._try(True)


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, lambda lock: lock.symlink_to("stale"), lambda lock: os.mknod(lock, 0o20600, os.makedev(1, 3))],
    ids=["FIFO", "link", "device"],
)
def test_no_file_by_now(file: MboxFile, lock: Path, make: Callable[[Path], object]) -> None:
    """What becomes a FIFO, a link or a device after the look is neither waited for, nor followed, nor removed, however old."""
    lock.with_name("stale").write_bytes(b"%d\n" % NOBODY)

    def older(lock: Path) -> None:
        make(lock)
        os.utime(lock, (1, 1), follow_symlinks=False)

    system = System(lstat=instead(lock, older))
    with with_system(system):
        assert not file._try(True)
    assert os.path.lexists(lock)
    assert len(system.opened) == (0 if lock.is_symlink() else 1)


def test_replaced_while_it_is_ours(file: MboxFile, path: Path) -> None:
    """Our own that somebody took for a stale one, and replaced by his, is not ours to remove."""
    assert file._try(True)
    lock = path.with_name("mailbox.lock")
    instead(lock, lambda lock: lock.write_bytes(b"1\n"))()
    file.unlock()
    assert lock.read_bytes() == b"1\n"
    lock.unlink()
    assert file._try(True)
    file.unlock()
    assert not lock.exists()


def test_its_time_tells_that_somebody_is_at_work(file: MboxFile, path: Path) -> None:
    """Each read of the mailbox makes our dot-lock young again, for programs that go by the time; no read makes one."""
    lock = path.with_name("mailbox.lock")
    assert file.read(1, 0) == MAILBOX[:1]
    assert not lock.exists()
    assert file._try(True)
    os.utime(lock, (1, 1))
    assert file.read(1, 0) == MAILBOX[:1]
    assert lock.stat().st_mtime > 1
