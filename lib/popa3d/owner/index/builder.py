"""An index while it is made: it grows by whole messages, in their order.

Runs as: the mailbox owner.
Trusts: nobody; the number of messages is bounded.
"""

from _struct import pack  # what the module struct is made of

from .index import COLUMNS, EMPTY_COLUMN, Index
from .unique_id import ID_OCTETS, unique_ids

_ROWS = 4096  # messages that are packed at once: as Python's objects they take five times the memory


class Builder:
    """The columns of an index. rows, digests: of the latest messages, not packed yet.

    A row is (start, content, end, octets), as in Index; for digests see unique_id.py. Append to both, then call `pack_if_many`.
    (A method that appends would cost a call a message.)
    """

    def __init__(self, max_messages: int) -> None:
        self.rows: list[tuple[int, int, int, int]] = []
        self.digests: list[bytes] = []
        self._max_messages = max_messages
        self._columns = (bytearray(), bytearray(), bytearray(), bytearray())
        self._ids = bytearray()

    def __len__(self) -> int:
        return len(self._ids) // ID_OCTETS + len(self.rows)

    def room(self) -> int:
        """For how many more messages there is room."""
        return self._max_messages - len(self)

    def pack_if_many(self) -> None:
        """Keep memory small: messages were appended to `rows` and `digests`."""
        if len(self.rows) >= _ROWS:
            self._pack()

    def extend(self, columns: tuple[list[int], list[int], list[int], list[int]], digests: list[bytes], offset: int) -> None:
        """Add many messages at once. `columns` are in the order of COLUMNS, with offsets that count from `offset`."""
        self._pack()
        for packed, column, base in zip(self._columns, columns, (offset, offset, offset, 0), strict=True):
            packed.extend(pack(f"{len(column)}q", *([base + number for number in column] if base else column)))
        self._ids += unique_ids(b"".join(digests))

    def take_all_but_last(self, known: Index) -> None:
        """Begin with the messages of `known`, but not its last one. `known` is emptied: its memory is needed."""
        last = len(known) - 1
        for packed, name in zip(self._columns, COLUMNS, strict=True):
            packed.extend(getattr(known, name)[:last])
            setattr(known, name, EMPTY_COLUMN)
        self._ids += (known.base_ids or known.ids)[: last * ID_OCTETS]
        known.ids = known.base_ids = b""

    def complete(self, index: Index) -> None:
        """Put all messages into `index`."""
        self._pack()
        index.start, index.content, index.end, index.octets = (memoryview(packed).cast("q") for packed in self._columns)
        index.ids = bytes(self._ids)

    def _pack(self) -> None:
        for packed, column in zip(self._columns, zip(*self.rows, strict=True), strict=False):
            packed.extend(pack(f"{len(column)}q", *column))
        self._ids += unique_ids(b"".join(self.digests))
        self.rows.clear()
        self.digests.clear()
