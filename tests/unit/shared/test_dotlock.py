"""Which dot-locks are removed, as stale ones or as ours, if others act in between. The system's calls are real."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from popa3d.owner.mailbox.file import MboxFile
from popa3d.shared import dotlock
from tests.unit.owner.between import System, calling, instead

NOBODY = 2**22 + 1  # beyond the largest pid_max: no process
LIVING = b"%d\n" % os.getpid()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A mailbox."""
    path = tmp_path / "mailbox"
    path.write_bytes(b"From a@b\n\nx\n\n")
    return path


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
    assert not file._locks.try_to_take(exclusive=True)
    assert not lock.exists()
    assert file._locks.try_to_take(exclusive=True)
    assert lock.read_bytes() == LIVING


def test_while_another_removes_it(file: MboxFile, lock: Path) -> None:
    """A stale file that another process has locked with flock(2) is left to it: its next lock would have the same name."""
    other = os.open(lock, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not file._locks.try_to_take(exclusive=True)
    assert lock.exists()
    os.close(other)
    assert not file._locks.try_to_take(exclusive=True)
    assert not lock.exists()


def test_another_one_by_now(file: MboxFile, lock: Path) -> None:
    """If its owner has removed it, or another session, and a new one is there, that one stays."""
    system = System(kill=instead(lock, lambda lock: lock.write_bytes(LIVING)))
    with calling(dotlock, system):
        assert not file._locks.try_to_take(exclusive=True)
    assert lock.read_bytes() == LIVING


def test_gone_by_now(file: MboxFile, lock: Path) -> None:
    """If it goes away by itself, the next attempt has the lock."""
    with calling(dotlock, System(kill=lock.unlink)):
        assert not file._locks.try_to_take(exclusive=True)
    assert file._locks.try_to_take(exclusive=True)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(os.mkfifo, id="FIFO"),
        pytest.param(lambda lock: lock.symlink_to("stale"), id="link"),
        pytest.param(lambda lock: os.mknod(lock, 0o20600, os.makedev(1, 3)), id="device", marks=pytest.mark.root),
    ],
)
def test_no_file_by_now(file: MboxFile, lock: Path, make: Callable[[Path], object]) -> None:
    """What becomes a FIFO, a link or a device after the look is neither waited for, nor followed, nor removed, however old."""
    lock.with_name("stale").write_bytes(b"%d\n" % NOBODY)

    def older(lock: Path) -> None:
        make(lock)
        os.utime(lock, (1, 1), follow_symlinks=False)

    system = System(lstat=instead(lock, older))
    with calling(dotlock, system):
        assert not file._locks.try_to_take(exclusive=True)
    assert os.path.lexists(lock)
    assert len(system.opened) == (0 if lock.is_symlink() else 1)


@pytest.mark.root
def test_no_file(file: MboxFile, lock: Path) -> None:
    """What is a FIFO, a link or a device from the start is not even opened: that could do something."""
    for make in (os.mkfifo, lambda lock: lock.symlink_to("stale"), lambda lock: os.mknod(lock, 0o20600, os.makedev(1, 3))):
        instead(lock, make)()
        os.utime(lock, (1, 1), follow_symlinks=False)
        system = System()
        with calling(dotlock, system):
            assert not file._locks.try_to_take(exclusive=True)
        assert system.opened == []
        assert os.path.lexists(lock)


@pytest.mark.parametrize("octets", [b"From x\nX\n", b"\nFrom x\nX\n", b"\r\n" * 2 + b"From x\r\nX\r\n", b"\n" * 256, b"Fro"])
def test_a_mailbox_in_its_place(file: MboxFile, lock: Path, octets: bytes) -> None:
    """What begins as a mailbox does, also with empty lines, is no lock that was left behind, however old it is."""
    instead(lock, lambda lock: lock.write_bytes(octets))()
    os.utime(lock, (1, 1))
    assert not file._locks.try_to_take(exclusive=True)
    assert lock.read_bytes() == octets


def test_replaced_while_it_is_ours(file: MboxFile, path: Path) -> None:
    """A file that replaced ours, because somebody took ours for a stale one, is not removed."""
    assert file._locks.try_to_take(exclusive=True)
    lock = path.with_name("mailbox.lock")
    instead(lock, lambda lock: lock.write_bytes(b"1\n"))()
    file.unlock()
    assert lock.read_bytes() == b"1\n"
    lock.unlink()
    assert file._locks.try_to_take(exclusive=True)
    file.unlock()
    assert not lock.exists()


def test_its_time_tells_that_somebody_is_at_work(file: MboxFile, path: Path) -> None:
    """Each read of the mailbox makes our dot-lock young again, for programs that go by the time; no read makes one."""
    lock = path.with_name("mailbox.lock")
    assert file.read(1, 0) == b"F"
    assert not lock.exists()
    assert file._locks.try_to_take(exclusive=True)
    os.utime(lock, (1, 1))
    assert file.read(1, 0) == b"F"
    assert lock.stat().st_mtime > 1
