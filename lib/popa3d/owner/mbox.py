"""The mbox format, as C popa3d 1.0.3 reads it (mailbox.c): octets in, an index of messages out.

A message starts at a line "From " that is first in the file or follows an empty line. That line is not part of it. One
empty line before the next "From " line, or at the end of the file, belongs to the separator if the message has a body.

Two things C popa3d does not read, but people have: empty lines before the first "From " line, and mailboxes whose lines
end in CRLF throughout (the first one tells).

Runs as: the mailbox owner.
Trusts: nobody; memory is bounded by the block size and some octets a message, whatever the lines' lengths.
"""

from _struct import pack  # what the module struct is made of
from zlib import crc32

from ..params import HEADER_LINE_OCTETS
from .index import COLUMNS, NONE, Index
from .unique_id import OCTETS, UniqueId, unique_id

_FROM = b"From "
MESSAGE_OCTETS = len(b"From \nX")  # the shortest there is

# What the parser is in the middle of.
_PREAMBLE, _SEPARATOR, _CONTENT, _HEADER, _LONG_LINE, _BODY = range(6)

_FLUSH = 4096  # messages
_WINDOW = 4096  # CRLF mailboxes: the end of a header is looked for in steps of this
_LOOK_BACK = 3  # octets before the current place that are still looked at: an empty line and the LF before it


class Parser:
    """Builds an Index from a mailbox that is fed block by block. `refused` says why it cannot be one, or is empty."""

    def __init__(self, max_messages: int) -> None:
        self.index = Index()
        self.refused = ""
        self.begun = False  # the first message has been found
        self._max_messages = max_messages
        # The index's numbers of the messages so far: the last ones, and packed those before.
        self._starts: list[int] = []
        self._contents: list[int] = []
        self._ends: list[int] = []
        self._octets: list[int] = []
        self._ids: list[bytes] = []
        self._packed = (bytearray(), bytearray(), bytearray(), bytearray())
        self._packed_ids = bytearray()
        self._flushed = 0
        self._crlf_known = False
        self._buffer = b""
        self._base = 0  # the place in the file of _buffer[0]
        self._at = 0  # the current place in _buffer: what is before it is done with
        self._state = _PREAMBLE
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
        self.index.size += len(block)
        self.index.check = crc32(block, self.index.check)
        while not self.refused and self._steps[self._state]():
            pass

    def begin_at(self, place: int) -> None:
        """Begin with a message of an LF mailbox that starts there; the CRC is only over what is fed."""
        self.index.size = self._base = place
        self._crlf_known = True

    def go_on(self, known: Index, check: int) -> None:
        """Begin with a mailbox that is `known` (then empty) up to its last message, which comes next. check: up to there."""
        last = len(known) - 1
        self.index.crlf = known.crlf
        self.index.size = self._base = known.start[last]
        self.index.check = check
        self._crlf_known = True
        for packed, name in zip(self._packed, COLUMNS, strict=True):
            packed.extend(getattr(known, name)[:last])
            setattr(known, name, NONE)  # one of the two is enough
        self._packed_ids += known.ids[: last * OCTETS]
        known.ids = b""
        self._flushed = last

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
        elif self._state == _BODY and buffer.endswith(b"\n\n") and self._base + end - 1 > self._blank:
            end -= 1
        elif self._state == _BODY and self._crlf(buffer.endswith(b"\n\r\n")) and self._base + end - 2 > self._blank:
            end -= 2
        self._close(end)
        self._flush()
        index = self.index
        index.start, index.content, index.end, index.octets = (memoryview(packed).cast("q") for packed in self._packed)
        index.ids = bytes(self._packed_ids)

    def _crlf(self, condition: bool) -> bool:
        return self.index.crlf and condition

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
        self.begun = True
        if self._starts or self._flushed:
            self._whole_messages()
        if self._flushed + len(self._starts) >= self._max_messages:
            self.refused = f"has more than {self._max_messages} messages"
            return False
        self._starts.append(self._base + self._at)
        self._at += len(_FROM)
        self._state = _SEPARATOR
        return True

    def _whole_messages(self) -> None:
        """Be done with the messages that are in the buffer up to the next one's start, as the steps would be; most are."""
        if self.index.crlf:
            return
        buffer, base, at = self._buffer, self._base, self._at
        find, startswith = buffer.find, buffer.startswith
        note_start, note_content, note_end = self._starts.append, self._contents.append, self._ends.append
        note_octets, note_id = self._octets.append, self._ids.append
        for _ in range(self._max_messages - self._flushed - len(self._starts)):
            next_one = find(b"\n\nF", at)  # thrice as fast as the whole, and nearly always it; but not in mail made to harm
            if not startswith(_FROM, next_one + 2):
                next_one = find(b"\n\nFrom ", next_one)
            if next_one < 0:
                break
            line = find(b"\n", at)
            blank = find(b"\n\n", line)
            content = line + 1
            if blank == line or startswith(_FROM, content):
                break  # no header
            end = next_one + 1 if blank < next_one else next_one + 2
            note_start(base + at)
            note_content(base + content)
            note_end(base + end)
            note_octets(len(buffer[content:end].replace(b"\n", b"\r\n")))
            note_id(unique_id(buffer[line : blank + 1]))
            at = next_one + 2
        self._at = at
        if len(self._starts) > _FLUSH:
            self._flush()

    def _flush(self) -> None:
        """Pack what has been noted: objects take five times the memory of their octets."""
        for packed, noted in zip(self._packed, (self._starts, self._contents, self._ends, self._octets), strict=True):
            packed.extend(pack(f"{len(noted)}q", *noted))
        self._packed_ids += b"".join(self._ids)
        self._flushed += len(self._starts)
        for some in (self._starts, self._contents, self._ends, self._octets, self._ids):
            some.clear()

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
        self._contents.append(self._base + self._at)
        self._id = UniqueId()
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
        find, stop = self._buffer.find, len(self._buffer)
        if not self.index.crlf:
            return find(b"\n\n", start) + 1, 1
        for window in range(start, stop, _WINDOW):
            one = find(b"\n\n", window, window + _WINDOW + 1) + 1
            two = find(b"\n\r\n", window, window + _WINDOW + 2) + 1
            if one and not 0 < two < one:
                return one, 1
            if two:
                return two, 2
        return 0, 0

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
        buffer = self._buffer
        found = buffer.find(b"\nFrom ", max(0, self._at - 1))
        while found >= 0:
            if found and buffer[found - 1] == 0x0A:
                end = found
                break
            if self._crlf(buffer[max(0, found - 2) : found] == b"\n\r"):
                end = found - 1
                break
            found = buffer.find(b"\nFrom ", found + 1)
        else:
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
        self._ends.append(self._base + self._at)
        self._octets.append(self._ends[-1] - self._contents[-1] + self._growth)
        self._ids.append(self._id.octets())

    def _advance(self, end: int) -> None:
        """Be done with the content up to `end`."""
        start = self._at
        self._growth += self._buffer.count(b"\n", start, end)
        if self.index.crlf:
            self._growth -= self._buffer.count(b"\r\n", start - 1, end)
        self._at = end
