"""The unique-id of a message (UIDL, RFC 1939 section 7), the one that C popa3d 1.0.3 gives it (mailbox.c).

It is an MD5 over whole header fields, continuation lines and line ends included, in their order: each Delivered-To and
X-Delivery-ID; the first Received; Date and Message-ID as long as no Received came. Names match without regard to case, but
the X of X-Delivery-ID is upper case.

C popa3d gives all messages without such a field one and the same. Here it is then an MD5 over the whole message, but for
fields that mail programs rewrite. Messages whose digests are equal are told apart when all are known: see copies.py.

Most headers have few fields that count: they are searched for, one by one. One that has many was made to cost time, and is
taken apart as a whole.

Runs as: the mailbox owner.
Trusts: nobody; a header of any size takes constant memory.
"""

import _md5  # hashlib would load OpenSSL at each session's start; MD5 is no secret here, only a name

OCTETS = 8
DIGEST_OCTETS = 16

RECEIVED = b"\nreceived:"
BEFORE_RECEIVED = (b"\ndate:", b"\nmessage-id:")
ALWAYS = (b"\ndelivered-to:", b"\nx-delivery-id:")
UPPER_X = 0x58

_FEW = 8  # fields that count, and lines that continue them, in one header; each takes a third of a microsecond
_WINDOW = 16 * 1024  # octets of a header that are taken apart at once: each field takes some hundred octets of memory


class UniqueId:
    """The unique-id of one message, fed with its header's lines."""

    def __init__(self, octets: int = 0) -> None:
        """octets: so many of the header are kept as `header`."""
        self.header = b""
        self._octets = octets
        self._digest = _md5.md5()
        self._received = False  # the first Received has been seen
        self._inside = False  # the last line belongs to a field that counts
        self._counted = False  # there was one
        self._whole = _md5.md5()  # as long as there was none: all that mail programs do not rewrite
        self._rewritten = False  # the last line belongs to a field that they do

    def lines(self, lines: bytes) -> None:
        """Feed whole header lines, line ends included; only the header's very last one may lack its LF."""
        self._keep(lines)
        at = 0
        while at < len(lines):
            end = len(lines)
            if end - at > _WINDOW:
                end = lines.rfind(b"\n", at, at + _WINDOW) + 1 or lines.find(b"\n", at + _WINDOW) + 1 or end
            self._lines(b"\n" + lines[at:end])
            at = end

    def _keep(self, octets: bytes) -> None:
        if len(self.header) < self._octets:
            self.header += octets[: self._octets - len(self.header)]

    def _lines(self, text: bytes) -> None:
        """The same for lines with an LF before them."""
        few = None if self._inside else _few(text, self._received)
        if few is None:
            from .fields import counted  # for those who have such mail

            few = counted(text, self._received, self._inside)
        octets, self._received, self._inside = few
        self._digest.update(octets)
        self._counted = self._counted or octets != b""
        if not self._counted:
            from .fields import kept  # nearly all mail has a field that counts, and at its beginning

            octets, self._rewritten = kept(text, self._rewritten)
            self._whole.update(octets)

    def piece(self, piece: bytes, first: bool) -> None:
        """Feed a line that is too long to hold, piece by piece; the `first` piece must show the field's name."""
        self._keep(piece)
        if first and piece[:1] not in (b" ", b"\t"):
            from .fields import is_rewritten

            start = b"\n" + piece[:32].lower()
            self._inside = start.startswith(ALWAYS[0]) or (start.startswith(ALWAYS[1]) and piece[0] == UPPER_X)
            if not self._received:
                self._received = start.startswith(RECEIVED)
                self._inside = self._inside or self._received or start.startswith(BEFORE_RECEIVED)
            self._counted = self._counted or self._inside
            self._rewritten = is_rewritten(start)
        if self._inside:
            self._digest.update(piece)
        elif not (self._counted or self._rewritten):
            self._whole.update(piece)

    def body(self, octets: bytes) -> None:
        """Feed what is behind the header, if `counts_body`: the empty line, and the body."""
        self._whole.update(octets)

    def counts_body(self) -> bool:
        """Whether the body is digested, too."""
        return not self._counted

    def digest(self) -> bytes:
        """The digest that `octets` takes the unique-id from."""
        found: bytes = (self._digest if self._counted else self._whole).digest()
        return found


def digest(buffer: bytes, line: int, blank: int, end: int) -> bytes:
    """The digest of a message in one go: its header is between the LFs at `line` and `blank`, and behind it is all to `end`."""
    few = _few(buffer[line : blank + 1], False)
    if few is not None and few[0]:
        found: bytes = _md5.md5(few[0]).digest()
        return found
    unique_id = UniqueId()
    unique_id.lines(buffer[line + 1 : blank + 1])
    if unique_id.counts_body():
        unique_id.body(buffer[blank + 1 : end])
    return unique_id.digest()


def octets(digests: bytes) -> bytes:
    """The unique-ids of messages with these digests, one behind the other: OCTETS octets each, in the order of `texts`."""
    found = bytearray(len(digests) // DIGEST_OCTETS * OCTETS)
    for i in range(OCTETS):
        found[i::OCTETS] = digests[i ^ 3 :: DIGEST_OCTETS]
    return bytes(found)


def _few(text: bytes, received: bool) -> tuple[bytes, bool, bool] | None:
    """What is digested of `text`, lines with an LF before them; None if those are more than _FEW lines.

    received: the first Received has been seen before. The same is returned for what follows, then whether the last field counts.
    """
    find = text.lower().find
    stop = -1
    starts = []
    if not received:
        stop = find(RECEIVED)
        end = len(text)
        if stop >= 0:
            starts.append(stop + 1)
            received = True
            end = stop
        for name in BEFORE_RECEIVED:
            found = find(name, 0, end)
            while found >= 0:
                starts.append(found + 1)
                found = find(name, found + 1, end) if len(starts) <= _FEW else -1
    for name in ALWAYS:
        found = find(name)
        while found >= 0:
            if name is not ALWAYS[1] or text[found + 1] == UPPER_X:
                starts.append(found + 1)
            found = find(name, found + 1) if len(starts) <= _FEW else -1
    if not starts:
        return b"", received, False
    if len(starts) > 1:
        starts.sort()
    pieces = []
    left = _FEW - len(starts)
    end = 0
    for start in starts:
        end = text.find(b"\n", start) + 1
        while left >= 0 and end and text.startswith((b" ", b"\t"), end):
            end = text.find(b"\n", end) + 1
            left -= 1
        end = end or len(text)
        pieces.append(text[start:end])
    return (b"".join(pieces), received, end == len(text)) if left >= 0 else None


def texts(ids: bytes, first: int, end: int) -> list[str]:
    """The unique-ids of messages `first` to before `end`, which is greater, as UIDL prints them: 16 hexadecimal digits."""
    return ids[OCTETS * first : OCTETS * end].hex(" ", OCTETS).split(" ")
