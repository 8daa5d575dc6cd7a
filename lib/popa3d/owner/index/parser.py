"""A mailbox file becomes an index: octets in blocks of any size go in, whole messages come out. The format: __init__.py.

Messages that are whole in one block take the fast path, whole.py; all others go through the states here. Both give the same
result.

Runs as: the mailbox owner.
Trusts: nobody; memory is bounded by the blocks' size and some octets a message, however long the lines are.
"""

from zlib import crc32

from ...shared import Failure
from ...shared.limits import HEADER_LINE_OCTETS
from . import CRLF_SEPARATOR, FROM, LF_SEPARATOR, METADATA_SUBJECT
from .index import Builder, Index
from .unique_id import MessageDigest
from .whole import note_whole_messages

# States: what the parser is in the middle of.
_PREAMBLE, _MESSAGE, _FROM_LINE, _CONTENT_START, _HEADER, _LONG_LINE, _BODY = range(7)

_LOOK_BACK = 3  # octets before the current position that are still looked at: an empty line and the LF before it
_LF, _CR = 0x0A, 0x0D


# What is wrong with a file that is no mailbox.
NO_FROM_LINE, NO_CONTENT, TOO_MANY_MESSAGES = range(1, 4)


class NoMailbox(Failure):
    """What was read is no mailbox. fault: one of the above. offset: the octet in the file up to which it could be one."""

    def __init__(self, fault: int, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.fault = fault
        self.offset = offset


class Unreadable(NoMailbox):
    """These octets do not begin a mailbox, whatever follows, or one with too many messages."""


class Truncated(NoMailbox):
    """More octets could make it one."""


class Parser:
    """Makes the index of a mailbox that is fed to it, block by block. Offsets count from the file's start.

    A position is one in the buffer, which has what is not done with yet, and a few octets before that.
    """

    def __init__(self, max_messages: int) -> None:
        self._index = Index()
        self._builder = Builder(max_messages)  # has the whole messages
        self._crlf_known = False
        self._found_from = False  # a "From " line was found
        self._is_first = True  # the file's first message is not whole yet
        self._buffer = b""
        self._offset = 0  # of the buffer
        self._position = 0  # what is before it is done with
        self._has_cr = False  # there is one in the buffer
        self._most_held = 0  # octets of a message that are held until the next block, to note it as a whole
        self._state = _PREAMBLE
        # The message that is next or not whole yet: offsets of its start, its content, and the empty line after its header.
        self._start = self._content = self._blank = 0
        self._growth = 0  # octets that are added to its content so far when it is sent
        self._digest = MessageDigest()
        # Each step goes on in its state as far as the buffer allows. It returns whether another step is possible then.
        self._steps = (
            self._skip_preamble,
            self._begin_message,
            self._skip_from_line,
            self._start_content,
            self._take_header,
            self._take_long_line,
            self._take_body,
        )

    def begin_at(self, offset: int) -> None:
        """Begin with the message of an LF mailbox that starts there. The index is of what is fed, and so is its CRC."""
        self._index.size = self._offset = offset
        self._crlf_known = True
        self._is_first = False

    def resume(self, known: Index, check: int) -> None:
        """Begin with a mailbox that is `known` but for its last message, which is fed again. `known` is emptied.

        check: the CRC-32 of what is before that message.
        """
        self.begin_at(known.start[len(known) - 1])
        self._index.crlf = known.crlf
        self._index.check = check
        self._index.hidden = known.hidden
        self._builder.take_all_but_last(known)

    def feed(self, block: bytes) -> None:
        """Go on with the next block of the file, of any size. Raises Unreadable."""
        done = max(0, self._position - _LOOK_BACK)
        self._offset += done
        self._position -= done
        self._buffer = self._buffer[done:] + block
        self._has_cr = b"\r" in self._buffer
        self._index.size += len(block)
        self._index.check = crc32(block, self._index.check)
        # A message is held once at most: when the next block is here, there is more of it than this.
        self._most_held = len(block) // 2
        while self._steps[self._state]():
            pass

    def finish(self) -> Index:
        """Return the index: the file ends here. Raises Truncated, or Unreadable."""
        if self._state == _MESSAGE:
            self.feed(b"")  # what is held is all that there is
        end = len(self._buffer)
        if self._state == _PREAMBLE:
            if self._position < end:
                raise Truncated(NO_FROM_LINE, 'does not start with "From "', self._offset + self._position)
            return self._index
        if self._state == _FROM_LINE or (self._state == _CONTENT_START and self._position == end):
            raise Truncated(NO_CONTENT, "has a message without content", self._offset + end)
        if self._state in (_CONTENT_START, _HEADER):
            self._add_lines(end)
        elif self._state == _BODY:
            end -= self._last_separator()
        self._end_message(end)
        self._builder.complete(self._index)
        return self._index

    def _last_separator(self) -> int:
        """How many octets the empty line has that ends the file and belongs to no message; 0 if there is none."""
        if self._buffer.endswith(b"\n\n"):
            octets = 1
        elif self._index.crlf and self._buffer.endswith(b"\n\r\n"):
            octets = 2
        else:
            return 0
        is_the_headers = self._offset + len(self._buffer) - octets <= self._blank
        return 0 if is_the_headers else octets

    # Steps

    def _skip_preamble(self) -> bool:
        """Empty lines, then the first "From " line."""
        rest = self._buffer[self._position :]
        start = rest.lstrip(b"\r\n")
        empty = rest[: len(rest) - len(start)]
        if not start and empty.endswith(b"\r"):
            empty = empty[:-1]  # its LF may be in the next block
        if empty.count(b"\r") != empty.count(b"\r\n") or not FROM.startswith(start[: len(FROM)]):
            raise Unreadable(NO_FROM_LINE, 'does not start with "From "', self._offset + self._position + len(empty))
        self._position += len(empty)
        if len(start) < len(FROM):
            return False
        return self._begin_message()

    def _begin_message(self) -> bool:
        """A "From " line is here: be done with whole messages first, then go on with the one that is not whole."""
        if self._found_from:
            self._position = note_whole_messages(
                self._builder, self._buffer, self._position, self._offset, self._index.crlf, self._has_cr
            )
        self._found_from = True
        if not self._builder.room():
            raise Unreadable(TOO_MANY_MESSAGES, f"has more than {len(self._builder)} messages", self._offset + self._position)
        if not self._is_first and len(self._buffer) - self._position < self._most_held:
            self._state = _MESSAGE
            return False
        self._start = self._offset + self._position
        self._position += len(FROM)
        self._state = _FROM_LINE
        return True

    def _skip_from_line(self) -> bool:
        """The rest of the "From " line. The first one decides between LF and CRLF."""
        lf = self._buffer.find(b"\n", self._position)
        if lf < 0:
            self._position = len(self._buffer)
            return False
        if not self._crlf_known:
            self._index.crlf = self._buffer[lf - 1] == _CR
            self._crlf_known = True
        self._position = lf + 1
        self._content = self._offset + self._position
        self._digest = MessageDigest(HEADER_LINE_OCTETS if self._is_first else 0)
        self._growth = 0
        self._state = _CONTENT_START
        return True

    def _start_content(self) -> bool:
        """The line after a "From " line. If it is another one, C popa3d refuses the mailbox, too."""
        start = self._buffer[self._position : self._position + len(FROM)]
        if start == FROM:
            raise Unreadable(NO_CONTENT, "has a message without content", self._offset + self._position)
        if FROM.startswith(start):
            return False  # too short to tell
        self._state = _HEADER
        return True

    def _take_header(self) -> bool:
        """Whole header lines, to the empty line or as far as there are any."""
        buffer, start = self._buffer, self._position
        blank, octets = self._find_empty_line(start - 1)
        if blank:
            self._add_lines(blank)
            if self._digest.counts_body():
                self._digest.add_body(buffer[blank : blank + octets])
            self._blank = self._offset + blank
            self._advance(blank + octets)
            self._state = _BODY
            return True
        end = buffer.rfind(b"\n", start) + 1
        if end:
            self._add_lines(end)
            self._advance(end)
        if len(buffer) - self._position > HEADER_LINE_OCTETS:
            self._add_piece(len(buffer), True)
            self._state = _LONG_LINE
        return False

    def _find_empty_line(self, start: int) -> tuple[int, int]:
        """Position and length of the first empty line after an LF at `start` or later; the position is 0 if there is none."""
        lf = self._buffer.find(b"\n\n", start) + 1
        crlf = self._buffer.find(b"\n\r\n", start) + 1 if self._index.crlf else 0
        return (crlf, 2) if crlf and not 0 < lf < crlf else (lf, 1)

    def _take_long_line(self) -> bool:
        """The rest of a header line that is too long to hold."""
        end = self._buffer.find(b"\n", self._position) + 1
        if end:
            self._state = _HEADER
        self._add_piece(end or len(self._buffer), False)
        return self._state == _HEADER

    def _take_body(self) -> bool:
        """Up to the next "From " line that follows an empty one."""
        blank, octets = self._find_separator()
        if not blank:
            done = len(self._buffer) - len(CRLF_SEPARATOR) + 1  # a separator may begin here
            if done > self._position:
                self._advance(done)
            return False
        next_start = blank + octets
        is_the_headers = self._offset + blank <= self._blank  # there is no body
        self._end_message(next_start if is_the_headers else blank)
        self._position = next_start
        return self._begin_message()

    def _find_separator(self) -> tuple[int, int]:
        """Position and length of the first empty line before a "From " line; the position is 0 if there is none."""
        buffer = self._buffer
        # Three octets first: see whole.py.
        lf = buffer.find(b"\n\nF", max(0, self._position - 2))
        if not buffer.startswith(FROM, lf + 2):
            lf = buffer.find(LF_SEPARATOR, lf)
        lf += 1
        if self._index.crlf:
            crlf = buffer.find(CRLF_SEPARATOR, max(0, self._position - _LOOK_BACK)) + 1
            if crlf and not 0 < lf < crlf:
                return crlf, 2
        return lf, 1

    # What steps have in common: `end` is a position, up to which there is something.

    def _add_lines(self, end: int) -> None:
        """Digest whole header lines."""
        self._digest.add_lines(self._buffer[self._position : end])

    def _add_piece(self, end: int, first: bool) -> None:
        """Be done with a piece of a header line."""
        self._digest.add_piece(self._buffer[self._position : end], first)
        self._advance(end)

    def _advance(self, end: int) -> None:
        """Be done with a part of the content."""
        start = self._position
        if self._state == _BODY and self._digest.counts_body():
            self._digest.add_body(self._buffer[start:end])
        self._growth += self._buffer.count(b"\n", start, end)
        if self._has_cr:
            self._growth -= self._buffer.count(b"\r\n", start - 1, end)
        self._position = end

    def _end_message(self, end: int) -> None:
        """Be done with the content, which ends there, and note the message."""
        self._advance(max(end, self._position))
        if self._buffer[self._position - 1] != _LF:
            self._growth += 2  # RETR ends the last line with a CRLF, which counts
        is_first, self._is_first = self._is_first, False
        if is_first and METADATA_SUBJECT in self._digest.header:
            from .metadata import is_metadata  # many mailboxes never had one

            if is_metadata(self._digest.header):
                self._index.hidden = self._content
                return
        content_end = self._offset + self._position
        octets = content_end - self._content + self._growth
        self._builder.rows.append((self._start, self._content, content_end, octets))
        self._builder.digests.append(self._digest.digest())
        self._builder.pack_if_many()
