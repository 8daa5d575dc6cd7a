"""A journal in a file: two places for records, each in a sector of its own; the head; the data of the newest record.

Records are written to the two places in turn, so a record that was not written whole leaves the one before it intact.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: nobody; what was read is bounded and checked.
"""

import posix as os  # as os, without its start-up time
from zlib import crc32

from ...shared.limits import JOURNAL_DATA_OCTETS, JOURNAL_PLAN_OCTETS
from ..mailbox.state_directory import State
from .records import HEAD_OCTETS, RECORD_OCTETS, Head, Record, Unfit, decode_head, decode_record, plan_octets

_RECORD_OFFSETS = (0, 4096)
_HEAD_OFFSET = 8192
_SECTOR_OCTETS = 4096


class FileJournal:
    """The journal of one update. What writes returns when the disk has it. All methods raise OSError."""

    holds_data = True

    def __init__(self, state: State) -> None:
        self.state = state
        self._fd = -1
        self._data_offset = 0
        self._number = 0  # of the newest record

    def begin(self, head: Head, record: Record, data: bytes) -> None:
        """Write a new journal. If this fails nothing has begun; from then on the update is to be finished in any case."""
        text = head.encode()
        new, name = self.state.name(b".new"), self.state.name(b".journal")
        try:
            self._fd = self.state.create(new)
            self._data_offset = _data_offset(len(text))
            _write(self._fd, bytes(_HEAD_OFFSET) + text, 0)  # the places of the records too, which must have room on the disk
            self.write(record, data)
            self.state.rename(new, name)
            self.state.sync()
        except OSError:
            self.state.undo([new, name])
            self.close()
            raise

    def write(self, record: Record, data: bytes = b"") -> None:
        """Write the next record, and its data. Between two records with data there must be one without."""
        record.number = self._number = self._number + 1
        _write(self._fd, data, self._data_offset)
        _write(self._fd, record.encode(), _RECORD_OFFSETS[record.number % 2])
        os.fdatasync(self._fd)

    def load(self) -> tuple[Head, Record, bytes]:
        """Head, newest intact record, and its data. Raises Unfit, too."""
        try:
            self._fd = self.state.open(self.state.name(b".journal"))
        except PermissionError as error:
            raise Unfit(str(error.strerror)) from None
        start = os.pread(self._fd, HEAD_OCTETS, _HEAD_OFFSET)
        count = plan_octets(start)
        if count > JOURNAL_PLAN_OCTETS:
            raise Unfit("damaged")
        head = decode_head(start + os.pread(self._fd, count, _HEAD_OFFSET + HEAD_OCTETS))
        self._data_offset = _data_offset(HEAD_OCTETS + count)
        record, data = self._load_record()
        self._number = record.number
        return head, record, data

    def _load_record(self) -> tuple[Record, bytes]:
        """The record with the highest number that is intact, data included."""
        records = [decode_record(os.pread(self._fd, RECORD_OCTETS, offset)) for offset in _RECORD_OFFSETS]
        for record in sorted((record for record in records if record is not None), key=lambda record: -record.number):
            length = record.data_length
            data = os.pread(self._fd, length, self._data_offset) if length <= JOURNAL_DATA_OCTETS else b""
            if len(data) == length and crc32(data) == record.data_check:
                return record, data
        raise Unfit("damaged")

    def sync(self) -> None:
        """Return when the disk has what `load` read: the session that wrote it may have been killed earlier."""
        os.fdatasync(self._fd)
        self.state.sync()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _data_offset(head_octets: int) -> int:
    return (_HEAD_OFFSET + head_octets + _SECTOR_OCTETS - 1) // _SECTOR_OCTETS * _SECTOR_OCTETS


def _write(fd: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(fd, rest, offset)
        offset += count
        rest = rest[count:]
