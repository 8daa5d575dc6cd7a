"""Command lines out of a byte stream, however it is split.

Runs as: any uid.
Trusts: nobody; memory is bounded by what one `feed` brings.
"""

from .limits import AUTH_LINE_OCTETS

# What is kept of a line: the longest that may be, one octet more to show that it is too long, and a CR, which may belong to
# the line end.
_KEPT_OCTETS = AUTH_LINE_OCTETS + 2


class Lines:
    """A byte stream that is taken line by line.

    Lines end in LF or CRLF (C popa3d accepts both; RFC 1939 has CRLF) and come without their end. A line that is longer than
    AUTH_LINE_OCTETS still is when it comes, but may have lost its end. An unfinished line at the end of the stream is no line.
    """

    def __init__(self, ahead: bytes = b"") -> None:
        """ahead: the start of the stream, which another process has read."""
        self._line = b""  # the kept part of an unfinished line
        self._buffer = ahead  # what was fed behind it

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._buffer += data

    def take(self) -> bytes | None:
        """The next whole line, or None until more is fed."""
        if not self._buffer:
            return None
        length = self._buffer.find(b"\n")
        if length < 0:
            self._line = (self._line + self._buffer[:_KEPT_OCTETS])[:_KEPT_OCTETS]
            self._buffer = b""
            return None
        line = (self._line + self._buffer[: min(length, _KEPT_OCTETS)])[:_KEPT_OCTETS]
        self._line = b""
        self._buffer = self._buffer[length + 1 :]
        return line.removesuffix(b"\r")

    def ahead(self) -> bytes:
        """What was fed and not yet taken, for the process that goes on."""
        return self._line + self._buffer
