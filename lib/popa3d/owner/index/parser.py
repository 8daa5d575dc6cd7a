"""The mbox format, as C popa3d 1.0.3 reads it (mailbox.c): octets in, an index of messages out.

A message starts at a line "From " that is first in the file or follows an empty line. That line is not part of it. One
empty line before the next "From " line, or at the end of the file, belongs to the separator if the message has a body.

Two things C popa3d does not read, but people have: empty lines before the first "From " line, and mailboxes whose lines
end in CRLF throughout (the first one tells). In any mailbox a CRLF is one line end where octets are counted.

Runs as: the mailbox owner.
Trusts: nobody; memory is bounded by the block size and some octets a message, whatever the lines' lengths.
"""

from zlib import crc32

from ...shared.limits import HEADER_LINE_OCTETS
from .index import Builder, Index
from .unique_id import UniqueId, digest

_FROM = b"From "
MESSAGE_OCTETS = len(b"From \nX")  # the shortest there is

# What the parser is in the middle of.
_PREAMBLE, _SEPARATOR, _CONTENT, _HEADER, _LONG_LINE, _BODY = range(6)

_SAMPLE = 16  # messages, after which it is seen
_SHORT = 600  # whether they have fewer octets than this, on the average: then more are taken at once (dense.py)
SUBJECT = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"
_LOOK_BACK = 3  # octets before the current place that are still looked at: an empty line and the LF before it


