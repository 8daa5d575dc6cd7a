"""What is opened for a mailbox if others act in between, and how its locks are taken. The system's calls are real."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from popa3d.owner.mailbox import file as module
from popa3d.owner.mailbox.file import InUse, MboxFile, Refused
from tests.unit.owner.between import System, calling, instead

MAILBOX = b"From a@b\n\nx\n\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A mailbox."""
    path = tmp_path / "mailbox"
    path.write_bytes(MAILBOX)
    return path


# The mailbox


def test_a_link_that_comes_meanwhile(path: Path) -> None:
    """A mailbox that becomes a link between the look and the open is not opened: the link may point anywhere."""
    other = path.with_name("other")
    other.write_bytes(MAILBOX)
    system = System(lstat=instead(path, lambda path: path.symlink_to(other)))
    with calling(module, system), pytest.raises(OSError, match="symbolic links") as refused:
        MboxFile(bytes(path), ("fcntl",))
    assert refused.value.errno == errno.ELOOP
    assert system.opened == []


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(os.mkfifo, id="FIFO"),
        pytest.param(lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)), id="device", marks=pytest.mark.root),
    ],
)
def test_no_file_any_more(path: Path, make: Callable[[Path], object]) -> None:
    """What became a FIFO or a device between the look and the open is refused, without being waited for."""
    system = System(lstat=instead(path, make))
    with calling(module, system), pytest.raises(Refused, match="not a regular file"):
        MboxFile(bytes(path), ("fcntl",))
    for fd in system.opened:
        os.close(fd)


@pytest.mark.root
def test_only_looked_at(path: Path) -> None:
    """A link, a FIFO or a device that is there from the start is not even opened: that could do something."""
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/null"), lambda path: os.mknod(path, 0o20600, os.makedev(1, 3))):
        instead(path, make)()
        system = System()
        with calling(module, system), pytest.raises(Refused, match="not a regular file"):
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

    with calling(module, ReadOnly()):
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

    with mock.patch.object(module, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep)):
        if free_after_s is None:
            with pytest.raises(InUse, match="locked by another program"):
                file.lock(True)
        else:
            file.lock(True)
    waited = 20 if free_after_s is None else free_after_s
    assert waited <= now < waited + 0.2
    os.close(other)
    file.close()
