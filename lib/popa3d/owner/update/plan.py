"""What an update makes of a mailbox: which octets stay, and where they go. Pure, but for reading the file.

Runs as: the mailbox owner.
Trusts: nobody; a plan that was read from a journal is checked, and its positions are only believed with its check.
"""

import errno
from _bisect import bisect_left, bisect_right  # what the module bisect is made of
from array import array
from itertools import accumulate
from zlib import crc32

from ...shared.limits import JOURNAL_STEPS, MAX_MESSAGES, PARSE_OCTETS
from ..index.index import Index
from ..index.mbox import MESSAGE_OCTETS

# What is written behind the result before the file is cut; see update.py.
STAMP_OCTETS = 16

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..mailbox.file import MboxFile


class Plan:
    """The holes that deleted messages leave, and what is kept between them.

    start: the place of the first hole; what is before it stays where it is. lengths: octets of a hole, of what is kept
    behind it, of the next hole, and so on; the last is of what is kept, and may be 0. end: the size of the file. after: its
    size when all is done.
    """

    def __init__(self, start: int, lengths: "array[int]") -> None:
        self.start = start
        self.lengths = lengths
        self._lay_out()

    def _lay_out(self) -> None:
        borders = array("q", accumulate(self.lengths, initial=self.start))
        self._kept = borders[1::2]  # where each piece that is kept begins,
        self._holes = borders[2::2]  # where it ends,
        self._targets = array("q", accumulate(self.lengths[1::2], initial=self.start))  # and where it goes; then where all ends
        self.end = borders[-1]
        self.after = self._targets[-1]

    def extend(self, size: int) -> None:
        """Keep what was appended to the file, which has `size` octets now."""
        self.lengths[-1] += size - self.end
        self._lay_out()

    def place(self, done: int) -> int:
        """Where in the file that is now which goes to `done`; `end` for the end."""
        i = bisect_right(self._targets, done) - 1
        return self._kept[i] + done - self._targets[i] if i < len(self._kept) else self.end

    def pieces(self, window: bytes, place: int) -> list[memoryview]:
        """What is kept of a window of the file that begins at `place`, in pieces."""
        first = bisect_right(self._holes, place)
        last = bisect_left(self._kept, place + len(window))
        view = memoryview(window)
        spans = zip(self._kept[first:last], self._holes[first:last], strict=True)
        return [view[max(0, start - place) : end - place] for start, end in spans]

    def is_slow(self, most: int) -> bool:
        """Whether it takes more than JOURNAL_STEPS steps, each of what there is room for, or of `most` octets; see update.py."""
        steps = 0.0
        if self.after - self.start <= most * JOURNAL_STEPS:
            return False
        for i, kept in enumerate(self.lengths[1::2]):
            room = max(most, self._kept[i] - self._targets[i] - STAMP_OCTETS)
            steps += kept / room if room > 0 else JOURNAL_STEPS + 1
        return steps > JOURNAL_STEPS

    def encode(self) -> bytes:
        """The plan as octets: `start` and all lengths, seven bits an octet, the lowest first."""
        found = bytearray()
        for number in (self.start, *self.lengths):
            rest = number
            while rest > 0x7F:
                found.append(rest & 0x7F | 0x80)
                rest >>= 7
            found.append(rest)
        return bytes(found)


def plan(index: Index, deleted: bytearray, size: int) -> Plan:
    """How to take each message i for which deleted[i] is 1 out of a file of `size` octets. At least one is."""
    lengths = array("q")
    first = i = deleted.find(1)
    while i >= 0:
        hole = index.start[i]
        i = deleted.find(0, i)
        kept = index.start[i] if i >= 0 else index.size
        lengths.append(kept - hole)
        i = deleted.find(1, i) if i >= 0 else -1
        lengths.append((index.start[i] if i >= 0 else size) - kept)
    return Plan(index.start[first], lengths)


def decode(octets: bytes) -> Plan | None:
    """The plan in `octets`, or None if there is none."""
    numbers = array("q")
    number = bits = 0
    for octet in octets:
        number |= (octet & 0x7F) << bits
        bits += 7
        if octet < 0x80:
            numbers.append(number)
            number = bits = 0
        elif bits > 49:
            return None  # no file is that large
    if bits or not 3 <= len(numbers) <= 2 * MAX_MESSAGES + 1 or len(numbers) % 2 == 0:
        return None
    if 0 in numbers[1:-1] or min(numbers[1::2]) < MESSAGE_OCTETS or sum(numbers) >= 2**62:
        return None
    return Plan(numbers[0], numbers[1:])


class Kept:
    """What is kept behind the first hole, from what goes to `done` on, as one stream."""

    def __init__(self, file: "MboxFile", plan: Plan, done: int) -> None:
        self._file = file
        self._plan = plan
        self._place = plan.place(done)  # of the next window
        self._rest = memoryview(b"")

    def take(self, most: int) -> bytes:
        """The next octets, that many, or fewer at the end. Raises OSError, also when the file ends too early."""
        blocks = []
        while most and (self._rest or self._place < self._plan.end):
            if not self._rest:
                window = self._file.read(min(PARSE_OCTETS, self._plan.end - self._place), self._place)
                if not window:
                    raise OSError(errno.EIO, "the mailbox ended early")
                self._rest = memoryview(b"".join(self._plan.pieces(window, self._place)))
                self._place += len(window)
            blocks.append(self._rest[:most])
            self._rest = self._rest[most:]
            most -= len(blocks[-1])
        return bytes(blocks[0]) if len(blocks) == 1 else b"".join(blocks)


def check(file: "MboxFile", plan: Plan, done: int, data: bytes, octets: int) -> int:
    """A CRC-32 of the first `octets` of what is behind plan.start in the end.

    They are in the file already up to `done`; then come `data`, and what is still to be moved. Raises OSError.
    """
    found = 0
    place = plan.start
    kept = Kept(file, plan, done + len(data))
    while octets:
        most = min(octets, PARSE_OCTETS)
        if place < done:
            block = file.read(min(most, done - place), place)
        elif data:
            block, data = data[:most], data[most:]
        else:
            block = kept.take(most)
        if not block:
            raise OSError(errno.EIO, "the mailbox ended early")
        found = crc32(block, found)
        place += len(block)
        octets -= len(block)
    return found
