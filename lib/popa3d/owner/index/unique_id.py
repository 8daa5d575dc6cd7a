"""The unique-id of a message (UIDL, RFC 1939 section 7): the one that C popa3d 1.0.3 gives it (mailbox.c).

It comes from an MD5 over some header fields, in their order, whole lines with the lines that continue them: each Delivered-To
and X-Delivery-ID; the first Received; and each Date and Message-ID before that. Case does not matter in names, but the X of
X-Delivery-ID must be upper case.

A message without any of these fields would have the same unique-id as all others of its kind in C popa3d. Here its MD5 is over
the whole message, but for the fields that mail programs rewrite. Messages with equal digests are told apart once all are
known: see copies.py.

Most headers have a Received, and no more than one Delivered-To, before it: few calls find these. Of other fields that count
most headers have few; they are searched for one by one. A header with many was made to cost time; it is taken apart as a whole
by fields.py.

Runs as: the mailbox owner.
Trusts: nobody; a header of any size takes constant memory.
"""

import _md5  # hashlib would load OpenSSL at each session's start; MD5 is no secret here, only a name

ID_OCTETS = 8
DIGEST_OCTETS = 16

# Fields that count for the unique-id, with the LF before them.
RECEIVED = b"\nreceived:"
DATE = b"\ndate:"
MESSAGE_ID = b"\nmessage-id:"
BEFORE_RECEIVED = (DATE, MESSAGE_ID)
DELIVERED_TO = b"\ndelivered-to:"
X_DELIVERY_ID = b"\nx-delivery-id:"
UPPER_X = 0x58

_FEW = 8  # fields that count and lines that continue them in one header; each takes a third of a microsecond
_WINDOW = 16 * 1024  # octets of a header that are taken apart at once: each field takes some hundred octets of memory
_NAME_OCTETS = 32  # no name that matters is longer
_BLANKS = (0x20, 0x09)  # one of these begins a line that continues a field


class MessageDigest:
    """The digest of one message, which is fed part by part: the header's lines and pieces, then the body if it counts."""

    def __init__(self, kept_octets: int = 0) -> None:
        """kept_octets: how much of the header is kept as `header`."""
        self.header = b""
        self._kept_octets = kept_octets
        self._of_fields = _md5.md5()
        self._has_fields = False  # there was one that counts
        self._after_received = False  # the first Received came
        self._in_field = False  # the last line belongs to a field that counts
        self._of_whole = _md5.md5()  # as long as no field counts: all that mail programs do not rewrite
        self._in_rewritten = False  # the last line belongs to a field that they rewrite

    def add_lines(self, lines: bytes) -> None:
        """Add whole header lines, line ends included; only the header's very last one may lack its LF."""
        self._keep(lines)
        start = 0
        while start < len(lines):
            end = len(lines)
            if end - start > _WINDOW:
                end = lines.rfind(b"\n", start, start + _WINDOW) + 1 or lines.find(b"\n", start + _WINDOW) + 1 or end
            self._add(b"\n" + lines[start:end])
            start = end

    def _keep(self, data: bytes) -> None:
        if len(self.header) < self._kept_octets:
            self.header += data[: self._kept_octets - len(self.header)]

    def _add(self, text: bytes) -> None:
        """Add header lines with an LF before them."""
        counting = None if self._in_field else _few_fields(text, text.lower(), self._after_received)
        if counting is None:
            from .fields import all_fields  # for those who have such mail

            counting = all_fields(text, self._after_received, self._in_field)
        data, self._after_received, self._in_field = counting
        self._of_fields.update(data)
        self._has_fields = self._has_fields or data != b""
        if not self._has_fields:
            from .fields import without_rewritten  # nearly all mail has a field that counts at its beginning

            data, self._in_rewritten = without_rewritten(text, self._in_rewritten)
            self._of_whole.update(data)

    def add_piece(self, piece: bytes, first: bool) -> None:
        """Add a piece of a line that is too long to hold; the `first` one of a line must show the field's name."""
        self._keep(piece)
        if first and piece[:1] not in (b" ", b"\t"):
            from .fields import is_rewritten

            name = b"\n" + piece[:_NAME_OCTETS].lower()
            self._in_field = name.startswith(DELIVERED_TO) or (name.startswith(X_DELIVERY_ID) and piece[0] == UPPER_X)
            if not self._after_received:
                self._after_received = name.startswith(RECEIVED)
                self._in_field = self._in_field or self._after_received or name.startswith(BEFORE_RECEIVED)
            self._has_fields = self._has_fields or self._in_field
            self._in_rewritten = is_rewritten(name)
        if self._in_field:
            self._of_fields.update(piece)
        elif not (self._has_fields or self._in_rewritten):
            self._of_whole.update(piece)

    def counts_body(self) -> bool:
        """Whether the body counts, too: no field does, as far as the header is known."""
        return not self._has_fields

    def add_body(self, data: bytes) -> None:
        """Add what follows the header, if `counts_body`: the empty line, and the body."""
        self._of_whole.update(data)

    def digest(self) -> bytes:
        """The digest of all that was added, for `unique_ids`."""
        digest: bytes = (self._of_fields if self._has_fields else self._of_whole).digest()
        return digest


