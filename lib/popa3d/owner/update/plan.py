"""What an update makes of a mailbox: which octets stay, and where they go. Pure.

Runs as: the mailbox owner.
Trusts: nobody; a plan that was read from a journal is checked, and followed only if the mailbox has the journal's checksums.
"""

from _bisect import bisect_left, bisect_right  # what the module bisect is made of
from array import array
from itertools import accumulate

from ...shared.limits import JOURNAL_STEPS, MAX_MESSAGES
from ..index import MESSAGE_OCTETS
from ..index.index import Index

# What is written behind the result before the file is shortened; see steps.py.
STAMP_OCTETS = 16

_NUMBER_BITS = 56  # no file has more octets than a number with these bits can count
_HIGHEST = 2**62


class Plan:
    """The holes that deleted messages leave, and the pieces between them that are kept.

    start: the offset of the first hole; what is before it stays where it is. lengths: octets of the first hole, of the piece
    behind it, of the second hole, and so on; the last piece may be empty. size: the file's. final_size: the file's when all
    is done.
    """

    def __init__(self, start: int, lengths: "array[int]") -> None:
        self.start = start
        self.lengths = lengths
        self._lay_out()

    def _lay_out(self) -> None:
        borders = array("q", accumulate(self.lengths, initial=self.start))
        self._piece_starts = borders[1::2]
        self._piece_ends = borders[2::2]
        self._targets = array("q", accumulate(self.lengths[1::2], initial=self.start))  # of the pieces, then the end of all
        self.size = borders[-1]
        self.final_size = self._targets[-1]

    def extend(self, size: int) -> None:
        """Keep what was appended to the file, whose size is `size` now."""
        self.lengths[-1] += size - self.size
        self._lay_out()

    def source(self, target: int) -> int:
        """The current offset of the octet that goes to offset `target`; `size` for `final_size`."""
        i = bisect_right(self._targets, target) - 1
        return self._piece_starts[i] + target - self._targets[i] if i < len(self._piece_starts) else self.size

    def kept_parts(self, window: bytes, offset: int) -> list[memoryview]:
        """The parts of a window that are kept. window: octets of the file, from `offset` on."""
        first = bisect_right(self._piece_ends, offset)
        end = bisect_left(self._piece_starts, offset + len(window))
        view = memoryview(window)
        pieces = zip(self._piece_starts[first:end], self._piece_ends[first:end], strict=True)
        return [view[max(0, piece_start - offset) : piece_end - offset] for piece_start, piece_end in pieces]

    def is_slow(self, data_octets: int) -> bool:
        """Whether the update takes more than JOURNAL_STEPS steps if the journal holds at most `data_octets` of data.

        A step moves as many octets as there is room for, or as the journal holds: see steps.py.
        """
        if self.final_size - self.start <= data_octets * JOURNAL_STEPS:
            return False
        steps = 0.0
        for i, length in enumerate(self.lengths[1::2]):
            room = max(data_octets, self._piece_starts[i] - self._targets[i] - STAMP_OCTETS)
            steps += length / room if room > 0 else JOURNAL_STEPS + 1
        return steps > JOURNAL_STEPS

    def encode(self) -> bytes:
        """`start` and all lengths, each as seven bits an octet, the lowest first; the last octet of each number is below 128."""
        encoded = bytearray()
        for number in (self.start, *self.lengths):
            rest = number
            while rest > 0x7F:
                encoded.append(rest & 0x7F | 0x80)
                rest >>= 7
            encoded.append(rest)
        return bytes(encoded)


def plan_removal(index: Index, deleted: bytearray, size: int) -> Plan:
    """How to take each message i with deleted[i] == 1 out of a file of `size` octets. There must be at least one."""
    lengths = array("q")
    first = i = deleted.find(1)
    while i >= 0:
        hole_start = index.start[i]
        i = deleted.find(0, i)
        piece_start = index.start[i] if i >= 0 else index.size
        lengths.append(piece_start - hole_start)
        i = deleted.find(1, i) if i >= 0 else -1
        lengths.append((index.start[i] if i >= 0 else size) - piece_start)
    return Plan(index.start[first], lengths)


def decode_plan(data: bytes) -> Plan | None:
    """The plan that Plan.encode made `data` of; None if no update can have made it."""
    numbers = array("q")
    number = bits = 0
    for octet in data:
        number |= (octet & 0x7F) << bits
        bits += 7
        if octet < 0x80:
            if not octet and bits > 7:
                return None  # it could have been shorter
            numbers.append(number)
            number = bits = 0
        elif bits >= _NUMBER_BITS:
            return None
    if bits or not 3 <= len(numbers) <= 2 * MAX_MESSAGES + 1 or len(numbers) % 2 == 0:
        return None
    if 0 in numbers[1:-1] or min(numbers[1::2]) < MESSAGE_OCTETS or sum(numbers) >= _HIGHEST:
        return None
    return Plan(numbers[0], numbers[1:])
