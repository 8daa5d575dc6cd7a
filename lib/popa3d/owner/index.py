"""The index of a mailbox: where its messages are, how long they are when sent, and how they are called.

Runs as: the mailbox owner.
Trusts: nobody; it is as true as what it was made from.
"""

from _struct import calcsize, pack, unpack_from  # what the module struct is made of

from .unique_id import OCTETS

_SOME = 4096  # messages that are worked on at once: numbers take more memory than their octets
_NUMBERS = "=4q"
_HEAD = calcsize(_NUMBERS)
_COLUMNS = 4 * 8
ENTRY_OCTETS = _COLUMNS + OCTETS  # what `encode` has of a message


class Index:
    """Where the messages of a mailbox are; all positions and sizes are octets, in arrays with one item a message.

    start: of the "From " line, where the message before it ends with its separator. content, end: what is sent of the
    file. octets: what is sent to the client, line ends counted as CRLF (RFC 1939 section 11). ids: unique_id.OCTETS each.
    size: what was read of the file. crlf: whether the file's lines end in CRLF. check: a CRC-32 over all that was read.
    saved: for the next login.
    """

    def __init__(self) -> None:
        self.start = self.content = self.end = self.octets = memoryview(b"").cast("q")
        self.ids = b""
        self.size = 0
        self.crlf = False
        self.check = 0
        self.saved = False

    def __len__(self) -> int:
        return len(self.start)

    def encode(self) -> bytes:
        """All of it but `saved` as octets, for another process of the same machine."""
        head = pack(_NUMBERS, len(self), self.size, self.crlf, self.check)
        return b"".join((head, self.start, self.content, self.end, self.octets, self.ids))


def without(index: Index, deleted: bytearray) -> Index:
    """The index of the mailbox without each message i for which deleted[i] is 1; but for `check`, which is not known."""
    found = Index()
    columns = (bytearray(), bytearray(), bytearray(), bytearray())
    ids = []
    gone = 0  # octets
    i = 0
    while i < len(index):
        first, is_gone = i, deleted[i]
        i = deleted.find(0 if is_gone else 1, i)
        if i < 0:
            i = len(index)
        if is_gone:
            gone += (index.start[i] if i < len(index) else index.size) - index.start[first]
            continue
        for column, known in zip(columns[:3], (index.start, index.content, index.end), strict=True):
            for some in (known[at : min(at + _SOME, i)] for at in range(first, i, _SOME)):
                column.extend(pack(f"={len(some)}q", *[place - gone for place in some]))
        columns[3].extend(index.octets[first:i].cast("B"))
        ids.append(index.ids[OCTETS * first : OCTETS * i])
    found.start, found.content, found.end, found.octets = (memoryview(column).cast("q") for column in columns)
    found.ids = b"".join(ids)
    found.size = index.size - gone
    found.crlf = index.crlf
    return found


def decode(octets: memoryview) -> Index | None:
    """What Index.encode made, or None if that cannot be. Only the length is checked."""
    if len(octets) < _HEAD:
        return None
    count, size, crlf, check = unpack_from(_NUMBERS, octets)
    columns = _HEAD + _COLUMNS * count
    if count < 0 or len(octets) != columns + OCTETS * count:
        return None
    index = Index()
    index.size, index.crlf, index.check = size, bool(crlf), check
    numbers = octets[_HEAD:columns].cast("q")
    index.start, index.content, index.end, index.octets = (numbers[i * count : (i + 1) * count] for i in range(4))
    index.ids = bytes(octets[columns:])
    return index
