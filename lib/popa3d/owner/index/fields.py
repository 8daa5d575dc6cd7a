"""The header fields that matter for the unique-id, all of a text at once: for long headers, and for many short messages.

What unique_id.py does field by field takes too long where a mailbox was made to cost time. Fields are found in a flat copy of
the text: of the same length, but in lower case, and with each field in one line.

A field that may count is one number here: four times its offset in the text, plus its kind. So fields sort by their offsets.

Runs as: the mailbox owner.
Trusts: nobody; the text is bounded by the caller, since each field takes some hundred octets of memory.
"""

import _md5
from itertools import accumulate

from .unique_id import BEFORE_RECEIVED, DELIVERED_TO, RECEIVED, UPPER_X, X_DELIVERY_ID

_LOWER = bytes(range(256)).lower().replace(b"\t", b" ")  # for bytes.translate: lower case, and a blank for a tab

# Kinds, in the two lowest bits of a field's number. One that is 0 counts always, the others only up to the first Received.
_BEFORE_RECEIVED, _RECEIVED = 1, 2
_KIND = _BEFORE_RECEIVED | _RECEIVED

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
    """The fields of `text` that count, joined; then whether a Received came, and whether the last line belongs to one of these.

    text: header lines with an LF before them. after_received, in_field: the same two for the text before it.
    """
    flat = _flat(text)
    end = len(text)
    pieces = []
    if in_field:
        stop = flat.find(b"\n") + 1 or end
        pieces.append(text[1:stop])
        in_field = stop == end
    for field in _id_fields(text, flat):
        if not (after_received and field & _KIND):
            start = field >> 2
            stop = flat.find(b"\n", start) + 1 or end
            pieces.append(text[start:stop])
            in_field = stop == end
            after_received = after_received or field & _KIND == _RECEIVED
    return b"".join(pieces), after_received, in_field


def without_rewritten(text: bytes, in_rewritten: bool) -> tuple[bytes, bool]:
    """Header lines without the fields that mail programs rewrite; then whether the last line belongs to such a field.

    text: with an LF before it, which is not returned. in_rewritten: the same for the text before it.
    """
    if not in_rewritten:
        lower = text.lower()
        if not any(name in lower for name in _REWRITTEN):
            return text[1:], False
    flat = _flat(text)
    end = len(text)
    start = flat.find(b"\n") + 1 or end if in_rewritten else 1
    pieces = []
    for offset in _rewritten_fields(flat):
        pieces.append(text[start:offset])
        start = flat.find(b"\n", offset) + 1 or end
    pieces.append(text[start:])
    return b"".join(pieces), start == end


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
        _add_whole_digests(digests, text, flat, lines, blanks, ends)
    return digests


def _field_digests(text: bytes, flat: bytes, lines: list[int], blanks: list[int]) -> list[bytes]:
    """The same, but empty for each message without a field that counts."""
    fields = _id_fields(text, flat)
    if not fields:
        return [b""] * len(lines)
    fields.append(4 * len(text))
    find, md5 = flat.find, _md5.md5
    digests = []
    i = 0
    field = fields[0]
    for line, blank in zip(lines, blanks, strict=True):
        while field < 4 * line:  # in the body before
            i += 1
            field = fields[i]
        if field > 4 * blank:
            digests.append(b"")
            continue
        pieces = []
        start = stop = field >> 2  # of a piece, which is one or several consecutive fields
        uncounted = 0  # the kinds that do not count any more
        while field < 4 * blank:
            if not field & uncounted:
                offset = field >> 2
                if offset != stop:
                    pieces.append(text[start:stop])
                    start = offset
                stop = find(b"\n", offset) + 1
                if field & _RECEIVED:
                    uncounted = _KIND
            i += 1
            field = fields[i]
        pieces.append(text[start:stop])
        digests.append(md5(b"".join(pieces)).digest())
    return digests


def _add_whole_digests(
    digests: list[bytes], text: bytes, flat: bytes, lines: list[int], blanks: list[int], ends: list[int]
) -> None:
    """Where a digest is empty, make it of the whole message, without the fields that mail programs rewrite."""
    rewritten = [*_rewritten_fields(flat), len(text)]
    find, md5 = flat.find, _md5.md5
    i = 0
    for number, (line, blank, end) in enumerate(zip(lines, blanks, ends, strict=True)):
        if digests[number]:
            continue
        while rewritten[i] < line:  # not in this header
            i += 1
        pieces = []
        start = line + 1
        while rewritten[i] < blank:
            pieces.append(text[start : rewritten[i]])
            start = find(b"\n", rewritten[i]) + 1
            i += 1
        pieces.append(text[start:end])
        digests[number] = md5(b"".join(pieces)).digest()


def _flat(text: bytes) -> bytes:
    """The text in lower case, each octet in its place, and with blanks for the line ends within a field."""
    return text.translate(_LOWER).replace(b"\n ", b"  ")


def _offsets(flat: bytes, name: bytes) -> list[int]:
    """Where the fields with this name start."""
    octets = len(name)
    return [end - octets + 1 for end in accumulate([len(piece) + octets for piece in flat.split(name)[:-1]])]


def _id_fields(text: bytes, flat: bytes) -> list[int]:
    """All fields that may count for the unique-id, in order: four times the offset, plus the kind."""
    fields = [4 * offset + _RECEIVED for offset in _offsets(flat, RECEIVED)]
    for name in BEFORE_RECEIVED:
        fields += [4 * offset + _BEFORE_RECEIVED for offset in _offsets(flat, name)]
    fields += [4 * offset for offset in _offsets(flat, DELIVERED_TO)]
    fields += [4 * offset for offset in _offsets(flat, X_DELIVERY_ID) if text[offset] == UPPER_X]
    fields.sort()
    return fields


def _rewritten_fields(flat: bytes) -> list[int]:
    """Where the fields start that mail programs rewrite, in order."""
    return sorted([offset for name in _REWRITTEN for offset in _offsets(flat, name)])
