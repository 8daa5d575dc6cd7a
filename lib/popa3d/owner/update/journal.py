"""The journal of an update: what it will do, and how far it has come, so that it can be finished by somebody else.

It has a head, which never changes: the mailbox, the plan, and a check of the result. A record says that all octets up to
`done` are in place and on the disk, and that all from there on are still where they were; with a record there may be data,
the octets that go to `done` next. A record replaces the one before it, or has no effect if it was not written whole.

It is a file. On a disk without a free block it is a few names of empty files instead, for which a directory mostly has
room; then there are no data.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: nobody; what was found is bounded and checked.
"""

import binascii
import errno
import posix as os  # as os, without its start-up time
from _struct import calcsize, pack, unpack_from  # what the module struct is made of
from zlib import crc32

from ...shared.limits import JOURNAL_DATA_OCTETS, JOURNAL_PLAN_OCTETS
from ..mailbox.state_directory import State
from .plan import STAMP_OCTETS

_MAGIC = b"popa3d journal 2"
_HEAD_NUMBERS = ">5Q"
_RECORD_FIELDS = f">6Q{STAMP_OCTETS}s"
_CHECK = ">I"
_HEAD = len(_MAGIC) + calcsize(_HEAD_NUMBERS + "I")
_RECORD = calcsize(_RECORD_FIELDS + "I")

# A record's `rest` is over this many of the last octets at most.
REST_OCTETS = 128 * 1024

# The file: two places for records, used in turn, each in a sector of its own; the head; the data.
_RECORD_AT = (0, 4096)
_HEAD_AT = 8192

_NAME_OCTETS = 135  # what a name holds, of 255 octets; the other names of the journal and BASE64 take the rest
_NAMES = 100


class Unfit(Exception):
    """What was found is no journal, or not of this mailbox; the text says why."""


class Record:
    """How far the update is. done: see above. length, check: of the data. stamp: not empty if the file is to be cut at
    `done`, where these octets were written. end: its size so far. rest: a check of what the next step leaves alone.
    """

    def __init__(self, done: int, data: bytes = b"", stamp: bytes = b"", end: int = 0, rest: int = 0) -> None:
        self.number = 0
        self.done = done
        self.length = len(data)
        self.check = crc32(data)
        self.stamp = stamp
        self.end = end
        self.rest = rest

    def encode(self) -> bytes:
        """As _RECORD octets."""
        text = pack(_RECORD_FIELDS, self.number, self.done, self.length, self.check, self.end, self.rest, self.stamp)
        return text + pack(_CHECK, crc32(text))


def _record(text: bytes) -> Record | None:
    """What Record.encode made, or None."""
    if len(text) != _RECORD or pack(_CHECK, crc32(text[:-4])) != text[-4:]:
        return None
    *numbers, stamp = unpack_from(_RECORD_FIELDS, text)
    found = Record(0)
    found.number, found.done, found.length, found.check, found.end, found.rest = numbers
    found.stamp = stamp.rstrip(b"\0")
    return found if max(numbers) < 2**62 else None


class Head:
    """What does not change. identity: MboxFile.identity. check: plan.check of the result. plan: plan.Plan.encode."""

    def __init__(self, identity: tuple[int, int, int], check: int, plan: bytes) -> None:
        self.identity = identity
        self.check = check
        self.plan = plan

    def encode(self) -> bytes:
        """As octets."""
        text = _MAGIC + pack(_HEAD_NUMBERS, *self.identity, self.check, len(self.plan))
        return text + pack(_CHECK, crc32(text + self.plan)) + self.plan


def _head(text: bytes) -> Head:
    """What Head.encode made. Raises Unfit."""
    plan = text[_HEAD:]
    if text[: len(_MAGIC)] != _MAGIC or pack(_CHECK, crc32(text[: _HEAD - 4] + plan)) != text[_HEAD - 4 : _HEAD]:
        raise Unfit("damaged")
    device, volume, inode, check, _ = unpack_from(_HEAD_NUMBERS, text, len(_MAGIC))
    return Head((device, volume, inode), check, plan)


