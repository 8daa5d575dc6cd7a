"""The map of old unique-ids (index/id_map.py), as a file in the state directory. Deleted messages leave it.

popa3d-migrate makes it, once. It may be missing, and then popa3d's unique-ids are shown.

It is bound to its owner and the mailbox's path, and not to the file, as the kept index is: it knows messages by unique-ids that
come from their headers, and must survive a restored mailbox, or one that another program has written anew.

An update must not lose it, nor leave it half-written, whenever the session ends. So the map of what will remain is written and
synced first, under another name, with a CRC-32 of the mailbox before. Afterwards it is renamed. If a later session finds it
under that name, the mailbox tells whether the update came about.

Runs as: the mailbox owner, with the mailbox locked.
Trusts: nobody; the owner could write anything into the file, but would only deceive themselves.
"""

import _md5
import posix as os  # as os, without its start-up time
from _struct import calcsize, pack, unpack_from  # what the module struct is made of
from zlib import crc32

from ...shared import log
from ...shared.limits import COPY_OCTETS, MAX_MESSAGES
from ...shared.migration_limits import UNIQUE_ID_OCTETS
from ..index import copies
from ..index.id_map import IdMap, ShownIds, ids_after
from ..index.unique_id import ID_OCTETS
from .file import MboxFile
from .scan import checksum
from .state_directory import ID_MAP, NEXT_ID_MAP, State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from .maildrop import Maildrop

_NEW, _REJECTED = b".ids-new", b".ids-rejected"

# The file: a head, then popa3d's unique-ids, lengths and texts, as in IdMap, then a CRC-32 of all that.
_MAGIC = b"popa3d id map 1\n"
_HEAD = ">16s16sQQQI"  # _MAGIC, owner and path, messages, octets of text; size and check of the mailbox before, or 0
_HEAD_OCTETS = calcsize(_HEAD)
_CHECK = ">I"


class _Unfit(Exception):
    """The file is damaged, of another mailbox, or not the owner's alone."""


class _Stored:
    """What is in the file. size, check: of the mailbox before the update, where it is the map of what remains after that."""

    __slots__ = ("check", "id_map", "size")

    def __init__(self, id_map: IdMap, size: int = 0, check: int = 0) -> None:
        self.id_map = id_map
        self.size = size
        self.check = check


def settle(file: MboxFile, state: State) -> None:
    """After an update that may have been interrupted, and is finished by now if it was begun: keep the map that fits.

    Raises OSError.
    """
    stored = _load(file, state, NEXT_ID_MAP)
    if stored is None:
        return
    if checksum(file, 0, stored.size) == stored.check:
        state.remove([state.name(NEXT_ID_MAP)])
    else:
        adopt(state)


def try_to_settle(file: MboxFile, state: State) -> None:
    """As `settle`, after an update that has failed; unless a journal says that it will be finished. Errors are ignored."""
    try:
        if not state.has_journal():
            settle(file, state)
    except OSError:
        pass  # the next session will do it


def shown(maildrop: "Maildrop") -> ShownIds | None:
    """The unique-ids to show, or None: there is no map of this mailbox. Raises OSError."""
    stored = _load(maildrop.file, maildrop.state, ID_MAP)
    if stored is None:
        return None
    if not len(stored.id_map):  # the last message with an old unique-id is gone
        maildrop.state.remove([maildrop.state.name(ID_MAP)])
        return None
    return ShownIds(maildrop.index.ids, stored.id_map)


def examine(file: MboxFile, state: State) -> tuple[IdMap | None, str]:
    """The map, or why the next session would put it aside; neither if there is none. Changes nothing. Raises OSError."""
    try:
        return _open(file, state, ID_MAP).id_map, ""
    except FileNotFoundError:
        return None, ""
    except _Unfit as unfit:
        return None, str(unfit)


def save(file: MboxFile, state: State, id_map: IdMap) -> None:
    """Keep a map. When this returns, the disk has it. Raises OSError: then there is none, or the one that was there before."""
    _save(file, state, ID_MAP, _Stored(id_map))


def drop(state: State) -> bool:
    """Remove the map; whether there was one. Raises OSError."""
    state.has_journal()  # to look what there is
    if state.has_id_map:
        state.remove([state.name(suffix) for suffix in (ID_MAP, NEXT_ID_MAP, _NEW)])
        state.sync()
    return state.has_id_map


