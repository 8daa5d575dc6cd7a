"""The unique-id of a message (UIDL, RFC 1939 section 7), the one that C popa3d 1.0.3 gives it (mailbox.c).

It is an MD5 over whole header fields, continuation lines and line ends included, in their order: each Delivered-To and
X-Delivery-ID; the first Received; Date and Message-ID as long as no Received came. Names match without regard to case, but
the X of X-Delivery-ID is upper case.

Runs as: the mailbox owner.
Trusts: nobody; a header of any size takes constant memory.
"""

import _md5  # hashlib would load OpenSSL at each session's start; MD5 is no secret here, only a name

OCTETS = 8

_RECEIVED = b"\nreceived:"
_BEFORE_RECEIVED = (b"\ndate:", b"\nmessage-id:")
_ALWAYS = (b"\ndelivered-to:", b"\nx-delivery-id:")


class UniqueId:
    """The unique-id of one message, fed with its header's lines."""

    def __init__(self) -> None:
        self._digest = _md5.md5()
        self._received = False  # the first Received has been seen
        self._inside = False  # the last line belongs to a field that counts

    def lines(self, lines: bytes) -> None:
        """Feed whole header lines, line ends included; only the header's very last one may lack its LF."""
        text = b"\n" + lines
        starts, received = _fields(text, self._received)
        self._received = self._received or received
        if self._inside:
            starts.insert(0, 0)  # folded lines may come first
        self._inside = False
        for start in starts:
            end = _field_end(text, start)
            self._digest.update(text[max(start, 1) : end])
            self._inside = self._inside or end == len(text)

    def piece(self, piece: bytes, first: bool) -> None:
        """Feed a line that is too long to hold, piece by piece; the `first` piece must show the field's name."""
        if first and piece[:1] not in (b" ", b"\t"):
            start = b"\n" + piece[:32].lower()
            self._inside = start.startswith(_ALWAYS[0]) or (start.startswith(_ALWAYS[1]) and piece[:1] == b"X")
            if not self._received:
                self._received = start.startswith(_RECEIVED)
                self._inside = self._inside or self._received or start.startswith(_BEFORE_RECEIVED)
        if self._inside:
            self._digest.update(piece)

    def octets(self) -> bytes:
        """The unique-id: OCTETS octets, in the order in which `texts` prints them."""
        return _octets(self._digest.digest())


def unique_id(text: bytes) -> bytes:
    """The unique-id of a message with this whole header, which has an LF before it, in one go."""
    starts, _ = _fields(text, False)
    return _octets(_md5.md5(b"".join([text[start : _field_end(text, start)] for start in starts])).digest())


def _octets(digest: bytes) -> bytes:
    return digest[3::-1] + digest[7:3:-1]


def _fields(text: bytes, received: bool) -> tuple[list[int], bool]:
    """Where in `text`, lines with an LF before them, the fields start that count, in their order; whether Received is there.

    received: it has been seen before.
    """
    find = text.lower().find
    starts = []
    stop = -1
    if not received:
        stop = find(_RECEIVED)
        end = len(text)
        if stop >= 0:
            starts.append(stop + 1)
            end = stop
        for name in _BEFORE_RECEIVED:
            found = find(name, 0, end)
            while found >= 0:
                starts.append(found + 1)
                found = find(name, found + 1, end)
    for name in _ALWAYS:
        found = find(name)
        while found >= 0:
            if name is not _ALWAYS[1] or text[found + 1] == 0x58:
                starts.append(found + 1)
            found = find(name, found + 1)
    if len(starts) > 1:
        starts.sort()
    return starts, stop >= 0


def _field_end(text: bytes, start: int) -> int:
    """Where the field that starts at `start` ends: behind its last folded line. `start` 0 means: only folded lines."""
    end = text.find(b"\n", start) + 1
    while end and text.startswith((b" ", b"\t"), end):
        end = text.find(b"\n", end) + 1
    return end or len(text)


def texts(ids: bytes, first: int, end: int) -> list[str]:
    """The unique-ids of messages `first` to before `end`, which is greater, as UIDL prints them: 16 hexadecimal digits."""
    return ids[OCTETS * first : OCTETS * end].hex(" ", OCTETS).split(" ")
