"""How the locks of a mailbox are taken. The system's calls are real, the clock is not."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from popa3d.owner.mailbox import InUse, locks
from popa3d.owner.mailbox.file import MboxFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A mailbox."""
    path = tmp_path / "mailbox"
    path.write_bytes(b"From a@b\n\nx\n\n")
    return path


@pytest.mark.parametrize("names", [("dotlock", "fcntl", "flock"), ("fcntl", "dotlock", "flock")])
def test_all_or_none(path: Path, names: tuple[str, ...]) -> None:
    """While one of the locks is busy none of the others is kept, so that no other program waits for those."""
    file = MboxFile(bytes(path), names)
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not file._locks.try_to_take(exclusive=True)
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
    assert file._locks.try_to_take(exclusive=True)
    file.close()


@pytest.mark.parametrize("free_after_s", [None, 0, 1, 19], ids=str)
def test_how_long_a_lock_is_waited_for(path: Path, free_after_s: int | None) -> None:
    """Another program's lock is waited for, up to 20 s in small steps, and taken as soon as it is free."""
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

    with mock.patch.object(locks, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep)):
        if free_after_s is None:
            with pytest.raises(InUse, match="locked by another program"):
                file.lock(True)
        else:
            file.lock(True)
    waited = 20 if free_after_s is None else free_after_s
    assert waited <= now < waited + 0.2
    os.close(other)
    file.close()
