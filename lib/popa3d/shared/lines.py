"""Command lines out of a byte stream, however it is split.

Runs as: any uid.
Trusts: nobody; memory is bounded by what one `feed` brings.
"""

from .limits import LINE_OCTETS


class Lines:
    """A byte stream that is taken line by line.

    Lines end in LF or CRLF (C popa3d accepts both; RFC 1939 has CRLF) and come without their end. What exceeds
    LINE_OCTETS in a line is dropped, as in C popa3d. An unfinished line at the end of the stream is no line.
    """

    def __init__(self, ahead: bytes = b"") -> None:
        self._line = b""  # the part of an unfinished line that counts
        self._ahead = ahead

    def feed(self, more: bytes) -> None:
        """Add what was read."""
        self._ahead += more

    def take(self) -> bytes | None:
        """The next whole line, at most LINE_OCTETS long, or None until more is fed."""
        if not self._ahead:
            return None
        end = self._ahead.find(b"\n")
        if end < 0:
            self._line = (self._line + self._ahead[: LINE_OCTETS + 1])[: LINE_OCTETS + 1]
            self._ahead = b""
            return None
        line = self._line + self._ahead[: min(end, LINE_OCTETS + 1)]
        self._line = b""
        self._ahead = self._ahead[end + 1 :]
        return line[:LINE_OCTETS].removesuffix(b"\r")

    def rest(self) -> bytes:
        """All that was fed and not yet taken."""
        return self._line + self._ahead
