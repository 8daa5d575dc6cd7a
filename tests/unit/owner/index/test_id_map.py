"""Old unique-ids in the place of popa3d's: which message has which, before and after deletions, and that all stay different."""

from __future__ import annotations

import itertools
import random

import pytest

from popa3d.owner.index.id_map import IdMap, ShownIds, doubles, ids_after, is_unique_id, make_map
from popa3d.owner.index.index import Index
from popa3d.owner.index.unique_id import texts


def numbered(*values: int) -> bytes:
    """popa3d's unique-ids, from numbers."""
    return b"".join(value.to_bytes(8, "big") for value in values)


IDS = numbered(10, 11, 12, 13)
OWN = texts(IDS, 0, 4)
OLD = [b"a", b"", b"bcd"]


def shown(ids: bytes, id_map: IdMap) -> list[str]:
    """What clients are shown of all messages, which one by one and in pairs is the same."""
    count = len(ids) // 8
    found = ShownIds(ids, id_map)
    listed = found.texts(0, count)
    assert [found.texts(i, i + 1)[0] for i in range(count)] == listed
    assert [found.texts(i, i + 1)[0] for i in reversed(range(count))] == listed[::-1]
    assert list(itertools.chain(*(found.texts(i, i + 2) for i in range(0, count - 1, 2)))) == listed[: count // 2 * 2]
    return listed


def test_shown() -> None:
    """A message with an old unique-id has that, the others have popa3d's, also those that came since."""
    id_map = make_map(IDS[:24], OLD)
    assert (len(id_map), id_map.count(), id_map.is_sound()) == (3, 2, True)
    assert shown(IDS, id_map) == ["a", OWN[1], "bcd", OWN[3]]


def test_the_end_is_left_out() -> None:
    """Messages at the end without an old unique-id are not in the map."""
    assert len(make_map(IDS, [b"", b"x", b"", b""])) == 2
    assert len(make_map(IDS, [b""] * 4)) == 0
    assert shown(IDS, make_map(IDS, [b""] * 4)) == OWN


@pytest.mark.parametrize("order", [[1, 2, 3], [0, 2], [2, 1, 0, 3], [3], [0, 1]])
def test_another_program_has_removed_messages_or_sorted_them(order: list[int]) -> None:
    """Each message keeps its own."""
    old = [b"o%d" % i for i in range(4)]
    ids = b"".join(IDS[8 * i : 8 * i + 8] for i in order)
    assert shown(ids + numbered(99), make_map(IDS, old)) == [f"o{i}" for i in order] + texts(numbered(99), 0, 1)


def test_no_message_is_left() -> None:
    """A mailbox without messages has a map that fits nothing."""
    assert len(make_map(IDS, OLD).aligned(b"")) == 0


def test_after_deletions() -> None:
    """Whichever messages are deleted, each other one keeps its own."""
    old = [b"x" * i for i in range(7)]
    ids = numbered(*range(7))
    for deleted in itertools.product((0, 1), repeat=7):
        left = [i for i in range(7) if not deleted[i]]
        kept = b"".join(ids[8 * i : 8 * i + 8] for i in left)
        remaining = make_map(ids, old).after(bytearray(deleted), kept)
        assert remaining.is_sound()
        assert list(remaining.old_ids(0, 7)) == [old[i] for i in left if i or max(left)]
        assert remaining.ids == kept[: 8 * len(remaining)]


def test_ids_after_deletions() -> None:
    """Without copies, those of the messages that remain; deleted copies are another test's (tests/session)."""
    index = Index()
    index.ids = IDS
    assert ids_after(index, bytearray((0, 1, 0, 1)), lambda _: b"") == numbered(10, 12)
    assert ids_after(index, bytearray((1, 1, 1, 1)), lambda _: b"") == b""


@pytest.mark.parametrize("old", [[OWN[3].encode()], [OWN[3].encode(), b"y"], [b"", OWN[3].encode(), b"q" * 16]])
def test_an_old_one_that_new_mail_has(old: list[bytes]) -> None:
    """Mail that comes later and has an old unique-id of another message as its own is shown with another one."""
    found = shown(IDS, make_map(IDS, old))
    assert found.index(OWN[3]) == old.index(OWN[3].encode())
    assert len(set(found)) == 4 and len(found[3]) == 16
    assert found == shown(IDS, make_map(IDS, old))
    assert [text for text, own in zip(found[len(old) : 3], OWN[len(old) :], strict=False) if text != own] == []


def test_in_its_place_is_none_that_is_taken() -> None:
    """Nor with one that a third message has."""
    first = shown(IDS, make_map(IDS, [OWN[3].encode()]))[3]
    ids = numbered(10, int(first, 16), 12, 13)
    assert len(set(shown(ids, make_map(ids, [OWN[3].encode()])))) == 4
    ids = numbered(10, 11, 12, 13)
    assert len(set(shown(ids, make_map(ids, [OWN[3].encode(), first.encode()])))) == 4


def test_all_are_different() -> None:
    """At random: few numbers, so that old ones and popa3d's meet often."""
    chance = random.Random(1)
    for _ in range(300):
        numbers = chance.sample(range(20), 8)
        old = [b"%016x" % number if number < 20 else b"o%d" % number for number in chance.sample(range(24), 5)]
        ids = numbered(*numbers)
        for number in doubles(ids, old):
            old[number] = b""
        later = ids + numbered(*chance.sample(sorted(set(range(20)) - set(numbers)), 8))
        found = shown(later, make_map(ids, old))
        assert len(set(found)) == len(found)
        assert [text.encode() for text, kept in zip(found, old, strict=False) if kept] == [text for text in old if text]


def test_doubles() -> None:
    """Two messages with one old unique-id, or one that is popa3d's of another message, cannot have it."""
    assert doubles(IDS, [b"a", b"b", b"a", b"a"]) == {0, 2, 3}
    assert doubles(IDS, [b"", b"", b"", b""]) == set()
    assert doubles(IDS, [OWN[1].encode(), b"x", b"y", OWN[3].encode()]) == {0}
    assert doubles(IDS, [b"00000001", b"0" * 32, b"g" * 16, b"x"]) == set()


@pytest.mark.parametrize(
    ("text", "allowed"),
    [(b"", 0), (b"x", 1), (b"~!", 1), (b"x" * 70, 1), (b"x" * 71, 0), (b"a b", 0), (b"\x7f", 0), (b"\xe4", 0)],
)
def test_is_unique_id(text: bytes, allowed: int) -> None:
    """RFC 1939 section 7."""
    assert is_unique_id(text) == bool(allowed)


@pytest.mark.parametrize(
    "id_map",
    [
        IdMap(IDS, b"\1", b"xy"),
        IdMap(IDS, b"\2", b"x"),
        IdMap(IDS[:8], b"\1\1", b"xy"),
        IdMap(IDS, bytes([71]), b"x" * 71),
        IdMap(IDS, b"\2", b"x\n"),
        IdMap(IDS, b"\2", b"x "),
    ],
)
def test_unsound(id_map: IdMap) -> None:
    """Parts that do not fit together, and what no unique-id has, are seen."""
    assert not id_map.is_sound()