def message_digest(data: bytes, line_end: int, header_end: int, end: int) -> bytes:
    """The digest of a message that is in `data` as a whole, up to `end`.

    line_end, header_end: where the LF of its "From " line is, and that of its header's last line.
    """
    text = data[line_end : header_end + 1]
    lower = text.lower()
    fields = _usual_fields(text, lower)
    if not fields:
        counting = _few_fields(text, lower, False)
        fields = b"" if counting is None else counting[0]
    if fields:
        digest: bytes = _md5.md5(fields).digest()
        return digest
    whole = MessageDigest()
    whole.add_lines(data[line_end + 1 : header_end + 1])
    if whole.counts_body():
        whole.add_body(data[header_end + 1 : end])
    return whole.digest()


def unique_ids(digests: bytes) -> bytes:
    """The unique-ids of messages with these digests, ID_OCTETS each, in the same order.

    C popa3d prints the first two 32-bit words of a digest as numbers of a little-endian machine. So each word's octets
    are reversed here, and `texts` prints them in order.
    """
    ids = bytearray(len(digests) // DIGEST_OCTETS * ID_OCTETS)
    for i in range(ID_OCTETS):
        ids[i::ID_OCTETS] = digests[i ^ 3 :: DIGEST_OCTETS]
    return bytes(ids)


def texts(ids: bytes, first: int, end: int) -> list[str]:
    """The unique-ids of messages first to end - 1 (one at least) as UIDL prints them: 16 hexadecimal digits."""
    return ids[ID_OCTETS * first : ID_OCTETS * end].hex(" ", ID_OCTETS).split(" ")


def _usual_fields(text: bytes, lower: bytes) -> bytes:
    """The fields of a header that count, joined, if they are a Received and at most one Delivered-To of one line before it.

    Empty if they are not. text: the header with an LF before it; lower: the same in lower case. This is done for nearly each
    message, so that each call counts; those of partition, split and replace take half as long as those of find and `in`.
    """
    before, received, _ = lower.partition(RECEIVED)
    if not received or before.replace(DATE, b"").replace(MESSAGE_ID, b"") != before:
        return b""
    delivered_to = lower.split(DELIVERED_TO, 2)
    if lower.replace(X_DELIVERY_ID, b"") != lower:
        return b""
    start = end = len(before) + 1
    lines = text[start:].split(b"\n", _FEW)
    end += len(lines[0]) + 1
    for line in lines[1:]:
        if not line or line[0] not in _BLANKS:
            break
        end += len(line) + 1
    else:
        return b""
    if len(delivered_to) == 1:
        return text[start:end]
    first = len(delivered_to[0]) + 1
    if len(delivered_to) > 2 or first > start:
        return b""
    line, _, rest = text[first:start].partition(b"\n")
    if not rest:
        return text[first:end]  # side by side
    return b"" if rest[0] in _BLANKS else line + b"\n" + text[start:end]


def _few_fields(text: bytes, lower: bytes, after_received: bool) -> tuple[bytes, bool, bool] | None:
    """The fields of `text` that count, joined; then whether a Received came, and whether the last line belongs to one of these.

    text: header lines with an LF before them; lower: the same in lower case. after_received: whether a Received came before.
    None if there are too many.
    """
    starts, after_received = _field_starts(text, lower, after_received)
    if not starts:
        return b"", after_received, False
    left = _FEW - len(starts)
    if left < 0:
        return None
    find, startswith = text.find, text.startswith
    pieces = []
    end = 0
    for start in starts:
        end = find(b"\n", start) + 1
        while left >= 0 and end and startswith((b" ", b"\t"), end):
            end = find(b"\n", end) + 1
            left -= 1
        end = end or len(text)
        pieces.append(text[start:end])
    return (b"".join(pieces), after_received, end == len(text)) if left >= 0 else None


def _field_starts(text: bytes, lower: bytes, after_received: bool) -> tuple[list[int], bool]:
    """Where fields that count start, in order, and whether a Received came. More than _FEW may be not all of them."""
    find = lower.find
    starts = []
    if not after_received:
        received = find(RECEIVED)
        end = len(text)
        if received >= 0:
            starts.append(received + 1)
            after_received = True
            end = received
        for name in BEFORE_RECEIVED:
            lf = find(name, 0, end)
            while lf >= 0:
                starts.append(lf + 1)
                lf = find(name, lf + 1, end) if len(starts) <= _FEW else -1
    lf = find(DELIVERED_TO)
    while lf >= 0:
        starts.append(lf + 1)
        lf = find(DELIVERED_TO, lf + 1) if len(starts) <= _FEW else -1
    lf = find(X_DELIVERY_ID)
    while lf >= 0:
        if text[lf + 1] == UPPER_X:
            starts.append(lf + 1)
        lf = find(X_DELIVERY_ID, lf + 1) if len(starts) <= _FEW else -1
    if len(starts) > 1:
        starts.sort()
    return starts, after_received
