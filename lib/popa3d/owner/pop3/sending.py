"""A message on its way out: the mailbox's octets as RFC 1939 section 3 wants them sent.

Runs as: the mailbox owner.
Trusts: nobody; blocks of any content, split anywhere.
"""

_FEW = 64


class Sender:
    """Turns a message's blocks into octets for the client: lines end in CRLF, a leading dot is doubled.

    A line may end in LF or CRLF in the mailbox; any other CR is an octet like others. body_lines: how many lines behind
    the header's empty line to send (TOP), or -1 for all of them. `done` is true when no further block can add anything.
    """

    def __init__(self, body_lines: int = -1) -> None:
        self.done = False
        self._left = body_lines
        self._header = body_lines >= 0
        self._line_start = True
        self._held = b""  # a CR, until it is known what follows

    def block(self, block: bytes) -> bytes:
        """What the client gets for the next block."""
        if self._held or b"\r" in block:
            block = (self._held + block).replace(b"\r\n", b"\n")
            self._held = b""
            if block.endswith(b"\r"):
                self._held, block = b"\r", block[:-1]
        if self._left >= 0:
            block = self._top(block)
        if not block:
            return b""
        start = b"." if self._line_start and block.startswith(b".") else b""
        self._line_start = block.endswith(b"\n")
        block = block.replace(b"\n", b"\r\n")
        pieces = block.rsplit(b"\r\n.", _FEW)  # backwards it takes half the time, by three octets a third
        if len(pieces) > _FEW:  # pieces take memory; replace, which looks at all of it twice, does not
            return start + block.replace(b"\r\n.", b"\r\n..")
        return start + b"\r\n..".join(pieces)

    def end(self) -> bytes:
        """What the client gets behind the last block: the end of an unfinished line, if there is one."""
        held, self._held = self._held, b""
        if not held and self._line_start:
            return b""
        self._line_start = True
        return held + b"\r\n"

    def _top(self, block: bytes) -> bytes:
        """The part of a block (with LF line ends) that TOP sends."""
        at = 0
        if self._header:
            if self._line_start and block.startswith(b"\n"):
                at = 1
            else:
                at = block.find(b"\n\n") + 2
                if at == 1:
                    return block
            self._header = False
        lines = block.count(b"\n", at)
        if lines < self._left:
            self._left -= lines
            return block
        while self._left and at < len(block):
            at = block.find(b"\n", at) + 1
            if not at:
                return block
            self._left -= 1
        self.done = not self._left
        if self.done:
            self._held = b""
        return block[:at]
