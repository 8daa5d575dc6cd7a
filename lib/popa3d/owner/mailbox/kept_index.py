"""The index of a large mailbox, kept for the next login as a file in the state directory. A cache, never an authority.

The file is believed if it is intact. If the mailbox is the same file with the same size and times, its index is used; otherwise
it is compared with the mailbox first (scan.extend_index). Before anything is deleted, the mailbox is compared with the index
in any case, and the index's numbers with each other: at login that would take longer than all else.

Runs as: the mailbox owner; `load` with the mailbox locked.
Trusts: nobody; the owner could write anything into the file, but would only deceive themselves.
"""

import posix as os  # as os, without its start-up time
import sys
from _operator import sub  # what the module operator is made of
from _struct import calcsize, pack, unpack_from  # what the module struct is made of
from zlib import crc32

from ...shared.limits import MAX_MESSAGES, SCAN_BOTH_OCTETS
from ..index import FROM_LINE_OCTETS, MESSAGE_OCTETS
from ..index.index import Index
from ..index.packing import packed, unpacked
from ..index.remaining import Remaining
from .file import MboxFile
from .state_directory import State

# The file: these, then the packed index, then a CRC-32 of all that.
_MAGIC = b"popa3d index 05\n"
_MAILBOX = "=QQQqq"  # device, volume and inode; mtime and ctime in ns
_HEAD_OCTETS = len(_MAGIC) + calcsize(_MAILBOX)
_CHECK = "=I"

_NUMBER_OCTETS = 8

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable


def load(state: State, file: MboxFile) -> Index | None:
    """The index that was kept of this file; None if there is none that can be believed.

    If the mailbox has other times or another size now, `saved` is false: the caller must compare it with the index.
    """
    try:
        fd = state.open(state.name(b".index"))
    except OSError:
        return None
    try:
        return _read(fd, file)
    except OSError:
        return None
    finally:
        os.close(fd)


def is_sound(index: Index) -> bool:
    """Whether the offsets of an index that was loaded can be those of consecutive messages."""
    return (
        index.start[0] >= 0
        and min(map(sub, index.content, index.start)) >= FROM_LINE_OCTETS
        and min(map(sub, index.end, index.content)) >= MESSAGE_OCTETS - FROM_LINE_OCTETS
        and min(map(sub, index.start[1:], index.end), default=0) >= 0
    )


def save(state: State, file: MboxFile, index: Index, mtime_ns: int, ctime_ns: int) -> None:
    """Keep an index for the next login, with the times that the file had when it was made. If that fails, none is kept."""
    if len(index):
        _save(state, file, packed(index), mtime_ns, ctime_ns)


def save_remaining(state: State, file: MboxFile, index: Remaining) -> None:
    """The same after an update, without times: the next login will compare it with the mailbox."""
    _save(state, file, index.packed(), 0, 0)


def drop(state: State) -> None:
    """Keep no index any more."""
    try:
        state.remove([state.name(b".index-new"), state.name(b".index")])
    except OSError:
        pass  # it will be compared with the mailbox, and not be believed


def _read(fd: int, file: MboxFile) -> Index | None:
    check = 0

    def read(octets: int) -> bytes:
        nonlocal check
        data = os.read(fd, octets) if octets else b""
        check = crc32(data, check)
        return data

    head = read(_HEAD_OCTETS)
    if len(head) < _HEAD_OCTETS or head[: len(_MAGIC)] != _MAGIC:
        return None
    *identity, mtime_ns, ctime_ns = unpack_from(_MAILBOX, head, len(_MAGIC))
    index = unpacked(read, MAX_MESSAGES)
    if os.read(fd, calcsize(_CHECK) + 1) != pack(_CHECK, check):
        return None
    status = file.status()
    if index is None or not len(index) or index.size > status.st_size or not file.matches(*identity) or not _is_bounded(index):
        return None
    _load_what_is_needed_later(index, status.st_size)
    index.saved = (index.size, mtime_ns, ctime_ns) == (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return index


def _load_what_is_needed_later(index: Index, size: int) -> None:
    """Load modules that the session may need when popa3d has been upgraded meanwhile: they must be of the same version."""
    if index.copy_digests:
        from ..index import copies  # noqa: F401 - for an update
    if size >= SCAN_BOTH_OCTETS:
        from . import halves  # noqa: F401 - for a comparison


def _is_bounded(index: Index) -> bool:
    """Whether no size is negative or 2^56 and more, as its highest octet tells, and the last message is within the mailbox.

    This costs half a millisecond in a large mailbox. To look at all numbers would cost twenty.
    """
    highest = slice(_NUMBER_OCTETS - 1 if sys.byteorder == "little" else 0, None, _NUMBER_OCTETS)
    if index.octets.tobytes()[highest].count(0) != len(index):
        return False
    return 0 <= index.start[-1] <= index.size - MESSAGE_OCTETS and index.end[-1] <= index.size


def _save(state: State, file: MboxFile, blocks: "Iterable[bytes | memoryview]", mtime_ns: int, ctime_ns: int) -> None:
    if state.is_missing:
        return
    new, name = state.name(b".index-new"), state.name(b".index")
    try:
        fd = state.create(new)
        try:
            head = _MAGIC + pack(_MAILBOX, *file.identity(), mtime_ns, ctime_ns)
            check = crc32(head)
            _write(fd, head)
            for block in blocks:
                check = crc32(block, check)
                _write(fd, block)
            _write(fd, pack(_CHECK, check))
        finally:
            os.close(fd)
        state.rename(new, name)
    except OSError:  # a full disk, say
        drop(state)


def _write(fd: int, data: bytes | memoryview) -> None:
    left = memoryview(data).cast("B")
    while left:
        left = left[os.write(fd, left) :]
