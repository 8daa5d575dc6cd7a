"""An index that is packed and unpacked is the same, and octets that are no packed index are refused."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from popa3d.owner.index.index import COLUMNS, Index
from popa3d.owner.index.packing import packed, unpacked
from popa3d.shared.limits import COPIES
from tests.unit.owner.index.test_copies import mail, resolved

COUNT = 12
HEAD = "=6q"


def index(seed: int) -> Index:
    """One with copies."""
    found = resolved(b"".join(mail(random.Random(seed), COUNT)))
    assert found.copy_digests
    return found


def octets(found: Index) -> bytes:
    return b"".join(bytes(block) for block in packed(found))


def reader(data: bytes) -> Callable[[int], bytes]:
    """What reads `data` as a file is read."""
    left = memoryview(data)

    def read(count: int) -> bytes:
        nonlocal left
        block, left = bytes(left[:count]), left[count:]
        return block

    return read


def test_the_same() -> None:
    """All that an index knows is there again, but for whether it was saved."""
    for seed in range(20):
        before = index(seed)
        before.crlf, before.hidden, before.saved = seed % 2 == 1, seed * 7, True
        after = unpacked(reader(octets(before)), COUNT)
        assert after is not None
        assert [list(getattr(after, name)) for name in COLUMNS] == [list(getattr(before, name)) for name in COLUMNS]
        for name in ("ids", "base_ids", "copy_digests", "size", "check", "crlf", "hidden"):
            assert getattr(after, name) == getattr(before, name), name
        assert not after.saved


def test_without_copies() -> None:
    """What is only there with copies may be missing, and so may all messages."""
    for mailbox in (b"", b"From a\nDate: 1\n\nx\n\n"):
        before = resolved(mailbox)
        after = unpacked(reader(octets(before)), 1)
        assert after is not None
        assert (len(after), after.ids, after.base_ids) == (len(before), before.ids, b"")


def test_cut() -> None:
    """Octets that end too early are no index, wherever that is."""
    data = octets(index(1))
    for size in range(len(data)):
        assert unpacked(reader(data[:size]), COUNT) is None, size


@pytest.mark.parametrize(
    ("number", "value"),
    [(0, value) for value in (-(2**63), -1, COUNT + 1, 2**40, 2**63 - 1)]
    + [(2, value) for value in (-1, 2, 2**63 - 1)]
    + [(4, value) for value in (-(2**63), -1, 8 * COUNT + 1, 8 * COPIES + 1, 2**40, 2**63 - 1)],
)
def test_wrong_head(number: int, value: int) -> None:
    """Counts that cannot be are refused before memory is taken for them."""
    data = octets(index(1))
    head = list(struct.unpack_from(HEAD, data))
    head[number] = value
    data = struct.pack(HEAD, *head) + data[struct.calcsize(HEAD) :]

    def read(count: int) -> bytes:
        assert 0 <= count < 1000
        return next_octets(count)

    next_octets = reader(data)
    assert unpacked(read, COUNT) is None


def test_too_many() -> None:
    """The limit of messages holds: as many are fine."""
    data = octets(index(1))
    assert unpacked(reader(data), COUNT) is not None
    assert unpacked(reader(data), COUNT - 1) is None
