"""The index of a large mailbox that is kept for the next login: what it says is what the mailbox says, or it is not believed."""

from __future__ import annotations

import os
import random
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner import loading
from popa3d.owner.index import copies
from popa3d.owner.index import parser as mbox
from popa3d.owner.index.index import Index
from popa3d.owner.mailbox import indexing, maildrop
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.update import removal
from popa3d.shared.limits import STATE
from tests.faults.cases import close
from tests.host import ALICE, Host
from tests.session import MAILBOX, open_session
from tests.talk import wait_until
from tests.unit.owner.index.test_parser import METADATA

BODY = b"a line of some length, as mail has them\n" * 3000


def messages(seed: int, count: int = 12, end: bytes = b"\n") -> bytes:
    """A mailbox of some messages, the last of which may be unfinished."""
    chance = random.Random(seed)
    found = b""
    for i in range(count):
        body = bytes(chance.choices(b"ab \n.", k=chance.randint(0, 2000)))
        name = chance.choice((b"Message-ID: <%d.%d>\n" % (seed, i), b"Message-ID: <copy>\n", b""))
        if chance.random() < 0.3:
            body = b"a copy\n"
        found += b"From a@b\n%sX: y\n\n%s\n\n" % (name, body)
    return found.replace(b"\n", end)


def load(path: Path, directory: Path, keep: bool = True) -> tuple[Index, bool]:
    """The index that a login finds, and whether all of the mailbox was parsed for it; kept for the next one."""
    parsed = []
    file = MboxFile(os.fsencode(path), ("fcntl",))
    state = State(os.fsencode(directory), b"alice", os.fsencode(path))
    real = mbox.Parser.feed

    def feed(self: mbox.Parser, block: bytes) -> None:
        parsed.append(len(block))
        real(self, block)

    with (
        mock.patch.object(maildrop, "INDEX_OCTETS", 1),
        mock.patch.object(indexing, "INDEX_OCTETS", 1),
        mock.patch.object(mbox.Parser, "feed", feed),
    ):
        found = loading.load(file, state, 10_000, 1 << 40)
        if keep:
            indexing.keep(found)
    file.close()
    close(state)
    return found.index, sum(parsed) >= path.stat().st_size


def delete(
    path: Path,
    directory: Path,
    deleted: bytearray | None = None,
    before_update: Callable[[], None] = lambda: None,
    before_saving: Callable[[], None] = lambda: None,
) -> None:
    """Do what a session does that deletes these messages, or the first one: index included. before_...: what others do then."""
    file = MboxFile(os.fsencode(path), ("fcntl",))
    state = State(os.fsencode(directory), b"alice", os.fsencode(path))
    with mock.patch.object(maildrop, "INDEX_OCTETS", 1), mock.patch.object(indexing, "INDEX_OCTETS", 1):
        loaded = loading.load(file, state, 10_000, 1 << 40)
        deleted = deleted or bytearray([1] + [0] * (len(loaded.index) - 1))
        before_update()
        removal.remove(loaded, deleted)
        loaded.unlock_after_update()
        before_saving()
        indexing.keep_rest(loaded, deleted)
    file.close()
    close(state)


def facts(index: Index) -> list[object]:
    """All that a session shows or relies on."""
    columns = [list(column) for column in (index.start, index.content, index.end, index.octets)]
    return [*columns, index.ids, index.base_ids, index.copy_digests, index.size, index.crlf, index.hidden, index.check]


def plain(path: Path, directory: Path) -> list[object]:
    """The facts of a mailbox of which nothing was kept; now its index is."""
    for name in directory.iterdir():
        name.unlink()
    found, parsed = load(path, directory)
    assert parsed
    return facts(found)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """A mailbox's path and an empty state directory."""
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path / "mailbox", tmp_path / "state"


def first(seed: int, end: bytes) -> bytes:
    """What may be before the first message: empty lines, and what is no message because it is the first."""
    return end * (seed % 3) + (METADATA.replace(b"\n", end) if seed % 2 else b"")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("seed", range(8))
