"""Unique-ids of messages that have the same digest: all different, and the same whatever else becomes of the mailbox."""

from __future__ import annotations

import random
from unittest import mock

import pytest

from popa3d.owner.index import copies, index
from popa3d.owner.index.index import Index
from popa3d.owner.index.packing import packed
from popa3d.owner.index.remaining import Remaining
from popa3d.owner.index.unique_id import ID_OCTETS, texts
from tests.bench.hostile import parse
from tests.unit.owner import plain

HEADERS = (
    b"Subject: a\n|Subject: b\n|Message-ID: <1>\n|Message-ID: <1>\nSubject: c\n|Date: 1\n\tfolded\n|Received: x\nDate: 2\n|"
    b"Subject: folded\n a\n"
).split(b"|")
BODIES = b"|a\n|b\n|a\n\nb\n|Status: O\n\nDate: 1\n".split(b"|")
MARKS = b"Status: RO\n|X-Status: A\n|X-UID: 7\n|X-IMAPbase: 1 2\n 3\n|Content-Length: 9\n\t\n|lines: 3\n|X-Keywords:\n".split(
    b"|"
)


def mail(seeded: random.Random, count: int) -> list[bytes]:
    """Messages, many of which are alike."""
    return [b"From a\n" + seeded.choice(HEADERS) + b"\n" + seeded.choice(BODIES) + b"\n" for _ in range(count)]


def resolved(mailbox: bytes) -> Index:
    """The index of a mailbox, as scan.build_index makes it."""
    found = parse(mailbox)

    def content(number: int) -> bytes:
        whole = mailbox[found.content[number] : found.end[number]]
        return copies.content_digest(whole[:131072], len(whole), found.crlf)

    copies.make_unique(found, {}, content)
    return found


def ids(found: Index | Remaining) -> list[str]:
    return texts(found.ids, 0, len(found))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_as_defined(end: bytes) -> None:
    """They are what the plain definition says, and no two are the same."""
    for seed in range(300):
        mailbox = b"".join(mail(random.Random(seed), 1 + seed % 25)).replace(b"\n", end)
        found = resolved(mailbox)
        expected = plain.messages(mailbox, end)
        assert expected
        assert ids(found) == plain.unique_ids(expected, end != b"\n")
        assert len(set(ids(found))) == len(found)


@pytest.mark.parametrize("named", [1000, 2])
def test_without_the_last(named: int) -> None:
    """An index without its last message is that of the mailbox without it, also if only some copies' contents are kept."""
    with mock.patch.object(copies, "COPIES", named), mock.patch.object(index, "COPIES", named):
        for seed in range(300):
            messages = mail(random.Random(seed), 2 + seed % 25)
            found, expected = resolved(b"".join(messages)), resolved(b"".join(messages[:-1]))
            found.drop_last(expected.check)
            assert [bytes(block) for block in packed(found)] == [bytes(block) for block in packed(expected)], seed


def test_long_bodies() -> None:
    """Copies that differ behind what is read of them keep ids of their own when one is deleted, if their sizes differ."""
    one, two, three = (b"From a\nDate: 1\n\n" + b"x\n" * 30_000 + more + b"\n" for more in (b"", b"y\n", b"yyy\n"))
    assert ids(resolved(one + two + three))[2] == ids(resolved(one + three))[1]


def test_the_first_keeps_the_one_of_c_popa3d() -> None:
    """A message whose fields no other before it has is called as its fields alone say."""
    mailbox = b"From a\nDate: 1\n\na\n\nFrom a\nDate: 2\n\nb\n\nFrom a\nDate: 1\n\nc\n\nFrom a\nDate: 1\n\nc\n\n"
    found = resolved(mailbox)
    alone = [ids(resolved(mailbox[start : start + 19]))[0] for start in found.start]
    assert [one == other for one, other in zip(ids(found), alone, strict=True)] == [True, True, False, False]


def marked(message: bytes, seeded: random.Random) -> bytes:
    """The message with flags, as a mail program writes them into it."""
    start, _, rest = message.partition(b"\n")
    header, _, body = rest.partition(b"\n\n")
    fields = header.replace(b"\n ", b"\0 ").replace(b"\n\t", b"\0\t").split(b"\n")
    for mark in seeded.sample(MARKS, seeded.randint(0, 4)):
        fields.insert(seeded.randint(0, len(fields)), mark.rstrip(b"\n").replace(b"\n", b"\0"))
    return start + b"\n" + b"\n".join(fields).replace(b"\0", b"\n") + b"\n\n" + body


