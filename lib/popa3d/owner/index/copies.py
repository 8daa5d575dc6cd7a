"""Unique-ids for messages whose digests are equal: copies of one message, and messages with one Message-ID for another reason.

The first of them keeps the unique-id that the digest gives. Each later one gets an MD5 over three things: that unique-id, a
digest of its own content, and the number of earlier messages that share both. So a later message keeps its unique-id, whatever
else is deleted, until it is itself the first; then it gets the one that C popa3d gives it.

Runs as: the mailbox owner.
Trusts: nobody; whoever sends messages with equal fields gets unique-ids like anybody else.
"""

import _md5
from _random import Random  # what the module random is made of
from _struct import pack, unpack_from
from itertools import islice

from ...shared.limits import COPIES, COPY_BODY_OCTETS
from .fields import without_rewritten
from .index import Index
from .unique_id import ID_OCTETS

_STEP = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio: multiples of it lie far apart
_ALL_IDS = 1 << 64
_IDS = 4096  # that are worked on at once: as Python's objects they take five times the memory

# A set takes a hundred octets a member, so it gets little more than _DIFFERENT ids. If there are more, they are compared in
# several rounds, of some _PART_IDS each; but of more where that would take more than _PARTS rounds, which would be too slow.
_DIFFERENT = 16 * 1024
_PART_IDS = 128 * 1024
_PARTS = 8
_ID_BITS = 60  # the bits that tell the round begin at one of these

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def make_unique(index: Index, known: dict[int, bytes], digest_of: "Callable[[int], bytes]") -> None:
    """Give each message a unique-id of its own. Before, index.ids are those that the digests alone give.

    digest_of: returns a message's `content_digest` by its number, from 0. known: those that are known already.
    """
    later = repeats(index.ids)
    if not later:
        return
    base_ids, ids = index.ids, bytearray(index.ids)
    digests = bytearray()
    equals: dict[bytes, int] = {}  # how many copies so far have this base id and content
    numbers = _numbers(later)
    for number in islice(numbers, COPIES):
        own = slice(ID_OCTETS * number, ID_OCTETS * (number + 1))
        digest = known.get(number) or digest_of(number)
        digests += digest
        copy = base_ids[own] + digest
        before = equals.get(copy, 0)
        equals[copy] = before + 1
        ids[own] = _id(copy + before.to_bytes(8, "big"))
    beyond = next(numbers, None)
    if beyond is not None:
        _count_up(ids, later, beyond)
    _replace_equal_ids(ids)
    index.ids, index.base_ids, index.copy_digests = bytes(ids), base_ids, bytes(digests)


def known_digests(index: Index, end: int) -> dict[int, bytes]:
    """The content digests that an index has of messages 0 to end - 1, by number, after `make_unique`."""
    digests: dict[int, bytes] = {}
    if index.copy_digests:
        numbers = _numbers(repeats(index.base_ids))
        for number, first in zip(numbers, range(0, len(index.copy_digests), ID_OCTETS), strict=False):
            if number >= end:
                break
            digests[number] = index.copy_digests[first : first + ID_OCTETS]
    return digests


def content_digest(text: bytes, octets: int, crlf: bool) -> bytes:
    """What tells a message from others: its header without rewritten fields, the beginning of its body, and the body's size.

    text: the first COPY_OCTETS of the message's content, which has `octets` in all.
    """
    text = b"\n" + text
    blank = text.find(b"\n\n")
    crlf_blank = text.find(b"\n\r\n") if crlf else -1
    if crlf_blank >= 0 and not 0 <= blank < crlf_blank:
        blank = crlf_blank
    end = blank + 1 if blank >= 0 else len(text)  # of the header
    body_octets = octets + 1 - end if blank >= 0 else 0
    header = without_rewritten(text[:end], False)[0]
    return _id(header + text[end : end + COPY_BODY_OCTETS] + body_octets.to_bytes(8, "big"))


def repeats(ids: bytes | bytearray) -> bytearray:
    """A 1 for each message whose unique-id an earlier one has, and a 0 for each other; empty if all are different."""
    values = memoryview(ids).cast("Q")
    different = _count_different(values)
    if different > _DIFFERENT:
        return _repeats_in_parts(values)
    if different == len(values):
        return bytearray()
    # Read backwards, the last number that is noted for a value is that of the first message with it.
    first = dict(zip(values[::-1], range(len(values) - 1, -1, -1), strict=True))
    later = bytearray(b"\1") * len(values)
    for number in first.values():
        later[number] = 0
    return later


def _count_different(values: memoryview) -> int:
    """How many different values there are; some number above _DIFFERENT if there are more than that."""
    different: set[int] = set()
    for first in range(0, len(values), _DIFFERENT):
        different.update(values[first : first + _DIFFERENT])
        if len(different) > _DIFFERENT:
            break
    return len(different)


def _repeats_in_parts(values: memoryview) -> bytearray:
    """As `repeats`, in several rounds: a few bits of each value tell in which one it is looked at."""
    parts = 2
    while parts < _PARTS and len(values) > parts * _PART_IDS:
        parts *= 2
    shift = int(Random().random() * _ID_BITS)  # senders must not know which unique-ids meet in one round
    mask = parts - 1
    different = sum([len({value for value in values if value >> shift & mask == part}) for part in range(parts)])
    if different == len(values):
        return bytearray()
    later = bytearray(len(values))
    for part in range(parts):
        seen: set[int] = set()
        add = seen.add
        for number, value in enumerate(values):
            if value >> shift & mask == part:
                if value in seen:
                    later[number] = 1
                else:
                    add(value)
    return later


def _count_up(ids: bytearray, later: bytearray, first: int) -> None:
    """Add a multiple of _STEP to each unique-id from message `first` on that an earlier one has: COPIES times it, and so on."""
    count = COPIES
    for start in range(first, len(later), _IDS):
        values = unpack_from(f">{min(_IDS, len(later) - start)}Q", ids, ID_OCTETS * start)
        numbered = []
        for value, is_later in zip(values, later[start : start + _IDS], strict=True):
            if is_later:
                numbered.append((value + count * _STEP) % _ALL_IDS)
                count += 1
            else:
                numbered.append(value)
        ids[ID_OCTETS * start : ID_OCTETS * (start + len(numbered))] = pack(f">{len(numbered)}Q", *numbered)


def _replace_equal_ids(ids: bytearray) -> None:
    """Where an id is by chance that of another message, too, replace it, until all are different."""
    while later := repeats(ids):
        for number in _numbers(later):
            own = slice(ID_OCTETS * number, ID_OCTETS * (number + 1))
            ids[own] = _id(bytes(ids[own]))


def _numbers(later: bytearray) -> "Iterator[int]":
    """The numbers of the messages that have a 1."""
    number = later.find(1)
    while number >= 0:
        yield number
        number = later.find(1, number + 1)


def _id(text: bytes) -> bytes:
    """As unique_id.unique_ids makes it of one digest."""
    digest: bytes = _md5.md5(text).digest()
    return digest[3::-1] + digest[7:3:-1]