class Parser:
    """Builds an Index from a mailbox that is fed block by block. `refused` says why it cannot be one, or is empty."""

    def __init__(self, max_messages: int) -> None:
        self.index = Index()
        self.refused = ""
        self.begun = False  # the first message has been found
        self._whole = Builder(max_messages)  # the index of the whole messages so far
        self._crlf_known = False
        self._buffer = b""
        self._first = True  # the file's first message is not whole yet
        self._cr = False  # there is one in _buffer
        self._base = 0  # the place in the file of _buffer[0]
        self._at = 0  # the current place in _buffer: what is before it is done with
        self._state = _PREAMBLE
        self._start = self._text = 0  # the places in the file of the message that comes next, or is not whole yet
        self._id = UniqueId()
        self._growth = 0  # octets that the message's lines so far grow by when sent
        self._blank = 0  # the place in the file of the empty line that ended the header
        # Each step goes on in its state as far as the buffer reaches, and says whether another step can be taken.
        self._steps = (self._preamble, self._separator, self._content, self._header, self._long_line, self._body)

    def feed(self, block: bytes) -> None:
        """Go on with the next block of the file, of any size."""
        done = max(0, self._at - _LOOK_BACK)
        self._base += done
        self._at -= done
        self._buffer = self._buffer[done:] + block
        self._cr = b"\r" in self._buffer
        self.index.size += len(block)
        self.index.check = crc32(block, self.index.check)
        while not self.refused and self._steps[self._state]():
            pass

    def begin_at(self, place: int) -> None:
        """Begin with a message of an LF mailbox that starts there; the CRC is only over what is fed."""
        self.index.size = self._base = place
        self._crlf_known = True
        self._first = False

    def go_on(self, known: Index, check: int) -> None:
        """Begin with a mailbox that is `known` (then empty) up to its last message, which comes next. check: up to there."""
        last = known.start[len(known) - 1]
        self.index.crlf = known.crlf
        self.index.size = self._base = last
        self.index.check = check
        self.index.hidden = known.hidden
        self._crlf_known = True
        self._first = False
        self._whole.begin_with(known)

    def finish(self) -> None:
        """The file ends here."""
        buffer, end = self._buffer, len(self._buffer)
        if self.refused:
            return
        if self._state == _PREAMBLE:
            if self._at < end:
                self.refused = 'does not start with "From "'
            return
        if self._state == _SEPARATOR or (self._state == _CONTENT and self._at == end):
            self.refused = "has a message without content"
            return
        if self._state in (_CONTENT, _HEADER):
            self._lines(end)
        elif self._state == _BODY:
            empty = 1 if buffer.endswith(b"\n\n") else 2 if self.index.crlf and buffer.endswith(b"\n\r\n") else 0
            if self._base + end - empty > self._blank:
                end -= empty
        self._close(end)
        self._whole.finish(self.index)

    def _preamble(self) -> bool:
        """Empty lines, then the first "From " line."""
        rest = self._buffer[self._at :]
        start = rest.lstrip(b"\r\n")
        empty = rest[: len(rest) - len(start)]
        if not start and empty.endswith(b"\r"):
            empty = empty[:-1]  # more may come
        if empty.count(b"\r") != empty.count(b"\r\n") or not _FROM.startswith(start[: len(_FROM)]):
            self.refused = 'does not start with "From "'
            return False
        self._at += len(empty)
        if len(start) < len(_FROM):
            return False
        return self._begin()

    def _begin(self) -> bool:
        """A message starts here."""
        if self.begun:
            self._whole_messages()
        self.begun = True
        if not self._whole.room():
            self.refused = f"has more than {len(self._whole)} messages"
            return False
        self._start = self._base + self._at
        self._at += len(_FROM)
        self._state = _SEPARATOR
        return True

    def _whole_messages(self) -> None:
        """Be done with the messages that are in the buffer up to the next one's start, as the steps would be; most are."""
        while self._dense() if self.index.crlf else self._sparse():
            pass

    def _sparse(self) -> bool:
        """Whole messages of an LF mailbox one by one. True if there may be more of them."""
        buffer, base, first = self._buffer, self._base, self._at
        find, startswith = buffer.find, buffer.startswith
        note, note_digest = self._whole.numbers.append, self._whole.digests.append
        at = first
        cr = self._cr
        more = self._whole.room() > _SAMPLE
        for _ in range(min(self._whole.room(), _SAMPLE)):
            next_one = find(b"\n\nF", at)  # thrice as fast as the whole, and nearly always it; but not in mail made to harm
            if not startswith(_FROM, next_one + 2):
                next_one = find(b"\n\nFrom ", next_one)
            line = find(b"\n", at)
            content = line + 1
            if next_one < 0 or startswith(_FROM, content):
                more = False
                break
            blank = find(b"\n\n", line)
            end = next_one + 1 if blank < next_one else next_one + 2
            text = buffer[content:end]
            if cr and b"\r" in text:
                text = text.replace(b"\r\n", b"\n")
            octets = len(text.replace(b"\n", b"\r\n"))
            note((base + at, base + content, base + end, octets))
            note_digest(digest(buffer, line, blank, end))
            at = next_one + 2
        self._at = at
        self._whole.noted()
        while more and at - first < _SAMPLE * _SHORT and self._dense():
            pass
        return more

    def _dense(self) -> bool:
        """Whole messages many at once. True if there were some."""
        from .dense import Dense, window  # for those who have such mail

        text = window(self._buffer, self._at, self.index.crlf)
        if not text:
            return False
        found = Dense(text, self.index.crlf, self._whole.room())
        self._whole.extend((found.start, found.content, found.end, found.octets), found.digests, self._base + self._at)
        self._at += found.next
        return found.next > 0

    def _separator(self) -> bool:
        """The rest of the "From " line. The first one decides between LF and CRLF."""
        end = self._buffer.find(b"\n", self._at)
        if end < 0:
            self._at = len(self._buffer)
            return False
        if not self._crlf_known:
            self.index.crlf = self._buffer[end - 1] == 0x0D
            self._crlf_known = True
        self._at = end + 1
        self._text = self._base + self._at
        self._id = UniqueId(HEADER_LINE_OCTETS if self._first else 0)
        self._growth = 0
        self._state = _CONTENT
        return True

    def _content(self) -> bool:
        """Right behind a "From " line: another one there is what C popa3d refuses a mailbox for."""
        start = self._buffer[self._at : self._at + len(_FROM)]
        if start == _FROM:
            self.refused = "has a message without content"
            return False
        if _FROM.startswith(start):
            return False  # too short to tell
        self._state = _HEADER
        return True

    def _header(self) -> bool:
        """Whole header lines, to the empty line or as far as there are any."""
        buffer, at = self._buffer, self._at
        end, length = self._empty_line(at - 1)
        if end:
            self._lines(end)
            if self._id.counts_body():
                self._id.body(buffer[end : end + length])
            self._blank = self._base + end
            self._advance(end + length)
            self._state = _BODY
            return True
        end = buffer.rfind(b"\n", at) + 1
        if end:
            self._lines(end)
            self._advance(end)
        if len(buffer) - self._at > HEADER_LINE_OCTETS:
            self._piece(len(buffer), True)
            self._state = _LONG_LINE
        return False

    def _empty_line(self, start: int) -> tuple[int, int]:
        """Place in the buffer and length of the first empty line behind an LF at `start` or later; (0, 0) if there is none."""
        lf = self._buffer.find(b"\n\n", start) + 1
        crlf = self._buffer.find(b"\n\r\n", start) + 1 if self.index.crlf else 0
        return (crlf, 2) if crlf and not 0 < lf < crlf else (lf, 1)

    def _long_line(self) -> bool:
        """The rest of a header line that is too long to hold."""
        end = self._buffer.find(b"\n", self._at) + 1
        if end:
            self._state = _HEADER
        end = end or len(self._buffer)
        self._piece(end, False)
        return self._state == _HEADER

    def _lines(self, end: int) -> None:
        """Note whole header lines up to `end`."""
        self._id.lines(self._buffer[self._at : end])

    def _piece(self, end: int, first: bool) -> None:
        """Be done with a piece of a header line."""
        self._id.piece(self._buffer[self._at : end], first)
        self._advance(end)

    def _body(self) -> bool:
        """Up to the next "From " line behind an empty one."""
        buffer, behind = self._buffer, max(0, self._at - _LOOK_BACK)
        found = buffer.find(b"\n\nF", max(0, self._at - 2))  # see _sparse
        if not buffer.startswith(_FROM, found + 2):
            found = buffer.find(b"\n\nFrom ", found)
        end = found = found + 1
        if self.index.crlf:
            other = buffer.find(b"\n\r\nFrom ", behind) + 1
            if other and not 0 < found < other:
                end, found = other, other + 1
        if not found:
            done = len(buffer) - len(b"\n\r\nFrom ") + 1  # the start of a separator may be behind this
            if done > self._at:
                self._advance(done)
            return False
        if self._base + end <= self._blank:  # the empty line is the header's: there is no body
            end = found + 1
        self._close(end)
        self._at = found + 1
        return self._begin()

    def _close(self, end: int) -> None:
        """The message's content ends at `end`."""
        self._advance(max(end, self._at))
        if self._buffer[self._at - 1] != 0x0A:
            self._growth += 2  # RETR ends the last line, so its CRLF counts
        first, self._first = self._first, False
        if first and SUBJECT in self._id.header:
            from .metadata import is_metadata  # many mailboxes never had one

            if is_metadata(self._id.header):
                self.index.hidden = self._text
                return
        end = self._base + self._at
        octets = end - self._text + self._growth
        self._whole.numbers.append((self._start, self._text, end, octets))
        self._whole.digests.append(self._id.digest())
        self._whole.noted()

    def _advance(self, end: int) -> None:
        """Be done with the content up to `end`."""
        start = self._at
        if self._state == _BODY and self._id.counts_body():
            self._id.body(self._buffer[start:end])
        self._growth += self._buffer.count(b"\n", start, end)
        if self._cr:
            self._growth -= self._buffer.count(b"\r\n", start - 1, end)
        self._at = end
