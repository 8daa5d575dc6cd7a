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
        """ahead: the start of the stream, which another process has read."""
        self._line = b""  # the kept part of an unfinished line
        self._buffer = ahead  # what was fed behind it

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._buffer += data

    def take(self) -> bytes | None:
        """The next whole line, at most LINE_OCTETS long, or None until more is fed."""
        if not self._buffer:
            return None
        length = self._buffer.find(b"\n")
        if length < 0:
            # One octet more than a line has, since a CR there may belong to the line end.
            self._line = (self._line + self._buffer[: LINE_OCTETS + 1])[: LINE_OCTETS + 1]
            self._buffer = b""
            return None
        line = self._line + self._buffer[: min(length, LINE_OCTETS + 1)]
        self._line = b""
        self._buffer = self._buffer[length + 1 :]
        return line[:LINE_OCTETS].removesuffix(b"\r")

    def ahead(self) -> bytes:
        """What was fed and not yet taken, for the process that goes on."""
        return self._line + self._buffer
