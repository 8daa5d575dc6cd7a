"""The index of a mailbox: where its messages are, how long they are when sent, and how they are called.

Runs as: the mailbox owner.
Trusts: nobody; it is as true as what it was made from.
"""


class Index:
    """Where the messages of a mailbox are; all positions and sizes are octets, in arrays with one item a message.

    start: of the "From " line, where the message before it ends with its separator. content, end: what is sent of the
    file. octets: what is sent to the client, line ends counted as CRLF (RFC 1939 section 11). ids: unique_id.OCTETS each.
    size: what was read of the file. crlf: whether the file's lines end in CRLF. check: a CRC-32 over all of it.
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

    def next_start(self, i: int) -> int:
        """Where message `i` (from 0) ends with all that belongs to it in the file."""
        return self.start[i + 1] if i + 1 < len(self.start) else self.size
