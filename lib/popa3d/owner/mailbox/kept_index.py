"""What is known of a large mailbox, kept for the next login: a file in the state directory. A cache, never an authority.

It is believed if it is whole, and if the mailbox is the same file with the same size and times; if these differ, it is
compared with the mailbox (scan.scan_rest). Nothing is deleted before the mailbox itself was compared with it, and all of
its positions with each other: at a login that would take longer than all else.

Runs as: the mailbox owner; `load` with the mailbox locked.
Trusts: nobody; the owner could write anything into it, and would deceive himself.
"""

import posix as os  # as os, without its start-up time
import sys
from _operator import sub  # what the module operator is made of
from _struct import calcsize, pack, unpack_from  # what the module struct is made of
from zlib import crc32

from ...shared.limits import MAX_MESSAGES
from ..index.index import Index, Rest, decode
from ..index.parser import MESSAGE_OCTETS
from .file import MboxFile
from .state_directory import State

_MAGIC = b"popa3d index 05\n"
_NUMBERS = "=QQQqq"  # the file's identity, mtime and ctime in ns
_HEAD = len(_MAGIC) + calcsize(_NUMBERS)
_CHECK = "=I"
_FROM_OCTETS = len(b"From \n")


def load(state: State, file: MboxFile) -> Index | None:
    """The index of the mailbox as it was when it was saved; None if there is none of this file.

    `saved` says whether size and times are still what they were. Else the caller has to compare it with the file.
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


def _read(fd: int, file: MboxFile) -> Index | None:
    check = 0

    def take(octets: int) -> bytes:
        nonlocal check
        found = os.read(fd, octets) if octets else b""
        check = crc32(found, check)
        return found

    head = take(_HEAD)
    if len(head) < _HEAD or head[: len(_MAGIC)] != _MAGIC:
        return None
    *identity, mtime, ctime = unpack_from(_NUMBERS, head, len(_MAGIC))
    index = decode(take, MAX_MESSAGES)
    if os.read(fd, calcsize(_CHECK) + 1) != pack(_CHECK, check):
        return None
    status = file.status()
    if index is None or not len(index) or index.size > status.st_size or not file.is_it(*identity) or not _is_bounded(index):
        return None
    if index.contents:
        from ..index import copies  # noqa: F401 - an update will need it, in the version that this session began with
    index.saved = (index.size, mtime, ctime) == (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return index


def _is_bounded(index: Index) -> bool:
    """Whether no size is negative or above 2^56, which the highest octets tell, and the last message is within the mailbox.

    This costs half a millisecond in a large mailbox. To look at all positions would cost twenty.
    """
    highest = slice(7 if sys.byteorder == "little" else 0, None, 8)
    if index.octets.tobytes()[highest].count(0) != len(index):
        return False
    return 0 <= index.start[-1] <= index.size - MESSAGE_OCTETS and index.end[-1] <= index.size


def is_sound(index: Index) -> bool:
    """Whether the positions of an index that was loaded can be those of messages, one behind the other."""
    return (
        index.start[0] >= 0
        and min(map(sub, index.content, index.start)) >= _FROM_OCTETS
        and min(map(sub, index.end, index.content)) >= MESSAGE_OCTETS - _FROM_OCTETS
        and min(map(sub, index.start[1:], index.end), default=0) >= 0
    )


def save(state: State, file: MboxFile, index: "Index | Rest", mtime_ns: int, ctime_ns: int) -> None:
    """Keep `index` for the next login, with the times that the file had when it was made.

    Whatever goes wrong, there is none then: a full disk, say.
    """
    if state.why or not len(index):
        return
    new, name = state.name(b".index-new"), state.name(b".index")
    try:
        fd = state.create(new)
        try:
            head = _MAGIC + pack(_NUMBERS, *file.identity(), mtime_ns, ctime_ns)
            check = crc32(head)
            _write(fd, head)
            for part in index.parts():
                check = crc32(part, check)
                _write(fd, part)
            _write(fd, pack(_CHECK, check))
        finally:
            os.close(fd)
        state.rename(new, name)
    except OSError:
        drop(state)


def _write(fd: int, octets: bytes | memoryview) -> None:
    left = memoryview(octets).cast("B")
    while left:
        left = left[os.write(fd, left) :]


def drop(state: State) -> None:
    """There is no index any more."""
    try:
        state.remove([state.name(b".index-new"), state.name(b".index")])
    except OSError:
        pass
