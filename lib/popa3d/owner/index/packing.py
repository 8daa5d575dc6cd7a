"""An index as octets: for the next login (kept_index.py), or from another process of this session (halves.py).

A head of six numbers, then the columns, the unique-ids, and what there is about copies: all in the machine's byte order.

Runs as: the mailbox owner.
Trusts: nobody; only lengths are checked here, which bound the memory.
"""

from _struct import calcsize, pack, unpack_from  # what the module struct is made of

from ...shared.limits import COPIES
from .index import COLUMNS, Index
from .unique_id import ID_OCTETS

_HEAD = "=6q"  # messages, size, crlf, check, octets of copy_digests, hidden
_HEAD_OCTETS = calcsize(_HEAD)
_NUMBER_OCTETS = 8

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .remaining import Remaining

    Read = Callable[[int], bytes]


def packed(index: Index) -> "Iterator[bytes | memoryview]":
    """All of an index but `saved`, block by block."""
    yield packed_head(index)
    yield from (index.start, index.content, index.end, index.octets, index.ids, index.base_ids, index.copy_digests)


def packed_head(index: "Index | Remaining") -> bytes:
    """What is in front of the columns."""
    return pack(_HEAD, len(index), index.size, index.crlf, index.check, len(index.copy_digests), index.hidden)


def unpacked(read: "Read", max_messages: int) -> Index | None:
    """The index that was packed, or None if it has wrong lengths or more than `max_messages`. Its numbers are not checked.

    read: returns the next octets, as many as it is asked for; fewer at the end.
    """
    head = read(_HEAD_OCTETS)
    if len(head) < _HEAD_OCTETS:
        return None
    count, size, crlf, check, digests_octets, hidden = unpack_from(_HEAD, head)
    ids_octets = count * ID_OCTETS
    if not (0 <= count <= max_messages and 0 <= digests_octets <= min(ids_octets, COPIES * ID_OCTETS) and crlf in (0, 1)):
        return None
    index = Index()
    index.size, index.crlf, index.check, index.hidden = size, bool(crlf), check, hidden
    for name in COLUMNS:  # each in memory of its own, so that each can be freed by itself
        column = read(count * _NUMBER_OCTETS)
        if len(column) < count * _NUMBER_OCTETS:
            return None
        setattr(index, name, memoryview(column).cast("q"))
    index.ids = read(ids_octets)
    if digests_octets:
        index.base_ids, index.copy_digests = read(ids_octets), read(digests_octets)
    expected = (ids_octets, ids_octets if digests_octets else 0, digests_octets)
    return index if (len(index.ids), len(index.base_ids), len(index.copy_digests)) == expected else None
