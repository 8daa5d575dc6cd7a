"""The owner's state directory: what others could have written is not used, links are not followed, and names are its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.owner.mailbox import Refused
from popa3d.owner.mailbox.state_directory import State

OTHER = 20002


@contextlib.contextmanager
def opened(directory: Path, path: bytes = b"/var/mail/alice") -> Iterator[State]:
    """The directory, for alice's mailbox."""
    state = State(os.fsencode(directory), b"alice", path)
    try:
        yield state
    finally:
        if state._fd >= 0:
            os.close(state._fd)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory as root makes it, here of user 0."""
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    return place


def test_fit(directory: Path) -> None:
    """One that is the user's alone, be it readable for others, can be used; what is missing says so."""
    for mode in (0o700, 0o755, 0o711):
        directory.chmod(mode)
        with opened(directory) as state:
            assert not state.is_missing
    with opened(directory / "missing") as state:
        assert state.is_missing and state.names(b"") == []
        with pytest.raises(FileNotFoundError):
            state.create(state.name(b".new"))
    none = State(b"", b"alice", b"x")
    assert none.is_missing and not none.has_journal()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777, 0o770])
def test_writable_for_others(directory: Path, mode: int) -> None:
    """One that others can write is refused: then the mailbox is, too."""
    directory.chmod(mode)
    with pytest.raises(Refused, match="must be the owner's"), opened(directory):
        pass


@pytest.mark.root
def test_of_another_owner(directory: Path) -> None:
    """One that is another user's is refused."""
    os.chown(directory, OTHER, OTHER)
    with pytest.raises(Refused, match="must be the owner's"), opened(directory):
        pass


def test_no_directory(directory: Path, tmp_path: Path) -> None:
    """A link to a directory that would do, a file and a FIFO are refused, at once."""
    (tmp_path / "link").symlink_to(directory)
    (tmp_path / "file").touch(0o700)
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "file", "fifo"):
        with pytest.raises(NotADirectoryError), opened(tmp_path / name):
            pass


def test_names(directory: Path) -> None:
    """Only what begins with the owner's name and the mailbox's digest is this mailbox's."""
    with opened(directory) as state, opened(directory, b"/home/alice/mbox") as other:
        for each in (state, other):
            os.close(each.create(each.name(b".journal")))
        for name in ("alice.journal", "bob", ".journal", "\udcff"):
            (directory / name).touch()
        assert state.names(b".journal") == [state.name(b".journal")] != other.names(b".journal")
        assert state.has_journal()
        state.remove([state.name(b".journal")])
        assert not state.has_journal() and other.has_journal()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660])
def test_files_that_others_can_write(directory: Path, mode: int) -> None:
    """They are not opened."""
    with opened(directory) as state:
        os.close(state.create(state.name(b".x")))
        (directory / os.fsdecode(state.name(b".x"))).chmod(mode)
        refuses(state)


def refuses(state: State) -> None:
    """Claim that a file is not opened, and no descriptor left open."""
    before = os.listdir("/proc/self/fd")
    with pytest.raises(PermissionError, match="not a file of the owner's alone"):
        state.open(state.name(b".x"))
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.root
def test_what_is_no_file(directory: Path, tmp_path: Path) -> None:
    """Links, directories, FIFOs and files of others are not opened, and nothing hangs."""
    with opened(directory) as state:
        path = directory / os.fsdecode(state.name(b".x"))
        (tmp_path / "real").touch(0o600)
        path.symlink_to(tmp_path / "real")
        refuses(state)
        path.unlink()
        path.mkdir()
        refuses(state)
        path.rmdir()
        os.mkfifo(path, 0o600)
        refuses(state)
        path.unlink()
        path.touch(0o600)
        os.close(state.open(state.name(b".x")))
        os.chown(path, OTHER, OTHER)
        refuses(state)


def test_created(directory: Path, tmp_path: Path) -> None:
    """A new file is the owner's alone, whatever the umask, and replaces nothing: neither a link's target nor an open file."""
    real = tmp_path / "real"
    real.write_bytes(b"kept")
    with opened(directory) as state:
        path = directory / os.fsdecode(state.name(b".new"))
        mask = os.umask(0)
        try:
            path.symlink_to(real)
            for _ in range(2):
                fd = state.create(state.name(b".new"))
                assert path.lstat().st_mode == 0o100600 and os.fstat(fd).st_ino == path.lstat().st_ino
                os.write(fd, b"new")
                os.close(fd)
        finally:
            os.umask(mask)
    assert real.read_bytes() == b"kept"
