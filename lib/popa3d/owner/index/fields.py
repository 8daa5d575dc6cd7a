"""The header fields that matter for the unique-id, all of a text at once: for long headers, and for many short messages.

What unique_id.py does field by field takes too long where a mailbox was made to cost time. Fields are found in a flat copy of
the text: of the same length, but in lower case, and with each field in one line.

Fields are handled as numbers here: four times a field's offset in the text, plus its kind. So they sort by their offsets.

Runs as: the mailbox owner.
Trusts: nobody; the text is bounded by the caller, since each field takes some hundred octets of memory.
"""

import _md5
from itertools import accumulate

from .unique_id import BEFORE_RECEIVED, DELIVERED_TO, RECEIVED, UPPER_X, X_DELIVERY_ID

_LOWER = bytes(range(256)).lower().replace(b"\t", b" ")  # for bytes.translate: lower case, and a blank for a tab

_ALWAYS, _BEFORE_RECEIVED, _RECEIVED = range(3)  # when a field counts: its kind
_KIND = 3  # the bits that tell it
_LAST = 1 << 62  # behind all fields

# What mail programs write into a mailbox while its messages lie there: flags, numbers, and sizes.
_REWRITTEN = (
    b"\nstatus:",
    b"\nx-status:",
    b"\nx-keywords:",
    b"\nx-uid:",
    b"\nx-uidl:",
    b"\nx-imap:",
    b"\nx-imapbase:",
    b"\nx-mozilla-status:",
    b"\nx-mozilla-status2:",
    b"\nx-mozilla-keys:",
    b"\ncontent-length:",
    b"\nlines:",
)


def all_fields(text: bytes, after_received: bool, in_field: bool) -> tuple[bytes, bool, bool]:
    """The fields of `text` that count, one behind the other; then whether a Received came, and whether the last one may go on.

    text: header lines with an LF before them. after_received, in_field: the same two of what is before the text.
    """
    flat = _flat(text)
    end = len(text)
    pieces = []
    if in_field:
        stop = flat.find(b"\n") + 1 or end
        pieces.append(text[1:stop])
        in_field = stop == end
    for field in _id_fields(text, flat):
        kind = field & _KIND
        if kind == _ALWAYS or not after_received:
            start = field >> 2
            stop = flat.find(b"\n", start) + 1 or end
            pieces.append(text[start:stop])
            in_field = stop == end
            after_received = after_received or kind == _RECEIVED
    return b"".join(pieces), after_received, in_field


def without_rewritten(text: bytes, in_rewritten: bool) -> tuple[bytes, bool]:
    """Header lines without the fields that mail programs rewrite; then whether the last of these may go on.

    text: with an LF before it, which is not returned. in_rewritten: whether what is before the text ended in such a field.
    """
    if not in_rewritten:
        lower = text.lower()
        if not any(name in lower for name in _REWRITTEN):
            return text[1:], False
    flat = _flat(text)
    end = len(text)
    start = flat.find(b"\n") + 1 or end if in_rewritten else 1
    data, stop = _without(text, flat, _rewritten_fields(flat), start, end)
    return data, stop == end


def is_rewritten(name: bytes) -> bool:
    """Whether mail programs rewrite a field. name: its line's first octets in lower case, with an LF before them."""
    return name.startswith(_REWRITTEN)


def message_digests(text: bytes, lines: list[int], blanks: list[int], ends: list[int]) -> list[bytes]:
    """The digests of many messages in one text, as unique_id.message_digest returns them.

    lines, blanks: where the LFs of the "From " lines are, and those before the headers' empty lines. ends: of the messages.
    """
    flat = _flat(text)
    digests = _field_digests(text, flat, lines, blanks)
    if b"" in digests:
        fields = [*_rewritten_fields(flat), _LAST]
        i = 0
        for number, (line, blank, end) in enumerate(zip(lines, blanks, ends, strict=True)):
            if digests[number]:
                continue
            while fields[i] < 4 * line:  # not in this header
                i += 1
            first = i
            while fields[i] < 4 * blank:
                i += 1
            data = _without(text, flat, fields[first:i], line + 1, end)[0] if i > first else text[line + 1 : end]
            digests[number] = _md5.md5(data).digest()
    return digests


def _field_digests(text: bytes, flat: bytes, lines: list[int], blanks: list[int]) -> list[bytes]:
    """The same, but empty for each message without a field that counts."""
    fields = _id_fields(text, flat)
    if not fields:
        return [b""] * len(lines)
    fields.append(_LAST)
    find, md5 = flat.find, _md5.md5
    digests = []
    i = 0
    for line, blank in zip(lines, blanks, strict=True):
        while fields[i] < 4 * line:  # in the body before
            i += 1
        pieces = []
        after_received = False
        while (field := fields[i]) < 4 * blank:
            kind = field & _KIND
            if kind == _ALWAYS or not after_received:
                start = field >> 2
                pieces.append(text[start : find(b"\n", start) + 1])
                after_received = after_received or kind == _RECEIVED
            i += 1
        digests.append(md5(b"".join(pieces)).digest() if pieces else b"")
    return digests


def _flat(text: bytes) -> bytes:
    """The text in lower case, each octet in its place, and with blanks for the line ends within a field."""
    return text.translate(_LOWER).replace(b"\n ", b"  ")


def _fields(flat: bytes, name: bytes, kind: int = 0) -> list[int]:
    """The fields with this name, in order."""
    size = len(name)
    return [4 * (end - size + 1) + kind for end in accumulate([len(piece) + size for piece in flat.split(name)[:-1]])]


def _id_fields(text: bytes, flat: bytes) -> list[int]:
    """All fields that may count for the unique-id, in order."""
    fields = _fields(flat, RECEIVED, _RECEIVED)
    for name in BEFORE_RECEIVED:
        fields += _fields(flat, name, _BEFORE_RECEIVED)
    fields += _fields(flat, DELIVERED_TO, _ALWAYS)
    fields += [field for field in _fields(flat, X_DELIVERY_ID, _ALWAYS) if text[field >> 2] == UPPER_X]
    fields.sort()
    return fields


def _rewritten_fields(flat: bytes) -> list[int]:
    """All fields that mail programs rewrite, in order."""
    return sorted([field for name in _REWRITTEN for field in _fields(flat, name)])


def _without(text: bytes, flat: bytes, fields: list[int], start: int, end: int) -> tuple[bytes, int]:
    """The text from `start` to `end` without these fields; then where the last of them ends, or `start`."""
    pieces = []
    for field in fields:
        pieces.append(text[start : field >> 2])
        start = flat.find(b"\n", field >> 2) + 1 or len(text)
    return b"".join(pieces) + text[start:end], start
