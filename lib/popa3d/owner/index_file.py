"""What is known of a large mailbox, kept for the next login: a file in the state directory. A cache, never an authority.

It is believed if it is whole, and if the mailbox is the same file with the same size and times; if these differ, it is
compared with the mailbox (scan.scan_rest). Nothing is deleted before the mailbox itself was compared with it.

Runs as: the mailbox owner; `load` with the mailbox locked.
Trusts: nobody; the owner could write anything into it, and would deceive himself.
"""

import posix as os  # as os, without its start-up time
from _struct import calcsize, pack, unpack_from  # what the module struct is made of
from zlib import crc32

from ..params import MAX_MESSAGES
from . import index as indexes
from .index import ENTRY_OCTETS, Index
from .mboxfile import MboxFile
from .state import State

_MAGIC = b"popa3d index 02\n"
_NUMBERS = "=QQQqq"  # the file's identity, mtime and ctime in ns
_HEAD = len(_MAGIC) + calcsize(_NUMBERS)
_CHECK = "=I"
_MOST = _HEAD + (MAX_MESSAGES + 1) * ENTRY_OCTETS  # a little more than the longest


def load(state: State, file: MboxFile) -> Index | None:
    """The index of the mailbox as it was when it was saved; None if there is none of this file.

    `saved` says whether size and times are still what they were. Else the caller has to compare it with the file.
    """
    try:
        fd = state.open(state.name(b".index"))
    except OSError:
        return None
    try:
        octets = os.fstat(fd).st_size
        found = _read(fd, octets) if octets <= _MOST else b""
    except OSError:
        return None
    finally:
        os.close(fd)
    return _decode(memoryview(found), file) if len(found) > _HEAD else None


def _read(fd: int, octets: int) -> bytes:
    blocks = []
    while octets and (block := os.read(fd, octets)):
        blocks.append(block)
        octets -= len(block)
    return b"".join(blocks)


def _decode(found: memoryview, file: MboxFile) -> Index | None:
    whole = len(found) - calcsize(_CHECK)
    if found[: len(_MAGIC)] != _MAGIC or crc32(found[:whole]) != unpack_from(_CHECK, found, whole)[0]:
        return None
    *identity, mtime, ctime = unpack_from(_NUMBERS, found, len(_MAGIC))
    index = indexes.decode(found[_HEAD:whole])
    status = file.status()
    if index is None or not len(index) or index.size > status.st_size or not file.is_it(*identity):
        return None
    index.saved = (index.size, mtime, ctime) == (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return index


def save(state: State, file: MboxFile, index: Index, mtime_ns: int, ctime_ns: int) -> None:
    """Keep `index` for the next login, with the times that the file had when it was made.

    Whatever goes wrong, there is none then: a full disk, say.
    """
    if state.why or not len(index):
        return
    octets = _MAGIC + pack(_NUMBERS, *file.identity(), mtime_ns, ctime_ns) + index.encode()
    new, name = state.name(b".index-new"), state.name(b".index")
    try:
        fd = state.create(new)
        try:
            left = memoryview(octets + pack(_CHECK, crc32(octets)))
            while left:
                left = left[os.write(fd, left) :]
        finally:
            os.close(fd)
        state.rename(new, name)
    except OSError:
        drop(state)


def drop(state: State) -> None:
    """There is no index any more."""
    try:
        state.remove([state.name(b".index-new"), state.name(b".index")])
    except OSError:
        pass
