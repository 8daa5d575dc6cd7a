"""The fast path of the parser: messages that are whole in one block, as nearly all are.

Their numbers and digests are found without the parser's states, with few calls for each.

Runs as: the mailbox owner.
Trusts: nobody; `data` is bounded by the caller.
"""

from . import FROM, LF_SEPARATOR
from .index import Builder
from .unique_id import message_digest

_SAMPLE = 16  # messages that are looked at one by one
_SHORT = 600  # octets: if those were shorter on the average, dense.py takes the next ones, many at once

_F = FROM[0]


def note_whole_messages(builder: Builder, data: bytes, start: int, offset: int, crlf: bool, has_cr: bool) -> int:
    """Note the messages of `data` from `start` on, up to its last "From " line that ends one.

    offset: that of data[0] in the file. crlf: as in Index. has_cr: whether there is a CR in data. Returns where in data the
    first message starts that was not noted: it is not whole, or has no content, or there is no room for it.
    """
    if crlf:
        return _note_short_ones(builder, data, start, offset, crlf)
    more = True
    while more:
        before = start
        start, more = _note_some(builder, data, start, offset, has_cr)
        if more and start - before < _SAMPLE * _SHORT:
            start = _note_short_ones(builder, data, start, offset, crlf)
    return start


def _note_some(builder: Builder, data: bytes, start: int, offset: int, has_cr: bool) -> tuple[int, bool]:
    """Note up to _SAMPLE messages of an LF mailbox. Returns where the next one starts, and whether it may be noted, too."""
    find, startswith = data.find, data.startswith
    add_row, add_digest = builder.rows.append, builder.digests.append
    room = builder.room()
    more = room > _SAMPLE
    for _ in range(min(room, _SAMPLE)):
        line_end = find(b"\n", start)
        header_end = find(b"\n\n", line_end)
        # Three octets are found three times as fast as all, and are nearly always a separator; not in mail made to harm.
        separator = find(b"\n\nF", header_end)
        if data[separator + 3 : separator + 7] != b"rom ":
            separator = find(LF_SEPARATOR, separator)
        content = line_end + 1
        if separator < 0 or (data[content] == _F and startswith(FROM, content)):
            more = False
            break
        end = separator + 1 if header_end < separator else separator + 2  # without a body the empty line is the header's
        text = data[content:end]
        if has_cr:
            text = text.replace(b"\r\n", b"\n")
        octets = len(text.replace(b"\n", b"\r\n"))
        add_row((offset + start, offset + content, offset + end, octets))
        add_digest(message_digest(data, line_end, header_end, end))
        start = separator + 2
    builder.pack_if_many()
    return start, more


def _note_short_ones(builder: Builder, data: bytes, start: int, offset: int, crlf: bool) -> int:
    """Note all whole messages at once, window by window. Returns where the next one starts."""
    from .dense import short_messages, window  # for those who have such mail

    while text := window(data, start, crlf):
        messages = short_messages(text, crlf, builder.room())
        builder.extend(messages.columns, messages.digests, offset + start)
        start += messages.size
        if not messages.size:
            break
    return start
