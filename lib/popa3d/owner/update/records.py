"""What a journal says: its head, which never changes, and a record of how far the update has come. Pure.

Runs as: the mailbox owner.
Trusts: nobody; what was read is checked, its numbers are bounded.
"""

from _struct import calcsize, pack, unpack_from  # what the module struct is made of
from zlib import crc32

from ...shared import Failure
from .plan import STAMP_OCTETS

_MAGIC = b"popa3d journal 2"
_HEAD_NUMBERS = ">5Q"  # device, volume, inode, check, octets of the plan
_RECORD_FIELDS = f">6Q{STAMP_OCTETS}s"  # number, done, data_length, data_check, size, rest_check; stamp
_CHECK = ">I"
_CHECK_OCTETS = calcsize(_CHECK)
_HIGHEST = 2**62  # no file is that large

HEAD_OCTETS = len(_MAGIC) + calcsize(_HEAD_NUMBERS) + _CHECK_OCTETS  # without the plan
RECORD_OCTETS = calcsize(_RECORD_FIELDS) + _CHECK_OCTETS

# A record's `rest_check` is of at most this many octets, the last ones of the file.
REST_OCTETS = 128 * 1024


class Unfit(Failure):
    """What was found is no journal, or not one of this mailbox."""


class Head:
    """What never changes in an update.

    identity: MboxFile.identity. check: kept_stream.result_check of the whole result. plan: from Plan.encode.
    """

    __slots__ = ("check", "identity", "plan")

    def __init__(self, identity: tuple[int, int, int], check: int, plan: bytes) -> None:
        self.identity = identity
        self.check = check
        self.plan = plan

    def encode(self) -> bytes:
        """HEAD_OCTETS, and the plan."""
        text = _MAGIC + pack(_HEAD_NUMBERS, *self.identity, self.check, len(self.plan))
        return text + pack(_CHECK, crc32(text + self.plan)) + self.plan


def plan_octets(start: bytes) -> int:
    """How long the plan is in a head that begins with these HEAD_OCTETS. Raises Unfit if they are fewer."""
    if len(start) < HEAD_OCTETS:
        raise Unfit("damaged")
    return int.from_bytes(start[-12:-_CHECK_OCTETS], "big")


def decode_head(text: bytes) -> Head:
    """The head that Head.encode made `text` of. Raises Unfit if it did not."""
    plan = text[HEAD_OCTETS:]
    check = text[HEAD_OCTETS - _CHECK_OCTETS : HEAD_OCTETS]
    if text[: len(_MAGIC)] != _MAGIC or pack(_CHECK, crc32(text[: HEAD_OCTETS - _CHECK_OCTETS] + plan)) != check:
        raise Unfit("damaged")
    device, volume, inode, result_check, _ = unpack_from(_HEAD_NUMBERS, text, len(_MAGIC))
    return Head((device, volume, inode), result_check, plan)


class Record:
    """How far the update has come: all octets before offset `done` are in place, all others are still where they were.

    data_length, data_check: of the data in the journal, which are the octets that go to `done` next. stamp: these octets were
    written to `done`, where the file is to end; empty if it is not known yet that it can be shortened. size: the file's so
    far. rest_check: a CRC-32 of the end of the file, as far as the next step does not change it.
    """

    __slots__ = ("data_check", "data_length", "done", "number", "rest_check", "size", "stamp")

    def __init__(self, done: int, data: bytes = b"", stamp: bytes = b"", size: int = 0, rest_check: int = 0) -> None:
        self.number = 0  # set when it is written
        self.done = done
        self.data_length = len(data)
        self.data_check = crc32(data)
        self.stamp = stamp
        self.size = size
        self.rest_check = rest_check

    def encode(self) -> bytes:
        """RECORD_OCTETS."""
        numbers = self.number, self.done, self.data_length, self.data_check, self.size, self.rest_check
        text = pack(_RECORD_FIELDS, *numbers, self.stamp)
        return text + pack(_CHECK, crc32(text))


def decode_record(text: bytes) -> Record | None:
    """The record that Record.encode made `text` of; None if it did not, or if a number is beyond any file."""
    if len(text) != RECORD_OCTETS or pack(_CHECK, crc32(text[:-_CHECK_OCTETS])) != text[-_CHECK_OCTETS:]:
        return None
    *numbers, stamp = unpack_from(_RECORD_FIELDS, text)
    record = Record(0, stamp=stamp.rstrip(b"\0"))
    record.number, record.done, record.data_length, record.data_check, record.size, record.rest_check = numbers
    return record if max(numbers) < _HIGHEST else None
