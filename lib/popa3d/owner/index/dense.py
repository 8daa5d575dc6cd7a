"""Many short messages at once: what the parser's steps would say of them, with a few calls for all of them together.

A mailbox of millions of them is made to cost time, since a call costs as much as a kilobyte. Also for all mailboxes with
CRLF line ends.

Runs as: the mailbox owner.
Trusts: nobody; the octets are at most WINDOW at once, since each message takes some hundred octets of memory.
"""

from itertools import accumulate

from .fields import digests

WINDOW = 32 * 1024

_FROM = b"From "
_LF = b"\n\nFrom "
_CRLF = b"\n\r\nFrom "
_CR = 0x0D


class Dense:
    """Whole messages that lie behind each other, as the columns of an index: their places are in `text`.

    start, content, end, octets: as in Index. digests: see unique_id. next: where the message behind them starts.
    """

    def __init__(self, text: bytes, crlf: bool, most: int) -> None:
        """At most `most` messages; fewer if one has no content, which comes next then. `text`: see `window`."""
        flat = text
        if crlf:  # as many octets, each in its place, but each first empty line and each separator as in an LF mailbox
            flat = text.replace(_CRLF, b"\n\n\nFrom ").replace(b"\n\r\n", b"\n\n\n")
        find, count = flat.find, text.count
        gaps = len(_LF)
        nexts = list(accumulate([len(piece) + gaps for piece in flat[len(_FROM) :].split(_LF)[:-1]]))[:most]
        start = [0, *nexts]
        self.next = start.pop()
        lines = [find(b"\n", place) for place in start]
        if count(b"\nFrom ") > count(_LF) + (count(_CRLF) if crlf else 0):
            bad = next((i for i, line in enumerate(lines) if flat.startswith(_FROM, line + 1)), -1)
            if bad >= 0:
                self.next = start[bad]
                del start[bad:], lines[bad:], nexts[bad:]
        blanks = [find(b"\n\n", line) for line in lines]
        self.start = start
        self.content = [line + 1 for line in lines]
        # The empty line of a header without a body is not the separator's.
        if crlf:
            empty = [place - 2 if text[place - 2] == _CR else place - 1 for place in nexts]
            self.end = [here if blank + 1 < here else place for here, blank, place in zip(empty, blanks, nexts, strict=True)]
        else:
            self.end = [place - 1 if blank < place - 2 else place for blank, place in zip(blanks, nexts, strict=True)]
        spans = list(zip(self.content, self.end, strict=True))
        self.octets = [end - content + count(b"\n", content, end) for content, end in spans]
        if b"\r" in text:
            self.octets = [
                octets - count(b"\r\n", content, end) for octets, (content, end) in zip(self.octets, spans, strict=True)
            ]
        self.digests = digests(text, lines, blanks, self.end)


def window(buffer: bytes, place: int, crlf: bool) -> bytes:
    """From the "From " that is at `place` to the last one within WINDOW octets that starts another message; or nothing."""
    end = buffer.rfind(_LF, place, place + WINDOW) + len(_LF)
    if crlf:
        end = max(end, buffer.rfind(_CRLF, place, place + WINDOW) + len(_CRLF))
    return buffer[place:end] if end > place + len(_CRLF) else b""
