"""The UPDATE state, RFC 1939 section 6: take the marked messages out of the mailbox, in place, whatever happens meanwhile.

What stays is moved towards the start of the file, step by step; the journal tells where each step begins. A step either
moves octets into room that nobody needs any more (what was deleted, or moved before), or has its octets in the journal. So a
step that was interrupted can be done again. docs/UPDATE.md has the whole, with pictures and the reason for each sync.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: the index, which was just checked again; a journal only if it fits the mailbox.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import errno
import posix as os  # as os, without its start-up time
import resource
from zlib import crc32

from ...shared.limits import JOURNAL_DATA_OCTETS, JOURNAL_PLAN_OCTETS, MAX_MESSAGES, PARSE_OCTETS
from ..mailbox.failures import Refused
from .journal import REST_OCTETS, Head, Journal, Record, Unfit
from .plan import STAMP_OCTETS, Kept, Plan, check, decode, plan

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..mailbox.file import MboxFile
    from ..mailbox.maildrop import Maildrop
    from ..mailbox.state_directory import State

COMPLETED = "An unfinished update was completed"

_FULL = (errno.ENOSPC, errno.EDQUOT)


def remove(maildrop: "Maildrop", deleted: bytearray) -> None:
    """Remove each message i of the maildrop for which deleted[i] is 1, and nothing else.

    All other octets stay in their order: what is before the first message, and what was delivered since. The inode stays
    too, since a delivery agent may be waiting for its lock. Raises InUse, Changed or OSError; then nothing was changed,
    unless state.has_journal(): the next session finishes that.
    """
    file = maildrop.file
    if file.read_only:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    maildrop.lock_for_update(deleted[-1] == 1)
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        status = file.status()
        what = plan(maildrop.index, deleted, status.st_size)
        if what.after == what.start:  # nothing is to be moved, and a cut is done or not
            file.shorten(what.start)
            return
        if status.st_blocks * 512 < status.st_size:  # a file with holes: writing into one can fail
            file.reserve(what.start, what.end - what.start)
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY and limit < what.end:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))  # it would be met in the middle
        file.sync()  # what is moved must be on the disk, mail that has just come, too
        journal, data = _begin(file, maildrop.state, what)
        try:
            _finish(file, what, journal, what.start, data)
        except OSError:
            # Some file systems (NFS) may report an error of a write that has changed octets: then the journal is needed.
            if not file.has_written and maildrop.is_same():
                _drop(journal, sync=True)
            raise
        finally:
            journal.close()
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def recover(file: "MboxFile", state: "State") -> str:
    """Finish what a journal says, if it fits the mailbox; else put it aside. What was done, for the log, or nothing.

    Raises Refused or OSError if it can be neither: then the mailbox is in pieces.
    """
    journal = Journal(state)
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        found = journal.load()
        if found is None:
            journal.drop()
            return ""
        head, record, data = found
        what = _fitting(file, head, record, data)
        if file.read_only and what is not None:
            raise Refused("has an unfinished update, and its file system is read-only")
        # Whoever wrote all this may have been killed before the disk had it.
        if not file.read_only:
            file.sync()
        if what is None:
            _drop(journal)
            return ""
        journal.sync()
        found_in = journal
        if journal.in_names:
            journal = _in_a_file(journal, state, head, _record(file, what, record.done))
        if record.stamp and journal is found_in:
            journal.write(_record(file, what, record.done))  # what was delivered may go to where the stamp is
        _finish(file, what, journal, record.done, data or _set_aside(file, what, journal, record.done))
        return COMPLETED
    except Unfit as why:
        try:
            journal.put_aside()
        except OSError as error:
            return f"A journal that does not fit the mailbox ({why}) cannot be put aside: {error.strerror}"
        return f"A journal that does not fit the mailbox was put aside: {why}"
    finally:
        journal.close()
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _begin(file: "MboxFile", state: "State", what: Plan) -> tuple[Journal, bytes]:
    """A journal that has begun, and the data of its first record. With a full disk, less data; or none."""
    head = Head(file.identity(), 0, what.encode())
    if len(head.plan) > JOURNAL_PLAN_OCTETS or len(what.lengths) > 2 * MAX_MESSAGES:  # what recovery would not take
        raise OSError(errno.EFBIG, "too many separate messages to delete at once")
    head.check = check(file, what, what.start, b"", what.after - what.start)
    for most in (*_sizes(), 0):
        if what.is_slow(most):
            break
        journal = Journal(state)
        data = _next(file, what, what.start, most)
        try:
            journal.begin(head, _record(file, what, what.start, data), data)
            return journal, data
        except OSError as error:
            if error.errno not in _FULL:
                raise
    if what.is_slow(0):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    journal = Journal(state)
    journal.begin_in_names(head, _record(file, what, what.start))
    return journal, b""


def _in_a_file(names: Journal, state: "State", head: Head, record: Record) -> Journal:
    """The journal that is in names as a file, now that there may be room for one."""
    journal = Journal(state)
    try:
        journal.begin(head, record, b"")
    except OSError as error:
        if error.errno not in _FULL or state.name(b".journal") in state.names(b".journal"):
            raise  # a file that stays would be believed, and not what comes into the names
        return names
    try:
        names.drop_names()
    except OSError:
        journal.close()
        raise
    return journal


def _sizes() -> tuple[int, int]:
    """How much data a journal may have, the most first: a disk may be almost full."""
    return JOURNAL_DATA_OCTETS, JOURNAL_DATA_OCTETS // 64


def _record(file: "MboxFile", what: Plan, done: int, data: bytes = b"", stamp: bytes = b"") -> Record:
    """The record for `done`, with a check of the last octets that the step from there on leaves alone."""
    return Record(done, data, stamp, what.end, _rest(file, what, done, len(data), bool(stamp)))


def _rest(file: "MboxFile", what: Plan, done: int, length: int, stamped: bool) -> int:
    start = done + length + STAMP_OCTETS if length or stamped else what.place(done)
    start = max(start, what.end - REST_OCTETS)
    return crc32(file.read(max(0, what.end - start), start))


def _next(file: "MboxFile", what: Plan, done: int, most: int) -> bytes:
    """What has to be in the journal before it is moved to `done`: at most `most` octets, none if there is room enough."""
    room = what.place(done) - done - STAMP_OCTETS
    if room >= min(what.after - done, most // 4):
        return b""
    return Kept(file, what, done).take(most)


def _set_aside(file: "MboxFile", what: Plan, journal: Journal, done: int) -> bytes:
    """The same, put into the journal, whose last record has none. A full disk takes less, or none."""
    for most in () if journal.in_names else _sizes():
        data = _next(file, what, done, most)
        try:
            if data:
                journal.write(_record(file, what, done, data), data)
            return data
        except OSError as error:
            if error.errno not in _FULL:
                raise
    if what.is_slow(0):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return b""


def _finish(file: "MboxFile", what: Plan, journal: Journal, done: int, data: bytes) -> None:
    """All octets before `done` are in place, and the journal says so, and has `data` for what is next: do the rest."""
    while True:
        done = _step(file, what, done, data)
        size = file.status().st_size
        if done == what.after and size == what.end:
            # A file that is cut and grows again must not be taken for one that was not cut yet: the stamp tells them
            # apart. It is unlike all that mail begins with.
            stamp = b"\xff" + os.urandom(min(STAMP_OCTETS, what.end - done) - 2) + b"\xff"
            file.write(stamp, done)
            file.sync()
            journal.write(_record(file, what, done, b"", stamp))
            size = file.status().st_size
            if size == what.end:
                break
        file.sync()  # the record will say that all of it is on the disk, what was just delivered, too
        if size < what.end:
            raise OSError(errno.EIO, "the mailbox became shorter")
        if size > what.end:  # somebody delivers in spite of the lock: take that along
            what.extend(size)
        journal.write(_record(file, what, done))
        data = _set_aside(file, what, journal, done)
    file.shorten(done)
    _drop(journal)


def _step(file: "MboxFile", what: Plan, done: int, data: bytes) -> int:
    """Write `data` to `done`; if there are none, as much as there is room for. The place behind it."""
    if data:
        file.write(data, done)
        return done + len(data)
    kept = Kept(file, what, done)
    end = min(what.after, what.place(done) - STAMP_OCTETS)
    while done < end:
        block = kept.take(min(PARSE_OCTETS, end - done))
        file.write(block, done)
        done += len(block)
    return done


def _drop(journal: Journal, sync: bool = False) -> None:
    """The journal is of no use any more. One that stays is found to be so by the next session.

    sync: but if nothing was changed, it must not come back.
    """
    try:
        journal.drop(sync)
    except OSError:
        pass


def _fitting(file: "MboxFile", head: Head, record: Record, data: bytes) -> Plan | None:
    """The plan of a journal, with all that the mailbox has by now; None if nothing of it is left to do. Raises Unfit."""
    status = file.status()
    what = decode(head.plan)
    if what is None or record.end < what.end or not what.start <= record.done <= record.end:
        raise Unfit("damaged")
    if not file.matches(*head.identity):
        raise Unfit("it is of another file")
    if status.st_size < record.done:
        raise Unfit("the mailbox is too short")
    if record.stamp and file.read(len(record.stamp), record.done) != record.stamp:
        return None  # it was cut
    if status.st_size < record.end:
        raise Unfit("the mailbox is too short")
    octets = what.after - what.start
    what.extend(record.end)
    if record.done + len(data) > what.after or record.rest != _rest(file, what, record.done, len(data), bool(record.stamp)):
        raise Unfit("the mailbox has changed")
    if check(file, what, record.done, data, octets) != head.check:
        raise Unfit("the mailbox has changed")
    what.extend(status.st_size)
    return what
