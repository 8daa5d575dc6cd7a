"""Making the state directories: nothing of theirs is followed, taken from somebody else, or lost when the power fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from popa3d.root import state_directories

pytestmark = pytest.mark.root

USER = 20001
OTHER = 20002


class Noted:
    """Stands for `os`: does what is asked for, and notes what makes directories, and what is synced."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        os.mkdir(path, mode)
        self.calls.append(("mkdir", path))

    def fsync(self, fd: int) -> None:
        os.fsync(fd)
        self.calls.append(("fsync", os.readlink(f"/proc/self/fd/{fd}")))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory of all of them, which is not there yet."""
    return tmp_path / "state"


def prepare(place: Path) -> list[tuple[str, str]]:
    """Make USER's directory; what was done for that."""
    noted = Noted()
    with mock.patch.object(state_directories, "os", noted):
        assert state_directories.prepare(str(place), USER, USER) == f"{place}/{USER}"
    return noted.calls


def test_made(place: Path) -> None:
    """Both are made, with their modes, and their names are on the disk before anything is put into them."""
    own = place / str(USER)
    mask = os.umask(0)
    try:
        calls = prepare(place)
    finally:
        os.umask(mask)
    assert calls == [("mkdir", str(place)), ("mkdir", str(own)), ("fsync", str(place)), ("fsync", str(place.parent))]
    for path, uid, mode in ((place, 0, 0o711), (own, USER, 0o700)):
        status = path.lstat()
        assert (status.st_uid, status.st_gid, status.st_mode) == (uid, uid, 0o040000 | mode)
    assert prepare(place) == []


def test_where_root_is_nobody(place: Path) -> None:
    """A file system that lets root make nothing, and says so before it looks: what is there is used, and else that is said."""
    prepare(place)
    refused = PermissionError(errno.EACCES, "refused", str(place))
    with mock.patch("popa3d.root.state_directories.os.mkdir", side_effect=refused):
        assert state_directories.prepare(str(place), USER, USER) == f"{place}/{USER}"
        with pytest.raises(PermissionError, match="refused"):
            state_directories.prepare(str(place), OTHER, OTHER)


def refuses(place: Path, path: Path) -> None:
    """Claim that a directory is not used, and is left as it is."""
    before = path.lstat()
    with pytest.raises(OSError) as failed:  # noqa: PT011
        prepare(place)
    assert failed.value.filename == str(path)
    after = path.lstat()
    assert (before.st_mode, before.st_uid, before.st_ino, before.st_mtime) == (
        after.st_mode, after.st_uid, after.st_ino, after.st_mtime
    )  # fmt: skip


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_writable_for_others(place: Path, mode: int) -> None:
    """Neither is used if others could write it."""
    prepare(place)
    (place / str(USER)).chmod(mode)
    refuses(place, place / str(USER))
    (place / str(USER)).chmod(0o700)
    place.chmod(mode)
    refuses(place, place)


def test_of_somebody_else(place: Path) -> None:
    """Neither is used if it is another's; a user's that is still root's becomes the user's."""
    prepare(place)
    own = place / str(USER)
    os.chown(own, 0, 0)
    prepare(place)
    assert (own.stat().st_uid, own.stat().st_gid) == (USER, USER)
    os.chown(own, OTHER, OTHER)
    refuses(place, own)
    os.chown(own, USER, USER)
    os.chown(place, USER, USER)
    refuses(place, place)


def test_links(place: Path) -> None:
    """Neither is a link, be it to a directory that would do: who could put it there would choose what becomes the user's."""
    prepare(place)
    own, real = place / str(USER), place / "real"
    own.rename(real)
    own.symlink_to("real")
    os.chown(own, USER, USER, follow_symlinks=False)
    refuses(place, own)
    os.chown(real, 0, 0)
    refuses(place, own)
    os.chown(own, 0, 0, follow_symlinks=False)
    refuses(place, own)
    assert real.stat().st_uid == 0
    own.unlink()
    real.rename(own)
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")
    refuses(place, place)


@pytest.mark.parametrize("uid", [0, USER])
def test_files(place: Path, uid: int) -> None:
    """Neither is a file."""
    prepare(place)
    own = place / str(USER)
    own.rmdir()
    own.touch(0o700)
    os.chown(own, uid, uid)
    refuses(place, own)
    own.unlink()
    place.rmdir()
    place.touch(0o711)
    refuses(place, place)
