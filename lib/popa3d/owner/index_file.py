"""What is known of a large mailbox, kept for the next login: a file in the state directory. A cache, never an authority.

It is believed if it is whole, and if the mailbox is the same file with the same size and times; if these differ, it is
compared with the mailbox (scan.scan_rest). Nothing is deleted before the mailbox itself was compared with it.

Runs as: the mailbox owner, with the mailbox locked.
Trusts: nobody; the owner could write anything into it, and would deceive himself.
"""

import posix as os
from zlib import crc32

from ..params import INDEX_OCTETS, MAX_MESSAGES
from . import unique_id
from .index import Index
from .mboxfile import MboxFile
from .state import State

_MAGIC = b"popa3d index 01\n"
_NUMBERS = 9
_HEAD = len(_MAGIC) + 8 * _NUMBERS
_CHECK = 4
_A_MESSAGE = 4 * 8 + unique_id.OCTETS


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
        if not _HEAD + _CHECK <= octets <= _HEAD + _CHECK + MAX_MESSAGES * _A_MESSAGE:
            return None
        found = _read(fd, octets)
    except OSError:
        return None
    finally:
        os.close(fd)
    return _decode(found, file)


def _read(fd: int, octets: int) -> bytes:
    blocks = []
    while octets and (block := os.read(fd, octets)):
        blocks.append(block)
        octets -= len(block)
    return b"".join(blocks)


def _decode(found: bytes, file: MboxFile) -> Index | None:
    view = memoryview(found)
    if found[: len(_MAGIC)] != _MAGIC or crc32(view[:-_CHECK]).to_bytes(_CHECK, "big") != found[-_CHECK:]:
        return None
    numbers = [int.from_bytes(found[i : i + 8], "big") for i in range(len(_MAGIC), _HEAD, 8)]
    device, volume, inode, size, mtime, ctime, count, crlf, check = numbers
    status = file.status()
    if inode != status.st_ino or (device != status.st_dev and volume != file.device() & 2**64 - 1) or size > status.st_size:
        return None
    if not count or len(found) != _HEAD + count * _A_MESSAGE + _CHECK:
        return None
    index = Index()
    index.size, index.crlf, index.check = size, bool(crlf), check
    columns = [view[_HEAD + i * 8 * count : _HEAD + (i + 1) * 8 * count].cast("q") for i in range(4)]
    index.start, index.content, index.end, index.octets = columns
    index.ids = bytes(view[_HEAD + 32 * count : -_CHECK])
    index.saved = (size, mtime, ctime) == (status.st_size, status.st_mtime_ns & 2**64 - 1, status.st_ctime_ns & 2**64 - 1)
    return index


def save(state: State, file: MboxFile, index: Index, seen: tuple[int, ...]) -> None:
    """Keep `index` for the next login. seen: size, mtime and ctime of the file (ns) when it was made.

    Whatever goes wrong, there is none then: a full disk, say.
    """
    if index.size < INDEX_OCTETS or state.why or not len(index):
        return
    status = file.status()
    numbers = (status.st_dev, file.device(), status.st_ino, *seen, len(index), index.crlf, index.check)
    parts = [_MAGIC, *((number & 2**64 - 1).to_bytes(8, "big") for number in numbers)]
    parts += [column.tobytes() for column in (index.start, index.content, index.end, index.octets)]
    parts.append(index.ids)
    octets = b"".join(parts)
    new, name = state.name(b".index-new"), state.name(b".index")
    try:
        fd = state.create(new)
        try:
            left = memoryview(octets + crc32(octets).to_bytes(_CHECK, "big"))
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
