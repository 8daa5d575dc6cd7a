"""The UPDATE state, RFC 1939 section 6: take the marked messages out of the mailbox, in place, whatever happens meanwhile.

What stays is moved towards the start of the file, step by step; the journal tells where each step begins. A step either
moves octets into room that nobody needs any more (what was deleted, or moved before), or has its octets in the journal. So a
step that was interrupted can be done again. DESIGN.md has the whole, with pictures and with the reason for each sync.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: the index, which was just checked again; a journal only if it fits the mailbox.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import errno
import posix as os  # as os, without its start-up time

from ..params import JOURNAL_DATA_OCTETS, JOURNAL_PLAN_OCTETS, PARSE_OCTETS
from .journal import Head, Journal, Record, Unfit
from .mboxfile import Refused
from .plan import STAMP_OCTETS, Kept, Plan, check, decode, plan

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from .maildrop import Maildrop
    from .mboxfile import MboxFile
    from .state import State

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
    maildrop.lock_for_update()
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        status = file.status()
        what = plan(maildrop.index, deleted, status.st_size)
        if what.after == what.start:  # nothing is to be moved, and a cut is done or not
            file.cut(what.start)
            return
        if status.st_blocks * 512 < status.st_size:  # a file with holes: writing into one can fail
            file.allocate(what.start, what.end - what.start)
        file.sync()  # what is moved must be on the disk, mail that has just come, too
        journal, data = _begin(file, maildrop.state, what)
        try:
            _finish(file, what, journal, what.start, data)
        except OSError:
            if not file.written:
                _drop(journal)
            raise
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
        if what is None:
            _drop(journal)
            return ""
        if file.read_only:
            raise Refused("has an unfinished update, and its file system is read-only")
        file.sync()  # as above
        if record.stamp:
            journal.write(Record(record.done))  # what was delivered may go to where the stamp is
        _finish(file, what, journal, record.done, data)
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
    status = file.status()
    head = Head(status.st_dev, file.device(), status.st_ino, 0, what.encode())
    if len(head.plan) > JOURNAL_PLAN_OCTETS:
        raise OSError(errno.EFBIG, "too many separate messages to delete at once")
    head.check = check(file, what, what.start, b"", what.after - what.start)
    full = None
    for most in (JOURNAL_DATA_OCTETS, JOURNAL_DATA_OCTETS // 64, 0):
        if what.is_slow(most):
            break
        journal = Journal(state)
        data = _aside(Kept(file, what, what.start), what, what.start, most)
        try:
            journal.begin(head, Record(what.start, data), data)
            return journal, data
        except OSError as error:
            if error.errno not in _FULL:
                raise
            full = error
    if full is not None and not what.is_slow(0):
        journal = Journal(state)
        journal.begin_in_names(head, Record(what.start))
        return journal, b""
    raise full or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _aside(kept: Kept, what: Plan, done: int, most: int) -> bytes:
    """What has to be in the journal before it is moved to `done`: at most `most` octets, none if there is room enough."""
    room = what.place(done) - done - STAMP_OCTETS
    if room >= min(what.after - done, most // 4):
        return b""
    return kept.take(most)


def _finish(file: "MboxFile", what: Plan, journal: Journal, done: int, data: bytes) -> None:
    """All octets before `done` are in place, and the journal says so, and has `data` for what is next: do the rest."""
    kept = Kept(file, what, done + len(data))
    while True:
        if data:
            file.write(data, done)
            done += len(data)
        else:
            end = min(what.after, what.place(done) - STAMP_OCTETS)
            if end <= done < what.after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # seen before, so this is not our journal
            while done < end:
                block = kept.take(min(PARSE_OCTETS, end - done))
                file.write(block, done)
                done += len(block)
        size = file.status().st_size
        if done == what.after and size == what.end:
            break
        file.sync()
        if size > what.end:  # somebody delivers in spite of the lock: take that along
            what.extend(size)
            kept = Kept(file, what, done)
        journal.write(Record(done))
        data = _aside(kept, what, done, journal.room)
        if data:
            journal.write(Record(done, data), data)
    # A file that is cut and grows again must not be taken for one that was not cut yet: the stamp tells them apart. It is
    # unlike all that mail begins with.
    stamp = b"\xff" + os.urandom(min(STAMP_OCTETS, what.end - done) - 2) + b"\xff"
    file.write(stamp, done)
    file.sync()
    journal.write(Record(done, b"", stamp, what.end))
    file.cut(done)
    _drop(journal)


def _drop(journal: Journal) -> None:
    """The journal is of no use any more. One that stays is found to be so by the next session."""
    try:
        journal.drop()
    except OSError:
        pass


def _fitting(file: "MboxFile", head: Head, record: Record, data: bytes) -> Plan | None:
    """The plan of a journal, with all that the mailbox has by now; None if nothing of it is left to do. Raises Unfit."""
    status = file.status()
    what = decode(head.plan)
    if what is None:
        raise Unfit("damaged")
    if head.inode != status.st_ino & 2**64 - 1 or (head.device != status.st_dev and head.volume != file.device() & 2**64 - 1):
        raise Unfit("it is of another file")
    if record.stamp and file.read(len(record.stamp), record.done) != record.stamp:
        return None  # it was cut
    octets = what.after - what.start
    end = record.end if record.stamp else what.end
    if status.st_size < end or end < what.end or record.done < what.start:
        raise Unfit("the mailbox is too short")
    what.extend(status.st_size)
    if record.done + len(data) > what.after or check(file, what, record.done, data, octets) != head.check:
        raise Unfit("the mailbox has changed")
    return what