@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_flags_do_not_matter(size: int) -> None:
    """What mail programs write into a mailbox as flags, sizes and numbers changes no unique-id, however the blocks are cut."""
    for seed in range(200):
        seeded = random.Random(seed)
        messages = mail(seeded, 8)
        before = ids(resolved(b"".join(messages)))
        with mock.patch("tests.bench.hostile.PARSE_OCTETS", size):
            assert ids(resolved(b"".join(marked(message, seeded) for message in messages))) == before


def test_other_messages_do_not_matter() -> None:
    """When some are deleted, each other message keeps its unique-id, or it is the first with its fields now and has theirs.

    Only those with one and the same content may exchange theirs.
    """
    exchanged = first = 0
    for seed in range(400):
        seeded = random.Random(seed)
        messages = mail(seeded, seeded.randint(2, 40))
        before = resolved(b"".join(messages))
        gone = bytearray(seeded.choices((0, 1), k=len(messages)))
        gone[seeded.randrange(len(gone))] = 0
        left = [i for i, deleted in enumerate(gone) if not deleted]
        after = resolved(b"".join(messages[i] for i in left))
        common = plain.messages(b"".join(messages[i] for i in left)) or []
        had = dict(zip(ids(before), messages, strict=True))
        for i, now, message in zip(left, ids(after), common, strict=True):
            if now == ids(before)[i]:
                continue
            if now == message.unique_id:
                first += 1
            else:
                assert had[now] == messages[i]
                exchanged += 1
    assert first > 50 and exchanged > 50


def test_what_is_left_is_known() -> None:
    """An index without some messages has the unique-ids that the mailbox has without them."""
    for seed in range(400):
        seeded = random.Random(seed)
        messages = mail(seeded, seeded.randint(2, 12))
        gone = bytearray(seeded.choices((0, 1), k=len(messages)))
        gone[seeded.randrange(len(gone))] = 0
        wanted = resolved(b"".join(m for m, deleted in zip(messages, gone, strict=True) if not deleted))
        rest = Remaining(resolved(b"".join(messages)), gone)
        found = b"".join(bytes(block) for block in rest.packed())[-len(wanted.ids + wanted.base_ids + wanted.copy_digests) :]
        assert found == wanted.ids + wanted.base_ids + wanted.copy_digests


def test_too_many() -> None:
    """Beyond COPIES they are told apart by their number alone; an index without some of them would not be a parse's."""
    mailbox = b"".join(mail(random.Random(1), 60))
    with mock.patch.object(copies, "COPIES", 5), mock.patch.object(plain, "COPIES", 5), mock.patch.object(index, "COPIES", 5):
        found = resolved(mailbox)
        assert ids(found) == plain.unique_ids(plain.messages(mailbox) or [])
        assert len(set(ids(found))) == 60
        assert not found.knows_all_copies()
    assert found.knows_all_copies()


def test_compared_in_parts() -> None:
    """Large mailboxes are compared in parts, and all that are the same are found."""
    for seed in range(50):
        seeded = random.Random(seed)
        some = [seeded.randbytes(ID_OCTETS) for _ in range(50)]
        many = [seeded.choice(some) for _ in range(60)]
        most, different = seeded.choice((1, 10, 30, 100)), seeded.choice((1, 10, 30, 100))
        with mock.patch.object(copies, "_PART_IDS", most), mock.patch.object(copies, "_DIFFERENT", different):
            assert list(copies.repeats(b"".join(many))) == [one in many[:i] for i, one in enumerate(many)]
            assert not copies.repeats(b"".join(some))


def test_a_digest_that_is_there_already() -> None:
    """A message that has by its fields what a copy is given keeps the copy from having it."""
    two = b"From a\nDate: 1\n\na\n\nFrom a\nDate: 1\n\nb\n\n"
    wanted = resolved(two).ids[ID_OCTETS:]
    found = parse(two + b"From a\nDate: 3\n\nc\n\n")
    found.ids = found.ids[: 2 * ID_OCTETS] + wanted
    copies.make_unique(found, {}, lambda _: copies.content_digest(b"Date: 1\n\nb\n", 11, False))
    assert len(set(ids(found))) == 3
