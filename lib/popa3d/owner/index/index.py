"""The index of a mailbox: where its messages are, how long they are when sent, and what their unique-ids are; how it grows.

Runs as: the mailbox owner.
Trusts: nobody; an index is as right as what it was made from, and the number of messages is bounded.
"""

from _struct import pack  # what the module struct is made of

from ...shared.limits import COPIES
from .unique_id import ID_OCTETS, unique_ids

COLUMNS = ("start", "content", "end", "octets")
EMPTY_COLUMN = memoryview(b"").cast("q")

_ROWS = 4096  # messages that are packed at once: as Python's objects they take five times the memory


class Index:
    """What is known of a mailbox's messages. Offsets and sizes are in octets.

    Columns, one number a message. start: offset of its "From " line; the message before ends there, separator included.
    content, end: the range of the file that is sent. octets: how much that is when sent, as each line end is sent as CRLF
    (RFC 1939 section 11).

    ids: the unique-ids, ID_OCTETS a message. Two more are empty unless some messages have equal digests (see
    copies.py). base_ids: the ids that the digests alone give. copy_digests: ID_OCTETS for each message whose base id an
    earlier one has, in order; of COPIES of them at most.

    hidden: offset of the content of a first message that is no mail (see metadata.py), and so not in the index; 0 if there
    is none. size: how much of the file was read. check: the CRC-32 of that. crlf: whether the file's lines end in CRLF.
    saved: whether the next login will find this index (kept_index.py).
    """

    def __init__(self) -> None:
        self.start = self.content = self.end = self.octets = EMPTY_COLUMN
        self.ids = self.base_ids = self.copy_digests = b""
        self.hidden = 0
        self.size = 0
        self.check = 0
        self.crlf = False
        self.saved = False

    def __len__(self) -> int:
        return len(self.start)

    def drop_last(self, check: int) -> None:
        """Forget the last message and all that follows it. check: the CRC-32 of what is before it."""
        self.size = self.start[-1]
        self.check = check
        self.saved = False
        for name in COLUMNS:
            setattr(self, name, getattr(self, name)[:-1])
        self.ids = self.ids[:-ID_OCTETS]
        if self.base_ids:
            from . import copies

            self.base_ids = self.base_ids[:-ID_OCTETS]
            self.copy_digests = self.copy_digests[: copies.repeats(self.base_ids).count(1) * ID_OCTETS]
            if not self.copy_digests:
                self.base_ids = b""

    def knows_all_copies(self) -> bool:
        """Whether copy_digests has all copies. Otherwise it does not tell the unique-ids that remain after a deletion."""
        return len(self.copy_digests) < COPIES * ID_OCTETS


class Builder:
    """The columns of an index while it is made: it grows by whole messages, in their order.

    rows, digests: of the latest messages, not packed yet.

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