def test_again_and_grown(place: tuple[Path, Path], seed: int, end: bytes) -> None:
    """A login after a login parses nothing; one after some deliveries only what is new; both find what a parse finds."""
    path, directory = place
    path.write_bytes(first(seed, end) + messages(seed, end=end))
    assert load(path, directory)[1]
    again, parsed = load(path, directory)
    assert not parsed
    for _ in range(3):
        with open(path, "ab") as file:
            file.write(messages(seed + 100, 1, end))
        grown, parsed = load(path, directory)
        assert not parsed
        assert facts(grown) != facts(again)
        assert facts(grown) == plain(path, directory)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("seed", range(20))
def test_after_an_update(place: tuple[Path, Path], seed: int, end: bytes) -> None:
    """When messages were deleted, the next login still knows the others, and all is what a parse finds."""
    path, directory = place
    path.write_bytes(first(seed, end) + messages(seed, end=end))
    load(path, directory)
    chance = random.Random(seed)
    deleted = bytearray(chance.choices((0, 1), weights=(1, chance.choice((0.2, 1, 3))), k=12))
    deleted[chance.randrange(12)] = 1

    def deliver() -> None:
        if seed % 2:
            with open(path, "ab") as appended:
                appended.write(messages(seed + 100, 1, end))

    delete(path, directory, deleted, before_update=deliver)
    found, parsed = load(path, directory)
    assert parsed == (deleted.count(0) < 2)
    assert facts(found) == plain(path, directory)


