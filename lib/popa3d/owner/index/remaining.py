"""The index after some messages were deleted, for the next login. It is made block by block, never held as a whole.

Runs as: the mailbox owner.
Trusts: nobody; if the index was forged, so is what remains of it.
"""

from _struct import pack  # what the module struct is made of

from .index import Index
from .packing import packed_head
from .unique_id import ID_OCTETS

_NUMBERS = 4096  # that are worked on at once: as Python's objects they take five times the memory
_BLOCK_OCTETS = 8 * _NUMBERS

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # A column of the messages first to end - 1, before which `removed` octets were removed from the file.
    Column = Callable[[int, int, int], bytes | memoryview]


class Remaining:
    """The index without each message i for which deleted[i] is 1.

    size, crlf, hidden: as in Index. check: the caller sets it, before `packed`. content: where the file's first message
    has its content now, hidden or not.
    """

    def __init__(self, index: Index, deleted: bytearray) -> None:
        """At least one message must remain, and `index.knows_all_copies()` be true."""
        self._index = index
        self._deleted = deleted
        self._count = deleted.count(0)
        first = deleted.find(0)
        self.size = index.start[0] + sum([self._start(end) - self._start(run) for run, end, _ in self._runs()])
        self.crlf = index.crlf
        self.check = 0
        self.hidden = index.hidden
        self.content = index.hidden or index.content[first] - (index.start[first] - index.start[0])
        self.ids = self.base_ids = self.copy_digests = b""
        if index.copy_digests:
            self._make_unique()

    def __len__(self) -> int:
        return self._count

    def packed(self) -> "Iterator[bytes | memoryview]":
        """As packing.packed."""
        index = self._index
        yield packed_head(self)
        for offsets in (index.start, index.content, index.end):
            yield from self._blocks(_moved(offsets))
        yield from self._blocks(lambda first, end, _: index.octets[first:end].cast("B"))
        if self.ids:
            yield from (self.ids, self.base_ids, self.copy_digests)
        else:
            yield from self._blocks(_ids(index.ids))

    def _start(self, number: int) -> int:
        """Where the message starts, or where the file ends if there is no such message."""
        return self._index.start[number] if number < len(self._index) else self._index.size

    def _runs(self) -> "Iterator[tuple[int, int, int]]":
        """Messages that remain side by side, as (first, end, removed): see Column."""
        before = removed = 0
        for first, end in kept_runs(self._deleted):
            removed += self._start(first) - self._start(before)
            before = end
            yield first, end, removed

    def _blocks(self, column: "Column") -> "Iterator[bytes]":
        """A column of all messages that remain."""
        block = bytearray()
        for run, run_end, removed in self._runs():
            for first in range(run, run_end, _NUMBERS):
                block += column(first, min(first + _NUMBERS, run_end), removed)
                if len(block) > _BLOCK_OCTETS:
                    yield bytes(block)
                    block.clear()
        yield bytes(block)

    def _make_unique(self) -> None:
        """Find the unique-ids where some messages had equal digests: a copy may be the first with its digest now."""
        from . import copies

        remaining = Index()
        remaining.ids = b"".join(self._blocks(_ids(self._index.base_ids)))
        # A message that is a copy now was one before, so its digest is known, unless somebody has forged the index.
        copies.make_unique(remaining, digests_of_copies(self._index, self._deleted), lambda _: bytes(ID_OCTETS))
        self.ids, self.base_ids, self.copy_digests = remaining.ids, remaining.base_ids, remaining.copy_digests


def kept_runs(deleted: bytearray) -> "Iterator[tuple[int, int]]":
    """Messages that remain side by side, as (first, end), where deleted[i] is 0 for each message i that remains."""
    end = 0
    while (first := deleted.find(0, end)) >= 0:
        end = deleted.find(1, first)
        if end < 0:
            end = len(deleted)
        yield first, end


def digests_of_copies(index: Index, deleted: bytearray) -> dict[int, bytes]:
    """The digests that an index has of copies that remain, by the numbers that the messages will have then."""
    from . import copies

    digests = {}
    before = deleted_before = 0
    for number, digest in copies.known_digests(index, len(index)).items():
        deleted_before += deleted.count(1, before, number)
        before = number
        if not deleted[number]:
            digests[number - deleted_before] = digest
    return digests


def _moved(offsets: memoryview) -> "Column":
    """These offsets, as they are after the removal."""
    return lambda first, end, removed: pack(f"={end - first}q", *[offset - removed for offset in offsets[first:end]])


def _ids(ids: bytes) -> "Column":
    return lambda first, end, _: ids[ID_OCTETS * first : ID_OCTETS * end]
