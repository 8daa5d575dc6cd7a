"""A journal in the names of empty files: a disk without a free block mostly has room for some names in a directory.

One name holds the record, and is renamed for the next one; the others hold the head in parts. There are no data.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: nobody; what was read is bounded and checked.
"""

import binascii
import errno
import posix as os  # as os, without its start-up time

from ..mailbox.state_directory import State
from .records import Head, Record, Unfit, decode_head, decode_record

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable

_PART_OCTETS = 135  # of the head in a name: in BASE64, and with what else is in the name, this is below NAME_MAX (255)
_PARTS = 100


class NameJournal:
    """The journal of one update. What writes returns when the disk has it. All methods raise OSError."""

    holds_data = False

    def __init__(self, state: State, names: "Iterable[bytes]" = ()) -> None:
        """names: of the files of a journal that `load` is to read."""
        self.state = state
        self._names = sorted(names)
        self._number = 0  # of the newest record
        self._record_name = b""  # the name that holds it

    def begin(self, head: Head, record: Record) -> None:
        """Write a new journal. If this fails nothing has begun; from then on the update is to be finished in any case."""
        text = head.encode()
        if len(text) > _PART_OCTETS * _PARTS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            for number, offset in enumerate(range(0, len(text), _PART_OCTETS)):
                name = self._encode_name(b"%03d" % number, text[offset : offset + _PART_OCTETS])
                os.close(self.state.create(name))
            self.state.sync()
            self.write(record)
            self.write(record)  # some directories need room for both names to rename one; if there is none, fail now
        except OSError:
            self.state.undo(self.state.names(b".journal."))
            raise

    def write(self, record: Record, data: bytes = b"") -> None:
        """Write the next record. data: always empty; a FileJournal has some."""
        record.number = self._number = self._number + 1
        name = self._encode_name(b"at", record.encode())
        if self._record_name:
            self.state.rename(self._record_name, name)
        else:
            os.close(self.state.create(name))
        self._record_name = name
        self.state.sync()

    def load(self) -> tuple[Head, Record, bytes] | None:
        """Head, record, and no data; None if there is no record, so that no update has begun. Raises Unfit, too."""
        start = self.state.name(b".journal.at.")
        records = [name for name in self._names if name.startswith(start)]
        if not records:
            return None
        record = decode_record(_decode_name(records[-1]))
        text = b"".join(_decode_name(name) for name in self._names if not name.startswith(start))
        if record is None or record.data_length or len(records) > 1 or len(text) > _PART_OCTETS * _PARTS:
            raise Unfit("damaged")
        self._record_name = records[0]
        self._number = record.number
        return decode_head(text), record, b""

    def sync(self) -> None:
        """Return when the disk has what `load` read: the session that wrote it may have been killed earlier."""
        self.state.sync()

    def close(self) -> None:
        """Nothing is open."""

    def _encode_name(self, kind: bytes, data: bytes) -> bytes:
        text = binascii.b2a_base64(data, newline=False).replace(b"/", b"_")
        return self.state.name(b".journal." + kind + b"." + text)


def _decode_name(name: bytes) -> bytes:
    """The data that _encode_name put into a name; empty if it did not."""
    try:
        return binascii.a2b_base64(name.rpartition(b".")[2].replace(b"_", b"/"))
    except binascii.Error:
        return b""
