"""What remains of an index when messages are deleted is the index of the mailbox without them."""

from __future__ import annotations

import random
from unittest import mock

import pytest

from popa3d.owner.index import remaining
from popa3d.owner.index.packing import packed
from popa3d.owner.index.remaining import Remaining
from tests.unit.owner.index.test_copies import mail, resolved
from tests.unit.owner.index.test_parser import METADATA


def compare(before: bytes, messages: list[bytes], deleted: bytearray) -> None:
    """`before` is what the mailbox has before the first message, and stays."""
    rest = Remaining(resolved(before + b"".join(messages)), deleted)
    after = resolved(before + b"".join(message for message, gone in zip(messages, deleted, strict=True) if not gone))
    rest.check = after.check
    assert b"".join(bytes(block) for block in rest.packed()) == b"".join(bytes(block) for block in packed(after))
    assert (len(rest), rest.size, rest.crlf, rest.hidden) == (len(after), after.size, after.crlf, after.hidden)
    assert rest.content == (after.hidden or after.content[0])


@pytest.mark.parametrize("before", [b"", b"\n\n", METADATA], ids=["nothing", "empty lines", "metadata"])
@pytest.mark.parametrize("numbers", [1, 3, 4096])
def test_random(before: bytes, numbers: int) -> None:
    """Octet for octet, whatever is deleted, and however many numbers are worked on at once."""
    with mock.patch.object(remaining, "_NUMBERS", numbers), mock.patch.object(remaining, "_BLOCK_OCTETS", 8 * numbers):
        for seed in range(100):
            seeded = random.Random(seed)
            messages = mail(seeded, seeded.randint(2, 20))
            deleted = bytearray(seeded.choices((0, 1), k=len(messages)))
            deleted[seeded.randrange(len(deleted))] = 0
            compare(before, messages, deleted)


@pytest.mark.parametrize("deleted", [[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]], ids=str)
def test_each_place(deleted: list[int]) -> None:
    """Messages may go at the beginning, in the middle and at the end."""
    messages = [b"From a\nDate: %d\n\n%s\n\n" % (i, b"x" * i) for i in range(3)]
    compare(b"", messages, bytearray(deleted))


def test_crlf() -> None:
    """So it is with CRLF line ends."""
    messages = [message.replace(b"\n", b"\r\n") for message in mail(random.Random(1), 9)]
    compare(b"", messages, bytearray([1, 0, 0, 1, 1, 0, 1, 0, 1]))
