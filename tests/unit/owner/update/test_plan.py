"""A plan that was found: what no update can have written is none."""

from __future__ import annotations

from array import array
from unittest import mock

import pytest

from popa3d.owner.index import MESSAGE_OCTETS
from popa3d.owner.update import plan
from popa3d.owner.update.plan import Plan, decode_plan
from popa3d.shared.limits import JOURNAL_STEPS

LEAST = MESSAGE_OCTETS
HUGE = 2**56 - 1  # the most that a number can be


def encoded(*numbers: int) -> bytes:
    """The octets of a plan with these numbers: the start, holes and what is kept behind them."""
    return Plan(numbers[0], array("q", [*numbers[1:], *[0] * (len(numbers) % 2 == 0)])).encode()[: _length(numbers)]


def _length(numbers: tuple[int, ...]) -> int:
    return sum(max(1, -(-number.bit_length() // 7)) for number in numbers)


@pytest.mark.parametrize(
    "numbers", [(0, LEAST, 0), (0, LEAST, 1), (5, LEAST, 1, LEAST, 0), (HUGE, HUGE, HUGE), (3, *[HUGE] * 62)], ids=str
)
def test_plans(numbers: tuple[int, ...]) -> None:
    """The smallest and the largest there are."""
    found = decode_plan(encoded(*numbers))
    assert found is not None and (found.start, *found.lengths) == numbers and found.encode() == encoded(*numbers)


@pytest.mark.parametrize(
    "numbers",
    [
        (),
        (0,),  # no hole
        (LEAST,),
        (0, LEAST),  # nothing behind it
        (0, LEAST, 1, LEAST),
        (0, LEAST - 1, 1),  # a hole in which no message was
        (0, LEAST, 1, LEAST - 1, 1),
        (0, LEAST, 0, LEAST, 1),  # two holes without anything between them
        (0, 0, 1),
        (HUGE, *[HUGE] * 64),  # places beyond all reckoning
    ],
    ids=str,
)
def test_no_plans(numbers: tuple[int, ...]) -> None:
    """What no update can have meant."""
    assert decode_plan(encoded(*numbers) if numbers else b"") is None


@pytest.mark.parametrize(
    "octets",
    [
        encoded(0, LEAST, 1) + b"\x80",  # the last number has no end
        encoded(0, LEAST, 1, LEAST, 0)[:-1] + b"\x80",
        b"\x80" * 8 + b"\x00" + encoded(0, LEAST, 1)[1:],  # a number of more octets than any has
        b"\xff" * 9 + b"\x01" + encoded(0, LEAST, 1)[1:],
        b"\xff" * 100_000,
        encoded(0, LEAST)[:-1] + bytes([LEAST | 0x80, 0]) + encoded(1),  # a number in more octets than it needs
    ],
    ids=lambda octets: f"{octets[:12]!r}",
)
def test_no_numbers(octets: bytes) -> None:
    """Octets that are no numbers."""
    assert decode_plan(octets) is None


def test_as_many_as_there_can_be() -> None:
    """There are at most two numbers for each message that a mailbox can have, and the start."""
    for messages in (1, 2, 3):
        with mock.patch.object(plan, "MAX_MESSAGES", messages):
            for holes in (1, 2, 3, 4):
                assert (decode_plan(encoded(0, *[LEAST, 1] * holes)) is not None) == (holes <= messages)


def test_slow() -> None:
    """Steps are counted: each moves what there is room for, but for the stamp's place, or what is given."""
    stamp, steps = plan.STAMP_OCTETS, JOURNAL_STEPS
    for room in (1, 100):
        tight = Plan(0, array("q", [stamp + room, room * steps]))
        assert not tight.is_slow(0)
        tight = Plan(0, array("q", [stamp + room, room * (steps + 1)]))
        assert tight.is_slow(0) and not tight.is_slow(room + 1)
    assert Plan(0, array("q", [stamp, 1])).is_slow(0)
    assert not Plan(0, array("q", [stamp, 1])).is_slow(1)
    grown = Plan(0, array("q", [stamp + 1, 2, 10_000, (steps - 3) * 10_000]))  # the second hole makes room
    assert not grown.is_slow(0)


def test_places() -> None:
    """Where what goes to a place is now, and what is kept of a window, to the octet."""
    found = Plan(10, array("q", [LEAST, 3, LEAST, 2]))
    assert (found.size, found.final_size) == (10 + LEAST + 3 + LEAST + 2, 15)
    assert [found.source(target) for target in range(10, 16)] == [17, 18, 19, 27, 28, 29]
    whole = bytes(range(found.size))
    for first in range(10, found.size):
        for end in range(first, found.size + 1):
            kept = b"".join(bytes(part) for part in found.kept_parts(whole[first:end], first))
            assert kept == bytes(place for place in range(first, end) if place in (17, 18, 19, 27, 28))
    found.extend(found.size + 4)
    assert (found.size, found.final_size, list(found.lengths)) == (33, 19, [LEAST, 3, LEAST, 6])
