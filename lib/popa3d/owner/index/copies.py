"""Unique-ids for messages that have the same one: copies, and what has the same Message-ID for another reason.

The first one keeps it. Each other gets a digest of it, of its own content, and of how many before it have both in common.
So it keeps its unique-id for as long as one with the same is before it, whatever else is deleted; when it becomes the first
itself, it has the common one, as in C popa3d.

Runs as: the mailbox owner.
Trusts: nobody; who sends messages with equal fields gets unique-ids like anybody else.
"""

import _md5
from _random import Random  # what the module random is made of
from _struct import pack, unpack_from

from ...shared.limits import COPIES, COPY_BODY_OCTETS
from .fields import kept
from .index import Index
from .unique_id import OCTETS

_STEP = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio: multiples of it lie far apart
_AT_ONCE = 128 * 1024  # messages that are compared at once: a set takes a hundred octets for each
_DIFFERENT = 16 * 1024  # or that many different ones, however many messages have them
_PARTS = 8  # more than that take longer than they are worth
_SOME = 4096  # messages that are named at once

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable


def resolve(index: Index, contents: dict[int, bytes], content: "Callable[[int], bytes]") -> None:
    """Give each message a unique-id of its own; index.ids are those of the digests.

    contents: by numbers, from 0, what `content` would say of some messages; see `digest`.
    """
    later = later_ones(index.ids)
    if not later:
        return
    common, ids = index.ids, bytearray(index.ids)
    found: dict[bytes, int] = {}
    kept_contents = bytearray()
    number = later.find(1)
    count = 0
    while number >= 0 and count < COPIES:
        place = OCTETS * number
        own = contents.get(number) or content(number)
        kept_contents += own
        text = common[place : place + OCTETS] + own
        same = found.get(text, 0)
        found[text] = same + 1
        ids[place : place + OCTETS] = _id(text + same.to_bytes(8, "big"))
        count += 1
        number = later.find(1, number + 1)
    if number >= 0:
        _count_up(ids, later, number, count)
    while later := later_ones(ids):  # as good as never
        number = later.find(1)
        while number >= 0:
            place = OCTETS * number
            ids[place : place + OCTETS] = _id(bytes(ids[place : place + OCTETS]))
            number = later.find(1, number + 1)
    index.ids, index.common, index.contents = bytes(ids), common, bytes(kept_contents)


def known(index: Index, before: int) -> dict[int, bytes]:
    """The contents of an index that was resolved, by the numbers of the messages, up to before that one."""
    found: dict[int, bytes] = {}
    if index.contents:
        later = later_ones(index.common)
        number = later.find(1)
        for place in range(0, len(index.contents), OCTETS):
            if not 0 <= number < before:
                break
            found[number] = index.contents[place : place + OCTETS]
            number = later.find(1, number + 1)
    return found


def digest(text: bytes, octets: int, crlf: bool) -> bytes:
    """What tells a message from others: its header but the fields that are rewritten, and its body's beginning and size.

    text: the first COPY_OCTETS of its content, which has `octets` in all.
    """
    text = b"\n" + text
    blank = text.find(b"\n\n")
    other = text.find(b"\n\r\n") if crlf else -1
    blank = other if other >= 0 and not 0 <= blank < other else blank
    end = blank + 1 if blank >= 0 else len(text)
    body = octets + 1 - end if blank >= 0 else 0
    return _id(kept(text[:end], False)[0] + text[end : end + COPY_BODY_OCTETS] + body.to_bytes(8, "big"))


def later_ones(ids: bytes | bytearray) -> bytearray:
    """A 1 for each message whose unique-id one before it has, and a 0 for each other; nothing if there are none."""
    numbers = memoryview(ids).cast("Q")
    count = len(numbers)
    some: set[int] = set()
    at = 0
    while at < count and len(some) <= _DIFFERENT:
        some.update(numbers[at : at + _DIFFERENT])
        at += _DIFFERENT
    if at < count or len(some) > _DIFFERENT:
        del some
        return _in_parts(numbers)
    if len(some) == count:
        return bytearray()
    first = dict(zip(numbers[::-1], range(count - 1, -1, -1), strict=True))  # the last that is said of each counts
    found = bytearray(b"\1") * count
    for i in first.values():
        found[i] = 0
    return found


def _in_parts(numbers: memoryview) -> bytearray:
    """The same for more different ones than can be compared at once."""
    parts = 2
    while parts < _PARTS and len(numbers) > parts * _AT_ONCE:
        parts *= 2
    shift = int(Random().random() * 60)  # who sends mail must not know which unique-ids are compared at once
    last = parts - 1
    if sum(len({number for number in numbers if number >> shift & last == part}) for part in range(parts)) == len(numbers):
        return bytearray()
    found = bytearray(len(numbers))
    for part in range(parts):
        seen: set[int] = set()
        add = seen.add
        for i, number in enumerate(numbers):
            if number >> shift & last == part:
                if number in seen:
                    found[i] = 1
                else:
                    add(number)
    return found


def _count_up(ids: bytearray, later: bytearray, first: int, count: int) -> None:
    """From message `first` on, add a multiple of _STEP to each unique-id that one before has; the first is `count` times it."""
    for at in range(first, len(later), _SOME):
        numbers = unpack_from(f">{min(_SOME, len(later) - at)}Q", ids, OCTETS * at)
        new = []
        for number, is_later in zip(numbers, later[at : at + _SOME], strict=True):
            if is_later:
                new.append(number + count * _STEP & 0xFFFFFFFFFFFFFFFF)
                count += 1
            else:
                new.append(number)
        ids[OCTETS * at : OCTETS * (at + len(new))] = pack(f">{len(new)}Q", *new)


def _id(text: bytes) -> bytes:
    digest: bytes = _md5.md5(text).digest()
    return digest[3::-1] + digest[7:3:-1]
