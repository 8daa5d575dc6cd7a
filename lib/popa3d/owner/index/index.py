"""The index of a mailbox: where its messages are, how long they are when sent, and what their unique-ids are.

Runs as: the mailbox owner.
Trusts: nobody; an index is as right as what it was made from.
"""

from ...shared.limits import COPIES
from .unique_id import ID_OCTETS

COLUMNS = ("start", "content", "end", "octets")
EMPTY_COLUMN = memoryview(b"").cast("q")


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