class Journal:
    """One update's journal; see above. Each call that writes returns when the disk has it. All raise OSError.

    in_names: see above.
    """

    def __init__(self, state: State) -> None:
        self.in_names = False
        self._state = state
        self._fd = -1
        self._data_at = 0
        self._number = 0
        self._at = b""  # the name that is the record, if there are only names

    # Writing

    def begin(self, head: Head, record: Record, data: bytes) -> None:
        """From here on the update is finished, whatever happens. If this fails, nothing has happened."""
        text = head.encode()
        new = self._state.name(b".new")
        try:
            self._fd = self._state.create(new)
            self._data_at = _data_at(len(text))
            _write(self._fd, bytes(_HEAD_AT) + text, 0)  # records come in turn, and must find room on the disk
            self.write(record, data)
            self._state.rename(new, self._state.name(b".journal"))
            self._state.sync()
        except OSError:
            self._undo([new, self._state.name(b".journal")])
            raise

    def begin_in_names(self, head: Head, record: Record) -> None:
        """The same, in names."""
        self.in_names = True
        text = head.encode()
        if len(text) > _NAME_OCTETS * _NAMES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            for i in range(0, len(text), _NAME_OCTETS):
                part = text[i : i + _NAME_OCTETS]
                os.close(self._state.create(self._name(b"%03d" % (i // _NAME_OCTETS), part)))
            self._state.sync()
            self.write(record)
            self.write(record)  # some directories need room for both names to rename one; if there is none, now is the time
        except OSError:
            self._undo(self._state.names(b".journal."))
            raise

    def write(self, record: Record, data: bytes = b"") -> None:
        """The next record. Data must not follow data: a record without must be between them."""
        record.number = self._number = self._number + 1
        text = record.encode()
        if self._fd >= 0:
            _write(self._fd, data, self._data_at)
            _write(self._fd, text, _RECORD_AT[record.number % 2])
            os.fdatasync(self._fd)
            return
        name = self._name(b"at", text)
        if self._at:
            self._state.rename(self._at, name)
        else:
            os.close(self._state.create(name))
        self._at = name
        self._state.sync()

    def _name(self, what: bytes, octets: bytes) -> bytes:
        text = binascii.b2a_base64(octets, newline=False).replace(b"/", b"_")
        return self._state.name(b".journal." + what + b"." + text)

    def sync(self) -> None:
        """See on the disk what was found."""
        if not self.in_names:
            os.fdatasync(self._fd)
        self._state.sync()

    def drop(self, sync: bool = False) -> None:
        """The update is finished, or (then with `sync`) was never begun."""
        self.drop_names()
        self._state.remove(self._state.names(b".journal"))
        if sync:
            self._state.sync()

    def drop_names(self) -> None:
        """Of the journal in names nothing is left; one in a file stays."""
        names = self._state.names(b".journal.")
        if names:
            self._state.remove([name for name in names if name.startswith(self._state.name(b".journal.at."))])
            self._state.sync()  # so that what is left is known to be without meaning
            self._state.remove(names)

    def _undo(self, names: list[bytes]) -> None:
        """Remove what was made, and nothing else; the error that led here is the one that is told."""
        try:
            self._state.remove(names)
            self._state.sync()
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # Reading

    def load(self) -> tuple[Head, Record, bytes] | None:
        """What was left: head, newest whole record, its data. None if no update was begun. Raises Unfit, too."""
        names = self._state.names(b".journal")
        if self._state.name(b".journal") in names:
            try:
                self._fd = self._state.open(self._state.name(b".journal"))
            except PermissionError as error:
                raise Unfit(error.strerror) from None
            return self._load_file()
        self.in_names = True
        return self._load_names(sorted(names))

    def _load_file(self) -> tuple[Head, Record, bytes]:
        start = os.pread(self._fd, _HEAD, _HEAD_AT)
        plan = int.from_bytes(start[-12:-4], "big")
        if len(start) < _HEAD or plan > JOURNAL_PLAN_OCTETS:
            raise Unfit("damaged")
        head = _head(start + os.pread(self._fd, plan, _HEAD_AT + _HEAD))
        self._data_at = _data_at(_HEAD + plan)
        found = [_record(os.pread(self._fd, _RECORD, place)) for place in _RECORD_AT]
        for record in sorted((record for record in found if record is not None), key=lambda record: -record.number):
            data = os.pread(self._fd, record.length, self._data_at) if record.length <= JOURNAL_DATA_OCTETS else b""
            if len(data) == record.length and crc32(data) == record.check:
                self._number = record.number
                return head, record, data
        raise Unfit("damaged")

    def _load_names(self, names: list[bytes]) -> tuple[Head, Record, bytes] | None:
        at = self._state.name(b".journal.at.")
        records = [name for name in names if name.startswith(at)]
        if not records:
            return None
        record = _record(_octets(records[-1]))
        text = b"".join(_octets(name) for name in names if not name.startswith(at))
        if record is None or record.length or len(records) > 1 or len(text) > _NAME_OCTETS * _NAMES:
            raise Unfit("damaged")
        self._at = records[0]
        self._number = record.number
        return _head(text), record, b""

    def put_aside(self) -> None:
        """Keep it for somebody to look at, in the place of an older one."""
        self._state.remove(self._state.names(b".rejected"))
        journal = self._state.name(b".journal")
        for name in self._state.names(b".journal"):
            self._state.rename(name, self._state.name(b".rejected") + name[len(journal) :])
        self._state.sync()
        self.close()


def _data_at(head: int) -> int:
    return (_HEAD_AT + head + 4095) // 4096 * 4096


def _octets(name: bytes) -> bytes:
    """What Journal._name put into a name; nothing if that cannot be."""
    try:
        return binascii.a2b_base64(name.rpartition(b".")[2].replace(b"_", b"/"))
    except binascii.Error:
        return b""


def _write(fd: int, octets: bytes, place: int) -> None:
    left = memoryview(octets)
    while left:
        written = os.pwrite(fd, left, place)
        place += written
        left = left[written:]
