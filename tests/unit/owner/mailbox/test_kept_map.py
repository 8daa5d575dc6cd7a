"""The map of old unique-ids as a file: what is believed of it, that it outlives updates, and that none of it is ever lost."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner import loading
from popa3d.owner.index import copies
from popa3d.owner.index.id_map import make_map
from popa3d.owner.index.unique_id import texts
from popa3d.owner.mailbox import Refused, kept_map
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.update import removal
from tests.faults.cases import close


class Mailbox:
    """A mailbox with its state directory, and the log of what was found wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path / "mailbox"
        self.directory = path / "state"
        self.directory.mkdir(mode=0o700)
        self.log: list[str] = []

    def open(self) -> tuple[MboxFile, State]:
        """The file and the state, to be closed by `shut`."""
        return MboxFile(os.fsencode(self.path), ("fcntl",)), State(os.fsencode(self.directory), b"a", os.fsencode(self.path))

    def write(self, *messages: bytes) -> None:
        """Deliver these, long ago."""
        with self.path.open("ab") as file:
            file.write(b"".join(messages))
        os.utime(self.path, (1, 1))

    def take(self, *old: bytes) -> None:
        """Make the map."""
        maildrop = self.load()
        kept_map.save(maildrop.file, maildrop.state, make_map(maildrop.index.ids, list(old)))
        shut(maildrop)

    def load(self) -> Maildrop:
        """A login."""
        file, state = self.open()
        with mock.patch("popa3d.shared.log.write", lambda _priority, text: self.log.append(text)):
            return loading.load(file, state, 1000, 10**9)

    def ids(self) -> list[str]:
        """What UIDL shows."""
        maildrop = self.load()
        found = maildrop.unique_ids(0, len(maildrop.index)) if len(maildrop.index) else []
        shut(maildrop)
        return found

    def delete(self, *numbers: int) -> None:
        """A session that deletes these, from 0."""
        maildrop = self.load()
        deleted = bytearray(len(maildrop.index))
        for number in numbers:
            deleted[number] = 1
        try:
            with mock.patch("popa3d.shared.log.write", lambda _priority, text: self.log.append(text)):
                removal.remove(maildrop, deleted)
        finally:
            shut(maildrop)

    def files(self) -> set[str]:
        """The suffixes of what is in the state directory."""
        return {name.partition(".")[2] for name in os.listdir(self.directory)}

    def file(self, suffix: str = "ids") -> Path:
        """That of the map."""
        (path,) = self.directory.glob(f"*.{suffix}")
        return path


def shut(maildrop: Maildrop) -> None:
    """The end of a session."""
    maildrop.file.close()
    close(maildrop.state)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    """An empty one, in a directory of this user's alone."""
    found = Mailbox(tmp_path)
    found.write()
    return found


MESSAGES = [f"From a@b\nMessage-ID: <{i}>\n\nbody {i}\n\n".encode() for i in range(4)]
OLD = [b"old-0", b"", b"old-2"]


def own(mailbox: Mailbox) -> list[str]:
    """popa3d's unique-ids."""
    maildrop = mailbox.load()
    found = texts(maildrop.index.ids, 0, len(maildrop.index))
    shut(maildrop)
    return found


def test_without_a_map(mailbox: Mailbox) -> None:
    """Where there is none, nothing is opened or loaded for it."""
    mailbox.write(*MESSAGES)
    with mock.patch.object(kept_map, "settle") as settle, mock.patch.object(kept_map, "shown") as shown:
        assert mailbox.ids() == own(mailbox)
    assert not settle.called and not shown.called and mailbox.files() == set()


def test_with_a_map(mailbox: Mailbox) -> None:
    """Its messages have old unique-ids, from login to login, and later mail has popa3d's."""
    mailbox.write(*MESSAGES[:3])
    mailbox.take(*OLD)
    for _ in range(2):
        assert mailbox.ids() == ["old-0", own(mailbox)[1], "old-2"]
    mailbox.write(MESSAGES[3])
    assert mailbox.ids() == ["old-0", own(mailbox)[1], "old-2", own(mailbox)[3]]
    assert mailbox.log == [] and mailbox.files() == {"ids"}


def test_another_file(mailbox: Mailbox) -> None:
    """A mailbox that was written anew, with the same messages in another inode and perhaps fewer, has them still."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    other = mailbox.path.with_name("other")
    other.write_bytes(MESSAGES[2] + MESSAGES[3])
    other.replace(mailbox.path)
    os.utime(mailbox.path, (1, 1))
    assert mailbox.ids() == ["old-2", own(mailbox)[1]]


def test_deleted_messages_leave_the_map(mailbox: Mailbox) -> None:
    """Also when all are gone that had an old unique-id: then there is no map any more, from the next login on."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    before = mailbox.file().stat().st_size
    mailbox.delete(0)
    assert mailbox.ids()[1] == "old-2" and len(mailbox.ids()) == 3
    assert mailbox.file().stat().st_size < before and b"old-0" not in mailbox.file().read_bytes()
    mailbox.delete(1)
    assert mailbox.ids() == own(mailbox) and mailbox.files() == set()
    mailbox.write(MESSAGES[0])
    assert mailbox.ids() == own(mailbox)


