"""What an update makes of a mailbox: which octets stay, and where they go. Pure, but for reading the file.

Runs as: the mailbox owner.
Trusts: nobody; a plan that was read from a journal is checked, and its positions are only believed with its check.
"""

from array import array
from zlib import crc32

from ..params import PARSE_OCTETS
from .mbox import MESSAGE_OCTETS, Index

# What is written behind the result before the file is cut; see update.py.
STAMP_OCTETS = 16

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .mboxfile import MboxFile


class Plan:
    """The holes that deleted messages leave, and what is kept between them.

    start: the place of the first hole; what is before it stays where it is. lengths: octets of a hole, of what is kept
    behind it, of the next hole, and so on; the last is of what is kept, and may be 0. end: the size of the file. after: its
    size when all is done.
    """

    def __init__(self, start: int, lengths: "array[int]") -> None:
        self.start = start
        self.lengths = lengths
        self.end = start + sum(lengths)
        self.after = start + sum(lengths[1::2])

    def extend(self, size: int) -> None:
        """Keep what was appended to the file, which has `size` octets now."""
        self.lengths[-1] += size - self.end
        self.after += size - self.end
        self.end = size

    def spans(self, done: int) -> "Iterator[tuple[int, int]]":
        """Place and length of what is kept, but for what goes before `done` in the end."""
        place = target = self.start
        for i in range(0, len(self.lengths), 2):
            place += self.lengths[i]
            kept = self.lengths[i + 1]
            skip = min(kept, max(0, done - target))
            if kept > skip:
                yield place + skip, kept - skip
            place += kept
            target += kept

    def steps(self, most: int) -> float:
        """In about how many steps all is moved, if each moves what there is room for, or `most` octets; see update.py."""
        room = -STAMP_OCTETS
        steps = 0.0
        for i in range(0, len(self.lengths), 2):
            room += self.lengths[i]
            if max(most, room) <= 0:
                return float("inf")
            steps += self.lengths[i + 1] / max(most, room)
        return steps

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
    if bits or len(numbers) < 3 or len(numbers) % 2 == 0 or 0 in numbers[1:-1] or min(numbers[1::2]) < MESSAGE_OCTETS:
        return None
    return Plan(numbers[0], numbers[1:])


class Kept:
    """What is kept behind the first hole, from what goes to `done` on, as one stream. `place`: of its next octet."""

    def __init__(self, file: "MboxFile", plan: Plan, done: int) -> None:
        self._file = file
        self._spans = plan.spans(done)
        self._window = memoryview(b"")  # what was read of the file, from _base on
        self._base = 0
        self.place, self._left = next(self._spans, (plan.end, 0))

    def take(self, most: int) -> bytes:
        """The next octets, at most that many; none at the end. Raises OSError, also when the file ends too early."""
        pieces = []
        while most and self._left:
            at = self.place - self._base
            if not 0 <= at < len(self._window):
                self._window = memoryview(self._file.read(PARSE_OCTETS, self.place))
                self._base = self.place
                at = 0
                if not self._window:
                    raise OSError(5, "the mailbox ended early")
            piece = self._window[at : at + min(most, self._left)]
            pieces.append(piece)
            most -= len(piece)
            self.place += len(piece)
            self._left -= len(piece)
            if not self._left:
                self.place, self._left = next(self._spans, (self.place, 0))
        return b"".join(pieces)


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
            raise OSError(5, "the mailbox ended early")
        found = crc32(block, found)
        place += len(block)
        octets -= len(block)
    return found
