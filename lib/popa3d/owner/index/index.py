"""The index of a mailbox: where its messages are, how long they are when sent, and how they are called.

Runs as: the mailbox owner.
Trusts: nobody; it is as true as what it was made from.
"""

from _struct import calcsize, pack, unpack_from  # what the module struct is made of

from ...shared.limits import COPIES
from .unique_id import OCTETS, octets

NONE = memoryview(b"").cast("q")
_SOME = 4096  # messages that are worked on at once: objects take five times the memory of their octets
_NUMBERS = "=6q"
_HEAD = calcsize(_NUMBERS)
COLUMNS = ("start", "content", "end", "octets")

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Index:
    """Where the messages of a mailbox are; all positions and sizes are octets, in arrays with one item a message.

    start: of the "From " line, where the message before it ends with its separator. content, end: what is sent of the
    file. octets: what is sent to the client, line ends counted as CRLF (RFC 1939 section 11). ids: unique_id.OCTETS each.
    hidden: where the content of a message begins that is before all of these, and is nobody's mail; 0 if there is none.
    common: where some messages have the same digest, the ids as they are by that alone; else empty. contents: see copies.py.
    size: what was read of the file. crlf: whether the file's lines end in CRLF. check: a CRC-32 over all that was read.
    saved: for the next login.
    """

    def __init__(self) -> None:
        self.start = self.content = self.end = self.octets = NONE
        self.ids = self.common = self.contents = b""
        self.size = self.hidden = 0
        self.crlf = False
        self.check = 0
        self.saved = False

    def __len__(self) -> int:
        return len(self.start)

    def leave_last(self, check: int) -> None:
        """Be without the last message and what is behind it. check: the CRC-32 over all before it."""
        self.size = self.start[-1]
        self.check = check
        self.saved = False
        for name in COLUMNS:
            setattr(self, name, getattr(self, name)[:-1])
        self.ids = self.ids[:-OCTETS]
        if self.common:
            from . import copies

            self.common = self.common[:-OCTETS]
            self.contents = self.contents[: copies.later_ones(self.common).count(1) * OCTETS]
            if not self.contents:
                self.common = b""

    def knows_copies(self) -> bool:
        """Whether `contents` has all copies. Else their unique-ids cannot be told from it when messages are deleted."""
        return len(self.contents) < COPIES * OCTETS

    def parts(self) -> "Iterator[bytes | memoryview]":
        """All of it but `saved` as octets, for another process of the same machine, or for the next login: see `decode`."""
        yield _head(len(self), self)
        yield from (self.start, self.content, self.end, self.octets, self.ids, self.common, self.contents)