def test_all_messages_are_deleted(mailbox: Mailbox) -> None:
    """With the last message the map goes."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    mailbox.delete(0, 1, 2, 3)
    mailbox.write(MESSAGES[0])
    assert mailbox.ids() == own(mailbox) and mailbox.files() == set()


@pytest.mark.parametrize("adopts", [True, False], ids=["", "stopped before the map is renamed"])
@pytest.mark.parametrize("limit", [10_000, 2], ids=["", "more copies than are looked at"])
def test_equal_messages(tmp_path: Path, adopts: bool, limit: int) -> None:
    """At random: copies, mail with one Message-ID, some of it deleted, more delivered. Each message keeps its own.

    Old unique-ids are those of the positions that messages had at first, so that copies are told apart, as clients tell them.
    """
    for seed in range(12):
        chance = random.Random(seed)
        (tmp_path / str(seed)).mkdir()
        mailbox = Mailbox(tmp_path / str(seed))
        with mock.patch.object(copies, "COPIES", limit), mock.patch("popa3d.owner.index.index.COPIES", limit):
            kinds = [b"Message-ID: <%d>\n" % chance.randrange(2) for _ in range(7)]
            mailbox.write(*(b"From a@b\n%s\n%d\n\n" % (kind, chance.randrange(2)) for kind in kinds))
            expected = [f"old-{i}" for i in range(7)]
            mailbox.take(*(name.encode() for name in expected))
            for _ in range(4):
                gone = sorted(chance.sample(range(len(expected)), min(2, len(expected))))
                with mock.patch.object(kept_map, "adopt", kept_map.adopt if adopts else lambda _state: None):
                    mailbox.delete(*gone)
                expected = [name for i, name in enumerate(expected) if i not in gone]
                mailbox.write(b"From a@b\nMessage-ID: <%d>\n\n%d\n\n" % (chance.randrange(2), chance.randrange(2)))
                expected.append("")
                found = mailbox.ids()
                assert [name for name in found if name.startswith("old-")] == [name for name in expected if name], (seed, found)
                assert [bool(name) for name in expected] == [name.startswith("old-") for name in found], (seed, found)
                assert len(set(found)) == len(found)
        assert mailbox.log == []


def test_an_update_that_was_not_begun(mailbox: Mailbox) -> None:
    """The map stays as it was if the session ended before it changed the mailbox, also if mail came meanwhile."""
    mailbox.write(*MESSAGES[:3])
    mailbox.take(*OLD)
    with mock.patch.object(removal, "_update", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        mailbox.delete(0)
    assert mailbox.files() == {"ids", "ids-next"}
    mailbox.write(MESSAGES[3])
    found = mailbox.ids()
    assert (found[0], found[2]) == ("old-0", "old-2")
    assert mailbox.files() == {"ids"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Refused("the reason")])
def test_an_update_that_fails(mailbox: Mailbox, error: Exception) -> None:
    """Nor is it changed by one that fails; other programs may write the mailbox afterwards."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    with mock.patch.object(removal, "_update", side_effect=error), pytest.raises(type(error)):
        mailbox.delete(0)
    assert mailbox.files() == {"ids"}
    mailbox.path.write_bytes(mailbox.path.read_bytes().replace(b"body 1", b"BODY 1"))
    os.utime(mailbox.path, (1, 1))
    assert [mailbox.ids()[i] for i in (0, 2)] == ["old-0", "old-2"]