def save_next(maildrop: "Maildrop", deleted: bytearray) -> None:
    """Before an update: write the map of what remains, for `adopt`, or for `settle` if the update is interrupted.

    If that fails (logged), deleted messages stay in the map: a full disk must not keep anybody from deleting mail.
    """
    file, state, index = maildrop.file, maildrop.state, maildrop.index

    def digest_of(number: int) -> bytes:
        start, octets = index.content[number], index.end[number] - index.content[number]
        return copies.content_digest(file.read(min(COPY_OCTETS, octets), start), octets, index.crlf)

    try:
        stored = _load(file, state, ID_MAP)
        if stored is not None:
            remaining = stored.id_map.aligned(index.ids).after(deleted, ids_after(index, deleted, digest_of))
            _save(file, state, NEXT_ID_MAP, _Stored(remaining, index.size, index.check))
    except OSError as error:
        log.write(log.WARNING, f"{log.name(file.path)}: deleted messages stay in the map of unique-ids: {error.strerror}")


def adopt(state: State) -> None:
    """After an update: the map of what remains is the map. An error is ignored: `settle` will see to it."""
    try:
        state.rename(state.name(NEXT_ID_MAP), state.name(ID_MAP))
    except OSError:
        pass


def _load(file: MboxFile, state: State, suffix: bytes) -> _Stored | None:
    """What is in the file, or None if there is none. One that cannot be used is put aside, so that it is logged once.

    Raises OSError.
    """
    try:
        return _open(file, state, suffix)
    except FileNotFoundError:
        return None
    except _Unfit as unfit:
        _put_aside(file, state, suffix, str(unfit))
    return None


def _open(file: MboxFile, state: State, suffix: bytes) -> _Stored:
    """What is in the file. Raises _Unfit or OSError."""
    try:
        fd = state.open(state.name(suffix))
    except PermissionError as error:
        raise _Unfit(error.strerror or "") from None
    try:
        return _read(fd, file)
    finally:
        os.close(fd)


def _put_aside(file: MboxFile, state: State, suffix: bytes, reason: str) -> None:
    """Rename a file that cannot be used. Raises OSError."""
    log.write(log.WARNING, f"{log.name(file.path)}: the map of unique-ids is not used: {reason}")
    state.remove([state.name(_REJECTED)])
    state.rename(state.name(suffix), state.name(_REJECTED))


def _binding(file: MboxFile) -> bytes:
    """Whose mailbox it is, and where."""
    digest: bytes = _md5.md5(b"%d %s" % (os.getuid(), file.path)).digest()
    return digest


def _read(fd: int, file: MboxFile) -> _Stored:
    """What is in an open file. Raises _Unfit or OSError."""
    head = os.read(fd, _HEAD_OCTETS)
    if len(head) < _HEAD_OCTETS:
        raise _Unfit("damaged")
    magic, binding, count, text_octets, size, check = unpack_from(_HEAD, head)
    if magic != _MAGIC or count > MAX_MESSAGES or text_octets > count * UNIQUE_ID_OCTETS:
        raise _Unfit("damaged")
    octets = count * (ID_OCTETS + 1) + text_octets
    data = _read_all(fd, octets + calcsize(_CHECK) + 1)
    if data[octets:] != pack(_CHECK, crc32(data[:octets], crc32(head))):
        raise _Unfit("damaged")
    if binding != _binding(file):
        raise _Unfit("it is of another mailbox")
    ids, lengths = data[: count * ID_OCTETS], data[count * ID_OCTETS : count * (ID_OCTETS + 1)]
    id_map = IdMap(ids, lengths, data[count * (ID_OCTETS + 1) : octets])
    if not id_map.is_sound():
        raise _Unfit("damaged")
    return _Stored(id_map, size, check)


def _read_all(fd: int, octets: int) -> bytes:
    """At most so many octets, fewer at the end of the file."""
    data = b""
    while len(data) < octets and (more := os.read(fd, octets - len(data))):
        data += more
    return data


def _save(file: MboxFile, state: State, suffix: bytes, stored: _Stored) -> None:
    """Write a file whole, and return when the disk has it under that name. Raises OSError."""
    id_map = stored.id_map
    head = pack(_HEAD, _MAGIC, _binding(file), len(id_map), len(id_map.text), stored.size, stored.check)
    data = b"".join((head, id_map.ids, id_map.lengths, id_map.text))
    new = state.name(_NEW)
    try:
        fd = state.create(new)
        try:
            _write(fd, data + pack(_CHECK, crc32(data)))
            os.fsync(fd)
        finally:
            os.close(fd)
        state.rename(new, state.name(suffix))
        state.sync()
    except OSError:
        state.undo([new])
        raise


def _write(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