class Builder:
    """An index that grows, message by message: whole ones, in their order, and at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        # The numbers of the last messages, in the order of COLUMNS, and their digests (see unique_id); packed those before.
        self.numbers: list[tuple[int, int, int, int]] = []
        self.digests: list[bytes] = []
        self._packed = (bytearray(), bytearray(), bytearray(), bytearray())
        self._ids = bytearray()

    def __len__(self) -> int:
        return len(self._ids) // OCTETS + len(self.numbers)

    def room(self) -> int:
        """For how many more."""
        return self._most - len(self)

    def noted(self) -> None:
        """Something was appended to `numbers` and `digests`."""
        if len(self.numbers) >= _SOME:
            self._flush()

    def extend(self, columns: tuple[list[int], list[int], list[int], list[int]], digests: list[bytes], place: int) -> None:
        """Some messages more; all positions count from `place`."""
        self._flush()
        for packed, column, first in zip(self._packed, columns, (place, place, place, 0), strict=True):
            packed.extend(pack(f"{len(column)}q", *([first + number for number in column] if first else column)))
        self._ids += octets(b"".join(digests))

    def begin_with(self, known: Index) -> None:
        """Begin with all messages of `known` but the last; it is empty then, as one of the two is enough."""
        last = len(known) - 1
        for packed, name in zip(self._packed, COLUMNS, strict=True):
            packed.extend(getattr(known, name)[:last])
            setattr(known, name, NONE)
        self._ids += (known.common or known.ids)[: last * OCTETS]
        known.ids = known.common = b""

    def finish(self, index: Index) -> None:
        """Put all that was noted into `index`."""
        self._flush()
        index.start, index.content, index.end, index.octets = (memoryview(packed).cast("q") for packed in self._packed)
        index.ids = bytes(self._ids)

    def _flush(self) -> None:
        for packed, noted in zip(self._packed, zip(*self.numbers, strict=True), strict=False):
            packed.extend(pack(f"{len(noted)}q", *noted))
        self._ids += octets(b"".join(self.digests))
        self.numbers.clear()
        self.digests.clear()


class Rest:
    """What an index is without each message i for which deleted[i] is 1: its `parts`, never all of them in memory.

    size, crlf, hidden: as in Index. check: to be told. content: where the content of the first message in the file begins.
    """

    def __init__(self, index: Index, deleted: bytearray) -> None:
        """At least one message is not deleted. index: it `knows_copies`."""
        self._index = index
        self._deleted = deleted
        self._count = deleted.count(0)
        *_, (_, end, gone) = self._spans()
        self.size = (index.start[end] if end < len(index) else index.size) - gone
        first, _, gone = next(self._spans())
        self.hidden = index.hidden
        self.content = index.hidden or index.content[first] - gone
        self.crlf = index.crlf
        self.check = 0
        self.ids = self.common = self.contents = b""
        if index.contents:
            self._resolve()

    def _resolve(self) -> None:
        """Where some messages had the same digest, some of them may have become the first of those."""
        from . import copies

        found = Index()
        found.ids = b"".join(self._column(lambda at, end, _: self._index.common[OCTETS * at : OCTETS * end]))
        contents = {}
        gone = last = 0
        for number, content in copies.known(self._index, len(self._index)).items():
            gone += self._deleted.count(1, last, number)
            last = number
            if not self._deleted[number]:
                contents[number - gone] = content
        # Who is not the first now was not the first before, and is in `contents`, unless somebody has forged the index.
        copies.resolve(found, contents, lambda _: bytes(OCTETS))
        self.ids, self.common, self.contents = found.ids, found.common, found.contents

    def __len__(self) -> int:
        return self._count

    def _spans(self) -> "Iterator[tuple[int, int, int]]":
        """Messages that stay together: the first, the one behind the last, and how many octets are gone before them."""
        index, deleted = self._index, self._deleted
        end = gone = 0
        while (first := deleted.find(0, end)) >= 0:
            gone += index.start[first] - index.start[end]
            end = deleted.find(1, first)
            if end < 0:
                end = len(deleted)
            yield first, end, gone

    def parts(self) -> "Iterator[bytes | memoryview]":
        """As Index.parts."""
        index = self._index
        yield _head(len(self), self)
        for places in (index.start, index.content, index.end):
            yield from self._column(_moved(places))
        yield from self._column(lambda at, end, _: index.octets[at:end].cast("B"))
        if self.ids:
            yield from (self.ids, self.common, self.contents)
        else:
            yield from self._column(lambda at, end, _: index.ids[OCTETS * at : OCTETS * end])

    def _column(self, some: "Callable[[int, int, int], bytes | memoryview]") -> "Iterator[bytes]":
        """What `some` gives for messages that stay: the first, the one behind the last, how many octets are gone before them."""
        found = bytearray()
        for first, last, gone in self._spans():
            for at in range(first, last, _SOME):
                found += some(at, min(at + _SOME, last), gone)
                if len(found) > 8 * _SOME:
                    yield bytes(found)
                    found.clear()
        yield bytes(found)


def _moved(places: memoryview) -> "Callable[[int, int, int], bytes]":
    """For Rest._column: these places, as they are when the octets are gone."""
    return lambda at, end, gone: pack(f"={end - at}q", *[place - gone for place in places[at:end]])


def _head(count: int, index: "Index | Rest") -> bytes:
    return pack(_NUMBERS, count, index.size, index.crlf, index.check, len(index.contents), index.hidden)


def decode(take: "Callable[[int], bytes]", most: int) -> Index | None:
    """The Index of `parts`, or None if that cannot be, or has more than `most` messages. Only the lengths are checked.

    take: gives so many octets, or fewer where they end.
    """
    head = take(_HEAD)
    if len(head) < _HEAD:
        return None
    count, size, crlf, check, contents, hidden = unpack_from(_NUMBERS, head)
    if not (0 <= count <= most and 0 <= contents <= min(count, COPIES) * OCTETS):
        return None
    index = Index()
    index.size, index.crlf, index.check, index.hidden = size, bool(crlf), check, hidden
    for name in COLUMNS:  # each has its own memory, and can be given back by itself
        octets = take(8 * count)
        if len(octets) < 8 * count:
            return None
        setattr(index, name, memoryview(octets).cast("q"))
    index.ids = take(OCTETS * count)
    if contents:
        index.common, index.contents = take(OCTETS * count), take(contents)
    found = len(index.ids), len(index.common), len(index.contents)
    return index if found == (OCTETS * count, OCTETS * count if contents else 0, contents) else None