def test_a_full_disk(mailbox: Mailbox) -> None:
    """Mail can be deleted where no new map can be written: the old one stays, and knows what is left."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    with mock.patch.object(kept_map, "_write", side_effect=OSError(28, "No space left on device")):
        mailbox.delete(0, 1)
    assert mailbox.ids()[0] == "old-2" and len(mailbox.ids()) == 2
    assert mailbox.log == [f"{mailbox.path}: deleted messages stay in the map of unique-ids: No space left on device"]
    assert mailbox.files() == {"ids"}


def test_a_map_that_came_meanwhile(mailbox: Mailbox) -> None:
    """A session that began before popa3d-migrate leaves a map that is right; one that --undo has removed does not come back."""
    mailbox.write(*MESSAGES)
    maildrop = mailbox.load()
    mailbox.take(*OLD)
    removal.remove(maildrop, bytearray((1, 0, 0, 0)))
    shut(maildrop)
    assert mailbox.ids()[1] == "old-2" and b"old-0" not in mailbox.file().read_bytes()
    maildrop = mailbox.load()
    file, state = mailbox.open()
    assert kept_map.drop(state) and not kept_map.drop(state)
    file.close()
    close(state)
    removal.remove(maildrop, bytearray((1, 0, 0)))
    shut(maildrop)
    assert mailbox.files() == set()


def spoilt(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], object]:
    """What writes other octets into a file."""
    return lambda path: path.write_bytes(change(bytearray(path.read_bytes())))


def rechecked(data: bytearray) -> bytes:
    """With the right CRC."""
    return bytes(data[:-4]) + zlib.crc32(data[:-4]).to_bytes(4, "big")


def flipped(place: int) -> Callable[[bytearray], bytearray]:
    """One octet is another."""

    def change(data: bytearray) -> bytearray:
        data[place] ^= 1
        return data

    return change


def forged(place: int, octet: int) -> Callable[[bytearray], bytes]:
    """One octet is another, and the CRC is right."""

    def change(data: bytearray) -> bytes:
        data[place] = octet
        return rechecked(data)

    return change


HEAD = 60  # octets
SPOILT = [
    *((spoilt(flipped(place)), "damaged") for place in (0, 15, 39, 47, 55, HEAD, HEAD + 24, -5, -1)),
    (spoilt(flipped(16)), "damaged"),
    (spoilt(lambda data: b""), "damaged"),
    (spoilt(lambda data: data[:20]), "damaged"),
    (spoilt(lambda data: data[:-1]), "damaged"),
    (spoilt(lambda data: data + b"x"), "damaged"),
    (spoilt(lambda data: rechecked(flipped(16)(data))), "it is of another mailbox"),
    (spoilt(forged(0, 0)), "damaged"),
    (spoilt(forged(35, 255)), "damaged"),
    (spoilt(forged(44, 255)), "damaged"),
    (spoilt(forged(-5, 10)), "damaged"),
    (spoilt(forged(HEAD + 24, 4)), "damaged"),
    (lambda path: path.chmod(0o620), "not a file of the owner's alone"),
    (lambda path: path.unlink() or path.mkdir(), "not a file of the owner's alone"),
    (
        lambda path: path.rename(path.parents[1] / "x") and path.symlink_to(path.parents[1] / "x"),
        "not a file of the owner's alone",
    ),
]


@pytest.mark.parametrize("suffix", ["ids", "ids-next"])
@pytest.mark.parametrize(("spoil", "reason"), SPOILT)
def test_what_is_not_believed(mailbox: Mailbox, spoil: Callable[[Path], object], reason: str, suffix: str) -> None:
    """A file that is damaged, of another mailbox or not the owner's alone is put aside, and logged once; mail is served."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    if suffix == "ids-next":
        with mock.patch.object(removal, "_update", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            mailbox.delete(3)
    spoil(mailbox.file(suffix))
    for _ in range(2):
        found = mailbox.ids()
        assert found == own(mailbox) if suffix == "ids" else found[0] == "old-0"
    assert mailbox.log == [f"{mailbox.path}: the map of unique-ids is not used: {reason}"]
    assert mailbox.files() == {"ids-rejected", *(["ids"] if suffix == "ids-next" else [])}
    mailbox.delete(3)
    assert len(mailbox.ids()) == 3


def test_of_another_path(mailbox: Mailbox, tmp_path: Path) -> None:
    """One that was taken of another mailbox, under this one's name, is not believed."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    data = mailbox.file().read_bytes()
    (tmp_path / "b").mkdir()
    other = Mailbox(tmp_path / "b")
    other.write(*MESSAGES)
    other.take(*OLD)
    other.file().write_bytes(data)
    assert other.ids() == own(other)
    assert other.log == [f"{other.path}: the map of unique-ids is not used: it is of another mailbox"]


def test_an_error_of_the_disk(mailbox: Mailbox) -> None:
    """Where the map cannot be read now, nobody logs in: clients would fetch everything again."""
    mailbox.write(*MESSAGES)
    mailbox.take(*OLD)
    with (
        mock.patch.object(kept_map, "_read", side_effect=OSError(5, "Input/output error")),
        pytest.raises(OSError, match="Input"),
    ):
        mailbox.load()
    assert mailbox.ids()[0] == "old-0" and mailbox.log == []


def test_written_in_pieces(mailbox: Mailbox) -> None:
    """Read and written however few octets the system takes at once."""
    write, read = os.write, os.read
    mailbox.write(*MESSAGES)
    with (
        mock.patch("posix.write", lambda fd, data: write(fd, data[:7])),
        mock.patch("posix.read", lambda fd, octets: read(fd, octets if octets == HEAD else min(octets, 7))),
    ):
        mailbox.take(*OLD)
        assert mailbox.ids()[0] == "old-0"
