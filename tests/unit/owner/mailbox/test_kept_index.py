"""An index that was kept: what is looked at before it is believed, and before anything is deleted by it."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from popa3d.owner.index.index import COLUMNS, Index
from popa3d.owner.index.parser import Parser
from popa3d.owner.mailbox import kept_index
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.state_directory import State
from tests.host import CHECKOUT
from tests.talk import wait_until

MAILBOX = b"From \nX" + b"\n\nFrom a@b\nSubject: x\n\nbody\n\n" + b"From \nY" * 1
COUNT = 3


def index() -> Index:
    """The real one."""
    parser = Parser(10)
    parser.feed(MAILBOX)
    found = parser.finish()
    assert len(found) == COUNT
    return found


def changed(name: str, number: int, by: int) -> Index:
    """One with another number."""
    found = index()
    values = getattr(found, name).tolist()
    values[number] += by
    octets = b"".join(value.to_bytes(8, sys.byteorder, signed=True) for value in values)
    setattr(found, name, memoryview(octets).cast("q"))
    return found


def cut(count: int) -> Index:
    """One with fewer messages."""
    found = index()
    for name in COLUMNS:
        setattr(found, name, getattr(found, name)[:count])
    found.ids = found.ids[: len(found.ids) * count // COUNT]
    return found


def test_sound() -> None:
    """What a parser has found is sound, with the shortest messages that there are, and with one message."""
    assert kept_index.is_sound(index()) and kept_index.is_sound(cut(1))


@pytest.mark.parametrize(
    ("name", "number", "by"),
    [
        ("start", 0, -1),  # before the file
        ("content", 0, -1),  # less than the shortest "From " line
        ("end", 0, -3),  # no content
        ("end", 0, 3),  # in the next message
        ("start", 1, -2),  # in the message before
        ("content", 2, 1),  # behind its end
        ("start", 2, 1),
        ("start", 1, 1000),
        ("start", 1, 2**62),
        ("end", 1, -1000),
    ],
)
def test_unsound(name: str, number: int, by: int) -> None:
    """A number that no parser could have found is seen."""
    assert not kept_index.is_sound(changed(name, number, by))


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Index], Index | None]:
    """What is loaded when this is kept of MAILBOX."""
    mailbox = tmp_path / "mailbox"
    mailbox.write_bytes(MAILBOX)
    (tmp_path / "state").mkdir(mode=0o700)

    def kept(found: Index) -> Index | None:
        state = State(os.fsencode(tmp_path / "state"), b"alice", b"x")
        file = MboxFile(os.fsencode(mailbox), ("fcntl",))
        status = file.status()
        kept_index.save(state, file, found, status.st_mtime_ns, status.st_ctime_ns)
        loaded = kept_index.load(state, file)
        file.close()
        os.close(state._fd)
        return loaded

    return kept


def test_loaded(load: Callable[[Index], Index | None]) -> None:
    """What was kept is loaded, with one message, too, and is of the mailbox as it is."""
    for found in (index(), cut(1)):
        loaded = load(found)
        assert loaded is not None and loaded.saved
        assert [list(getattr(loaded, name)) for name in COLUMNS] == [list(getattr(found, name)) for name in COLUMNS]


@pytest.mark.parametrize(
    ("name", "number", "by"),
    [
        *[("octets", number, by) for number in range(COUNT) for by in (-1000, 2**56, -(2**63) + 1000)],
        ("start", COUNT - 1, -len(MAILBOX)),
        ("start", COUNT - 1, 1),
        ("start", COUNT - 1, 2**62),
        ("end", COUNT - 1, 1),
    ],
)
def test_not_loaded(load: Callable[[Index], Index | None], name: str, number: int, by: int) -> None:
    """Sizes that are negative or huge, and a last message that is not in the mailbox, are not believed."""
    assert load(changed(name, number, by)) is None


def test_larger_than_the_mailbox(load: Callable[[Index], Index | None]) -> None:
    """An index of more than there is is not believed; one of less is, but has to be compared."""
    more, less = index(), cut(2)
    more.size += 1
    less.size = less.end[1]
    assert load(more) is None
    loaded = load(less)
    assert loaded is not None and not loaded.saved


def test_check(load: Callable[[Index], Index | None], tmp_path: Path) -> None:
    """The check of the file is looked at, and that nothing is behind it."""
    load(index())
    (path,) = (tmp_path / "state").iterdir()
    good = path.read_bytes()
    state = State(os.fsencode(tmp_path / "state"), b"alice", b"x")
    file = MboxFile(os.fsencode(tmp_path / "mailbox"), ("fcntl",))
    assert zlib.crc32(good[:-4]).to_bytes(4, sys.byteorder) == good[-4:]
    for octets, right in ((good, True), (good + b"\0", False), (good[:-4] + bytes(4), False), (good[:-1], False)):
        path.write_bytes(octets)
        assert (kept_index.load(state, file) is not None) == right
    file.close()
    os.close(state._fd)


def test_of_another_inode(load: Callable[[Index], Index | None], tmp_path: Path) -> None:
    """The index of one file is none of its copy, though that has the same octets, size and time."""
    load(index())
    mailbox, copy = tmp_path / "mailbox", tmp_path / "copy"
    copy.write_bytes(MAILBOX)
    os.utime(copy, ns=(0, mailbox.stat().st_mtime_ns))
    state = State(os.fsencode(tmp_path / "state"), b"alice", b"x")
    for path, right in ((mailbox, True), (copy, False)):
        file = MboxFile(os.fsencode(path), ("fcntl",))
        assert (kept_index.load(state, file) is not None) == right
        file.close()
    os.close(state._fd)


@pytest.mark.parametrize("change", ["nothing", "mtime", "ctime", "size"])
def test_times(load: Callable[[Index], Index | None], tmp_path: Path, change: str) -> None:
    """The index is true only if size and both times are what they were: whoever writes can set one of them back, not both."""
    load(index())
    mailbox = tmp_path / "mailbox"
    mtime = mailbox.stat().st_mtime_ns
    state = State(os.fsencode(tmp_path / "state"), b"alice", b"x")
    file = MboxFile(os.fsencode(mailbox), ("fcntl",))
    if change == "mtime":
        os.utime(mailbox, ns=(0, mtime + 1))
    if change == "ctime":
        before = mailbox.stat().st_ctime_ns
        wait_until(lambda: _touched(mailbox, mtime) != before)
    if change == "size":
        with open(mailbox, "ab") as more:
            more.write(b"x")
    status = file.status()
    if change == "mtime":  # alone
        kept_index.save(state, file, index(), mtime, status.st_ctime_ns)
    if change == "size":
        kept_index.save(state, file, index(), status.st_mtime_ns, status.st_ctime_ns)
    loaded = kept_index.load(state, file)
    assert loaded is not None and loaded.saved == (change == "nothing")
    file.close()
    os.close(state._fd)


def _touched(path: Path, mtime: int) -> int:
    """The time of the last change, after one that has set the other time back."""
    os.utime(path, ns=(0, mtime))
    return path.stat().st_ctime_ns


@pytest.mark.parametrize("large", [False, True])
def test_what_is_needed_later(tmp_path: Path, large: bool) -> None:
    """With the index of a large mailbox a session has also loaded what compares it, in the version that it began with."""
    program = f"""
import subprocess
import sys
sys.path.insert(0, {str(CHECKOUT / "lib")!r})
from popa3d.owner.index.parser import Parser
from popa3d.owner.mailbox import kept_index
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.state_directory import State
kept_index.SCAN_BOTH_OCTETS = {len(MAILBOX) + (not large)}
file = MboxFile({os.fsencode(tmp_path / "mailbox")!r}, ("fcntl",))
state = State({os.fsencode(tmp_path / "state")!r}, b"alice", b"x")
parser = Parser(10)
parser.feed({MAILBOX!r})
kept_index.save(state, file, parser.finish(), 0, 0)
assert kept_index.load(state, file) is not None
print(" ".join(sys.modules))
"""
    (tmp_path / "mailbox").write_bytes(MAILBOX)
    (tmp_path / "state").mkdir(mode=0o700)
    modules = subprocess.run(
        ["/usr/bin/python3", "-IBS", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert ("popa3d.owner.mailbox.halves" in modules) is large
    assert "popa3d.owner.index.remaining" in modules
