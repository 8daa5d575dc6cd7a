"""What is opened for a mailbox if others act in between. The system's calls are real."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from popa3d.owner.mailbox import Refused
from popa3d.owner.mailbox import file as module
from popa3d.owner.mailbox.file import MboxFile
from tests.unit.owner.between import System, calling, instead

MAILBOX = b"From a@b\n\nx\n\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A mailbox."""
    path = tmp_path / "mailbox"
    path.write_bytes(MAILBOX)
    return path


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
    assert file.matches(device, volume, inode)
    assert file.matches(device + 1, volume, inode)
    assert file.matches(device, volume + 1, inode)
    assert not file.matches(device + 1, volume + 1, inode)
    assert not file.matches(device, volume, inode + 1)
    file.close()
