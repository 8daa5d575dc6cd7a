"""Many short messages at once, in few calls for all of them together; and all messages of CRLF mailboxes.

In Python a call costs as much as a kilobyte, so a mailbox of millions of short messages costs more time than a large one. The
result is that of the parser's states.

Runs as: the mailbox owner.
Trusts: nobody; at most WINDOW octets are taken at once, since each message takes some hundred octets of memory.
"""

from itertools import accumulate

from . import CRLF_SEPARATOR, FROM, LF_SEPARATOR
from .fields import message_digests

WINDOW = 32 * 1024

_CR = 0x0D


class ShortMessages:
    """Consecutive messages of a text. columns: as Builder.extend takes them, with offsets in the text.

    digests: see unique_id.py. size: of all of them together; the next message starts there.
    """

    __slots__ = ("columns", "digests", "size")

    def __init__(self, columns: tuple[list[int], list[int], list[int], list[int]], digests: list[bytes], size: int) -> None:
        self.columns = columns
        self.digests = digests
        self.size = size


def window(data: bytes, start: int, crlf: bool) -> bytes:
    """From the "From " at `start` to the last one within WINDOW octets that starts another message; empty if none does."""
    end = data.rfind(LF_SEPARATOR, start, start + WINDOW) + len(LF_SEPARATOR)
    if crlf:
        end = max(end, data.rfind(CRLF_SEPARATOR, start, start + WINDOW) + len(CRLF_SEPARATOR))
    return data[start:end] if end > start + len(CRLF_SEPARATOR) else b""


def short_messages(text: bytes, crlf: bool, most: int) -> ShortMessages:
    """The messages of a `window`, at most `most`. A message without content, and all that follow, are left out."""
    flat = _with_lf_separators(text) if crlf else text
    nexts = _next_starts(flat)[:most]
    starts = [0, *nexts][: len(nexts)]
    lines = [flat.find(b"\n", start) for start in starts]
    if text.count(b"\nFrom ") > text.count(LF_SEPARATOR) + (text.count(CRLF_SEPARATOR) if crlf else 0):
        empty = next((i for i, line in enumerate(lines) if flat.startswith(FROM, line + 1)), len(lines))
        del starts[empty:], lines[empty:], nexts[empty:]
    blanks = [flat.find(b"\n\n", line) for line in lines]
    contents = [line + 1 for line in lines]
    ends = _ends_crlf(text, blanks, nexts) if crlf else _ends(blanks, nexts)
    octets = _sent_octets(text, contents, ends)
    digests = message_digests(text, lines, blanks, ends)
    return ShortMessages((starts, contents, ends, octets), digests, nexts[-1] if nexts else 0)


def _with_lf_separators(text: bytes) -> bytes:
    """The same text, of the same length, but without the CRs of empty lines: each becomes another LF."""
    return text.replace(CRLF_SEPARATOR, b"\n\n\nFrom ").replace(b"\n\r\n", b"\n\n\n")


def _next_starts(flat: bytes) -> list[int]:
    """Where messages start, but for the first one."""
    octets_between = len(LF_SEPARATOR)
    pieces = flat[len(FROM) :].split(LF_SEPARATOR)[:-1]
    return list(accumulate([len(piece) + octets_between for piece in pieces]))


def _ends(blanks: list[int], nexts: list[int]) -> list[int]:
    """Where contents end, from where headers and messages do. Without a body the empty line is the header's."""
    return [start - 1 if blank < start - 2 else start for blank, start in zip(blanks, nexts, strict=True)]


def _ends_crlf(text: bytes, blanks: list[int], nexts: list[int]) -> list[int]:
    """The same where the separator's empty line may have one octet or two."""
    lasts = [start - 2 if text[start - 2] == _CR else start - 1 for start in nexts]
    return [last if blank + 1 < last else start for last, blank, start in zip(lasts, blanks, nexts, strict=True)]


def _sent_octets(text: bytes, contents: list[int], ends: list[int]) -> list[int]:
    """How many octets each content has when its line ends are CRLF."""
    count = text.count
    sent = [end - content + count(b"\n", content, end) for content, end in zip(contents, ends, strict=True)]
    if b"\r" in text:
        sent = [octets - count(b"\r\n", content, end) for octets, content, end in zip(sent, contents, ends, strict=True)]
    return sent
