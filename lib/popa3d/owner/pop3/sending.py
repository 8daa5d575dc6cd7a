"""A message on its way out: the mailbox's octets as RFC 1939 section 3 wants them sent.

Runs as: the mailbox owner.
Trusts: nobody; blocks of any content, split anywhere.
"""

from ...shared.limits import SPLIT_DOTS


class Sender:
    """Turns a message's blocks into what the client reads: lines end in CRLF, a leading dot is doubled.

    A line may end in LF or CRLF in the mailbox; any other CR is an octet like others. `done` is true when no further block
    can add anything.
    """

    def __init__(self, body_lines: int = -1) -> None:
        """body_lines: how many lines behind the header's empty line are sent (TOP); -1 for all of them (RETR)."""
        self.done = False
        self._lines_left = body_lines
        self._in_header = body_lines >= 0
        self._at_line_start = True
        self._held_cr = b""  # the CR at the end of a block, until it is known what follows

    def encode(self, block: bytes) -> bytes:
        """What the client gets for the next block."""
        if self._held_cr or b"\r" in block:
            block = (self._held_cr + block).replace(b"\r\n", b"\n")
            self._held_cr = b""
            if block.endswith(b"\r"):
                self._held_cr, block = b"\r", block[:-1]
        if self._lines_left >= 0:
            block = self._cut(block)
        if not block:
            return b""
        first_dot = b"." if self._at_line_start and block.startswith(b".") else b""
        self._at_line_start = block.endswith(b"\n")
        block = block.replace(b"\n", b"\r\n")
        pieces = block.rsplit(b"\r\n.", SPLIT_DOTS)  # backwards it takes half the time, by three octets a third
        if len(pieces) > SPLIT_DOTS:  # pieces take memory; replace, which looks at all of it twice, does not
            return first_dot + block.replace(b"\r\n.", b"\r\n..")
        return first_dot + b"\r\n..".join(pieces)

    def finish(self) -> bytes:
        """What the client gets behind the last block: the end of an unfinished line, if there is one."""
        held, self._held_cr = self._held_cr, b""
        if not held and self._at_line_start:
            return b""
        self._at_line_start = True
        return held + b"\r\n"

    def _cut(self, block: bytes) -> bytes:
        """The part of a block (with LF line ends) that TOP sends: all, or the start of it if its last line ends here."""
        offset = 0
        if self._in_header:
            offset = self._header_length(block)
            if not offset:
                return block
            self._in_header = False
        lines = block.count(b"\n", offset)
        if lines < self._lines_left:
            self._lines_left -= lines
            return block
        for _ in range(self._lines_left):
            offset = block.find(b"\n", offset) + 1
        self._lines_left = 0
        self._held_cr = b""
        self.done = True
        return block[:offset]

    def _header_length(self, block: bytes) -> int:
        """The offset behind the empty line that ends the header, or 0 if that is not in the block."""
        if self._at_line_start and block.startswith(b"\n"):
            return 1
        empty_line = block.find(b"\n\n")
        return empty_line + 2 if empty_line >= 0 else 0
