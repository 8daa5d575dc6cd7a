"""Header fields that count for the unique-id, all of a text at once: for headers that have many, and for many short messages.

What unique_id.py does one by one takes too long where a mailbox was made to cost time. And what counts where none of these
fields is there: all that mail programs do not rewrite.

Runs as: the mailbox owner.
Trusts: nobody; the text is bounded by the caller, since each field takes some hundred octets of memory.
"""

import _md5
from itertools import accumulate

from .unique_id import ALWAYS, BEFORE_RECEIVED, RECEIVED, UPPER_X

# For bytes.translate: upper case becomes lower case, and a tab a blank.
_FLAT = bytes(range(256)).lower().replace(b"\t", b" ")

_BEFORE_KIND, _RECEIVED_KIND = 1, 2  # of a field, in the two lowest bits of its number; 0 counts always

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


def _flat(text: bytes) -> bytes:
    """As many octets, each in its place: but the names in lower case, and a field with its folded lines in one line."""
    return text.translate(_FLAT).replace(b"\n ", b"  ")


def _places(flat: bytes, name: bytes) -> list[int]:
    """Where fields with this name start."""
    size = len(name)
    return [end - size + 1 for end in accumulate([len(piece) + size for piece in flat.split(name)[:-1]])]


def _fields(text: bytes, flat: bytes) -> list[int]:
    """All fields that may count: four times where each starts, and its kind, in their order."""
    fields = [4 * place + _RECEIVED_KIND for place in _places(flat, RECEIVED)]
    for name in BEFORE_RECEIVED:
        fields += [4 * place + _BEFORE_KIND for place in _places(flat, name)]
    fields += [4 * place for place in _places(flat, ALWAYS[0])]
    fields += [4 * place for place in _places(flat, ALWAYS[1]) if text[place] == UPPER_X]
    fields.sort()
    return fields


def counted(text: bytes, received: bool, inside: bool) -> tuple[bytes, bool, bool]:
    """What is digested of `text`, header lines with an LF before them; then what is true of the lines that follow.

    received: the first Received has been seen. inside: the last field counts.
    """
    flat = _flat(text)
    end = len(text)
    stop = flat.find(b"\n") + 1 or end  # behind folded lines, if there are any
    pieces = [text[1:stop]] if inside else []
    inside = inside and stop == end
    for field in _fields(text, flat):
        if not received or not field & 3:
            place = field >> 2
            stop = flat.find(b"\n", place) + 1 or end
            pieces.append(text[place:stop])
            inside = stop == end
            received = received or field & 3 == _RECEIVED_KIND
    return b"".join(pieces), received, inside


def _rewritten(flat: bytes) -> list[int]:
    return sorted([place for name in _REWRITTEN for place in _places(flat, name)])


def kept(text: bytes, inside: bool) -> tuple[bytes, bool]:
    """Header lines with an LF before them, but without that and the fields that mail programs rewrite.

    inside: the last field before is such a one. The same is returned for what follows.
    """
    if not inside:
        low = text.lower()
        if not any(name in low for name in _REWRITTEN):
            return text[1:], False
    flat = _flat(text)
    end = len(text)
    at = flat.find(b"\n") + 1 or end if inside else 1
    inside = inside and at == end
    pieces = []
    for place in _rewritten(flat):
        pieces.append(text[at:place])
        at = flat.find(b"\n", place) + 1 or end
        inside = at == end
    pieces.append(text[at:])
    return b"".join(pieces), inside


def is_rewritten(start: bytes) -> bool:
    """Whether a field is one that mail programs rewrite, by its line's first octets in lower case, an LF before them."""
    return start.startswith(_REWRITTEN)


def digests(text: bytes, lines: list[int], blanks: list[int], ends: list[int]) -> list[bytes]:
    """The digests of many messages in one text: each header is between the LF at lines[i] and the one at blanks[i]."""
    flat = _flat(text)
    found = _counted_digests(text, flat, lines, blanks)
    if b"" in found:
        rewritten = _rewritten(flat)
        rewritten.append(len(text))
        find, md5 = flat.find, _md5.md5
        i = 0
        for number, (line, blank, end) in enumerate(zip(lines, blanks, ends, strict=True)):
            if found[number]:
                continue
            while rewritten[i] < line:
                i += 1
            if rewritten[i] > blank:
                found[number] = md5(text[line + 1 : end]).digest()
                continue
            pieces = []
            at = line + 1
            while rewritten[i] < blank:
                pieces.append(text[at : rewritten[i]])
                at = find(b"\n", rewritten[i]) + 1
                i += 1
            pieces.append(text[at:end])
            found[number] = md5(b"".join(pieces)).digest()
    return found


def _counted_digests(text: bytes, flat: bytes, lines: list[int], blanks: list[int]) -> list[bytes]:
    """The same, but nothing for messages without a field that counts."""
    fields = _fields(text, flat)
    if not fields:
        return [b""] * len(lines)
    fields.append(4 * len(text))
    find, md5 = flat.find, _md5.md5
    found = []
    i = 0
    field = fields[0]
    for line, blank in zip(lines, blanks, strict=True):
        while field < 4 * line:  # in a body
            i += 1
            field = fields[i]
        end = 4 * blank
        if field > end:
            found.append(b"")
            continue
        pieces = []
        start = stop = field >> 2
        skipped = 0
        while field < end:
            if not field & skipped:
                place = field >> 2
                if place != stop:
                    pieces.append(text[start:stop])
                    start = place
                stop = find(b"\n", place) + 1
                if field & _RECEIVED_KIND:
                    skipped = _BEFORE_KIND | _RECEIVED_KIND
            i += 1
            field = fields[i]
        pieces.append(text[start:stop])
        found.append(md5(b"".join(pieces)).digest())
    return found