def test_more_copies_than_are_compared(place: tuple[Path, Path]) -> None:
    """Where not all copies are in the index, none is kept when messages were deleted: the next login parses."""
    path, directory = place
    path.write_bytes(b"".join(b"From x\nSubject: x\n\n%d\n\n" % (i // 2) for i in range(12)))
    with mock.patch("popa3d.owner.index.copies.COPIES", 3), mock.patch("popa3d.owner.index.index.COPIES", 3):
        delete(path, directory)
    found, parsed = load(path, directory)
    assert parsed
    assert facts(found) == plain(path, directory)


@pytest.mark.parametrize("other", [b"\n", b"\r\n"])
@pytest.mark.parametrize("hidden", [False, True])
def test_another_first_message(place: tuple[Path, Path], hidden: bool, other: bytes) -> None:
    """When the first message is deleted, metadata that comes first now is hidden; what was hidden before stays so."""
    path, directory = place
    one, *some = (b"From x\nDate: %d\n\n%s\n\n" % (i, b"y" * 500) for i in range(4))
    metadata = METADATA.replace(b"\n", other)
    path.write_bytes(metadata + one + b"".join(some) if hidden else one + metadata + b"".join(some))
    plain(path, directory)
    delete(path, directory)
    assert path.read_bytes() == metadata + b"".join(some)
    found, parsed = load(path, directory)
    assert parsed is not hidden
    assert facts(found) == plain(path, directory)


def test_copies_are_read_once(place: tuple[Path, Path]) -> None:
    """What tells copies apart is kept with the index: when mail comes, only new copies are looked at."""
    path, directory = place
    copy = b"From a@b\nMessage-ID: <1>\n\n%d\n\n"
    path.write_bytes(b"".join(copy % i for i in range(10)) + b"From a@b\nMessage-ID: <2>\n\nx\n\n")
    load(path, directory)
    with open(path, "ab") as file:
        file.write(copy % 10)
    with mock.patch.object(copies, "content_digest", side_effect=copies.content_digest) as looked:
        found, parsed = load(path, directory)
    assert not parsed and looked.call_count == 1
    assert facts(found) == plain(path, directory)


@pytest.mark.parametrize("number", range(1, 5))
def test_older_rules(place: tuple[Path, Path], number: int) -> None:
    """An index of another version is not believed: it may count and call messages by other rules."""
    path, directory = place
    path.write_bytes(messages(1))
    load(path, directory)
    (file,) = directory.iterdir()
    octets = re.sub(rb"\d\d\n", b"%02d\n" % number, file.read_bytes()[:-4], count=1)
    assert octets.startswith(b"popa3d index %02d\n" % number)
    file.write_bytes(octets + zlib.crc32(octets).to_bytes(4, sys.byteorder))
    assert load(path, directory)[1]


def test_changed_behind_an_update(place: tuple[Path, Path]) -> None:
    """What others do to the mailbox between the update and the end of the session is not in an index that would be believed."""
    path, directory = place
    big, small = b"From x\nSubject: a\n\n%s\n\n" % (b"y" * 1000), b"From x\nSubject: b\n\n%s\n\n"
    two = b"".join(small % (b"z" * octets) for octets in (1, len(big) - 2 * len(small) + 4 - 1))
    assert len(two) == len(big)

    def rewrite() -> None:
        with open(path, "r+b") as other:
            other.write(two)

    for change, crlf in ((True, False), (False, True)):
        path.write_bytes(big * 4 if not crlf else big + (big[:-1].replace(b"\n", b"\r\n") + b"\n") * 3)
        plain(path, directory)
        delete(path, directory, before_saving=rewrite if change else lambda: None)
        found, _ = load(path, directory)
        assert facts(found) == plain(path, directory)


def flip(index: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(index))
    return index[:at] + bytes([index[at] ^ 1 << chance.randrange(8)]) + index[at + 1 :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped": flip,
    "cut": lambda index, chance: index[: chance.randrange(len(index))],
    "longer": lambda index, chance: index + chance.randbytes(chance.randint(1, 100)),
    "random": lambda index, chance: chance.randbytes(len(index)),
    "zeros behind": lambda index, chance: index[: chance.randrange(len(index))].ljust(len(index), b"\0"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("grown", [False, True])
def test_damaged(place: tuple[Path, Path], damage: str, grown: bool) -> None:
    """An index that is damaged in any way is not believed, and made anew."""
    path, directory = place
    path.write_bytes(messages(1))
    wanted = facts(load(path, directory)[0])
    (file,) = directory.iterdir()
    good = file.read_bytes()
    if grown:
        with open(path, "ab") as mailbox:
            mailbox.write(messages(2, 1))
        wanted = plain(path, directory)
    for seed in range(60):
        file.write_bytes(DAMAGES[damage](good, random.Random(seed)))
        file.chmod(0o600)
        found, parsed = load(path, directory, keep=False)
        assert facts(found) == wanted
        assert parsed


def rewrite(path: Path, content: bytes) -> None:
    """The same inode with other content, at once and without a lock."""
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(content)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "another mailbox": lambda _: messages(7),
    "a longer one": lambda _: messages(7, 40),
    "the first message gone, and longer": lambda old: old[old.index(b"\n\nFrom ") + 2 :] + messages(8, 30),
    "a line more in the first message": lambda old: old.replace(b"X: y\n", b"X: y\nStatus: RO\n", 1),
    "the same size": lambda old: old.replace(b"Message-ID: <3.0>", b"Message-ID: <3.X>", 1),
    "cut": lambda old: old[: len(old) // 2],
    "the end cut, then grown": lambda old: old[: old.rindex(b"\n\nFrom ") + 2] + messages(9, 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_stale(place: tuple[Path, Path], change: str) -> None:
    """An index of what the mailbox was before somebody changed it is worth nothing."""
    path, directory = place
    path.write_bytes(messages(3))
    load(path, directory)
    rewrite(path, CHANGES[change](path.read_bytes()))
    found, _ = load(path, directory, keep=False)
    assert facts(found) == plain(path, directory)


def test_of_another_file(place: tuple[Path, Path]) -> None:
    """A mailbox that was replaced, be it by a copy with the same times, is parsed."""
    path, directory = place
    path.write_bytes(messages(4))
    load(path, directory)
    copy = path.with_name("copy")
    copy.write_bytes(messages(5)[: path.stat().st_size].ljust(path.stat().st_size, b"\n"))
    os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.rename(copy, path)
    assert load(path, directory)[1]


def test_verified_before_anything_is_deleted(host: Host) -> None:
    """An index that does not fit the mailbox, though it looks as if it did, ends a session that would delete."""
    large = b"From x\nSubject: large\n\n" + BODY * 10 + b"\n"
    path = host.deliver("alice", MAILBOX + large)
    with open_session() as talk:
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    (file,) = Path(f"{STATE}/{ALICE.uid}").iterdir()
    forged = bytearray(file.read_bytes()[:-4])
    forged[16 + 40 + 24] ^= 1  # in the check of the mailbox
    file.write_bytes(forged + zlib.crc32(forged).to_bytes(4, sys.byteorder))
    for commands, reply in ((b"STAT", b"+OK 3 "), (b"DELE 3", b"+OK"), (b"STAT", b"+OK 3 ")):
        with open_session() as talk:
            assert talk.ask(commands).startswith(reply)
            talk.send(b"QUIT\r\n")
            assert talk.rest() == (b"" if b"DELE" in commands else b"+OK\r\n")
    assert path.read_bytes() == MAILBOX + large
    host.syslog.wait("Another MUA active, giving up for alice")


def test_equal_messages(place: tuple[Path, Path]) -> None:
    """Messages of equal length that moved to each other's places are told by what they are."""
    path, directory = place
    equal = [b"From cron\nMessage-ID: <%02d>\n\nnothing to report\n\n" % i for i in range(20)]
    path.write_bytes(b"".join(equal[:10]))
    load(path, directory)
    for first, last in ((1, 12), (2, 13), (12, 20)):
        rewrite(path, b"".join(equal[first:last]))
        found, _ = load(path, directory)
        assert facts(found) == plain(path, directory)


def test_index_is_dropped_when_it_may_be_wrong(place: tuple[Path, Path]) -> None:
    """What changed in place, behind which new mail came, is not in the way of what comes after."""
    path, directory = place
    path.write_bytes(messages(3))
    load(path, directory)
    rewrite(path, path.read_bytes().replace(b"From a@b", b"From a@c", 1) + messages(11, 1))
    found, parsed = load(path, directory)
    assert parsed
    assert facts(found) == plain(path, directory)


def test_update_with_an_index(host: Host) -> None:
    """Deletions in sessions that have parsed nothing, one after the other; the index that is left is of what is left."""
    large = [b"From x\nSubject: %d\n\n" % i + BODY + b"\n" for i in range(12)]
    path = host.deliver("alice", b"".join(large))
    while large:
        for _ in range(2):
            with open_session() as talk:
                assert talk.ask(b"STAT").startswith(b"+OK %d " % len(large))
                assert talk.ask(b"QUIT") == b"+OK\r\n"
        with open_session() as talk:
            assert talk.ask(b"DELE 2" if len(large) > 1 else b"DELE 1") == b"+OK\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        del large[1 if len(large) > 1 else 0]
        assert path.read_bytes() == b"".join(large)
        wait_until(
            lambda: [name[-6:] for name in os.listdir(f"{STATE}/{ALICE.uid}")] == [".index"] * (path.stat().st_size >= 1 << 20)
        )


@pytest.mark.parametrize("name", ["index-new", "index"])
def test_no_room_for_it(host: Host, name: str) -> None:
    """A directory in its place is none of what is there when the session has ended: its index is."""
    path = host.deliver("alice", MAILBOX + b"From x\nSubject: large\n\n" + BODY * 10 + b"\n")
    with open_session() as talk:
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    (file,) = Path(f"{STATE}/{ALICE.uid}").iterdir()
    file.unlink()
    file.with_suffix("." + name).mkdir()
    with open_session() as talk:
        assert talk.ask(b"STAT").startswith(b"+OK 3 ")
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.stat().st_size
    wait_until(lambda: os.listdir(file.parent) == [file.name] and file.is_file())
