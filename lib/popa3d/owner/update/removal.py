"""The UPDATE state, RFC 1939 section 6: the marked messages are taken out of the mailbox, in place, so that no crash loses mail.

Runs as: the mailbox owner.
Trusts: the index, which is compared with the mailbox once more.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import errno
import posix as os  # as os, without its start-up time
import resource

from ...shared.limits import JOURNAL_PLAN_OCTETS, MAX_MESSAGES
from ..mailbox import Refused
from .full_disk import begin_journal
from .journal import try_to_drop
from .kept_stream import result_check
from .plan import Plan, plan_removal
from .records import Head
from .steps import Update

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..mailbox.file import MboxFile
    from ..mailbox.maildrop import Maildrop


def remove(maildrop: "Maildrop", deleted: bytearray) -> None:
    """Remove each message i of the maildrop with deleted[i] == 1, and nothing else. The mailbox stays locked.

    All other octets stay, in their order: those before the first message and those delivered since, too. The inode stays, as
    a delivery agent may be waiting for its lock. Raises InUse, Refused, Changed or OSError; then nothing was changed, unless
    state.has_journal(): the next session finishes that.
    """
    if maildrop.file.read_only:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    maildrop.lock_for_update(deletes_last=deleted[-1] == 1)
    has_id_map = maildrop.state.has_id_map  # as it is now: popa3d-migrate may have been here
    if has_id_map:
        from ..mailbox import kept_map  # mostly it was loaded with the mailbox

        kept_map.save_next(maildrop, deleted)
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        _update(maildrop, deleted)
        if has_id_map:
            kept_map.adopt(maildrop.state)
    except (OSError, Refused):
        if has_id_map:
            kept_map.try_to_settle(maildrop.file, maildrop.state)
        raise
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _update(maildrop: "Maildrop", deleted: bytearray) -> None:
    """Update the locked mailbox."""
    file = maildrop.file
    status = file.status()
    plan = plan_removal(maildrop.index, deleted, status.st_size)
    if plan.final_size == plan.start:  # nothing is to be moved, so no journal is needed: the file is shortened or not
        file.shorten(plan.start)
        return
    _check_room(file, status, plan)
    file.sync()  # all that is moved must be on the disk, even mail that was delivered just now
    head = Head(file.identity(), 0, plan.encode())
    if len(head.plan) > JOURNAL_PLAN_OCTETS or len(plan.lengths) > 2 * MAX_MESSAGES:  # recovery would reject it
        raise Refused("too many separate messages to delete at once")
    head.check = result_check(file, plan, plan.start, b"", plan.final_size - plan.start)
    update = Update(file, plan)
    journal, data = begin_journal(update, maildrop.state, head)
    try:
        update.finish(journal, plan.start, data)
    except (OSError, Refused):
        # Some file systems (NFS) may report an error for a write that did change octets: then the journal is needed.
        if not file.has_written and maildrop.is_same():
            try_to_drop(maildrop.state, sync=True)
        raise
    finally:
        journal.close()


def _check_room(file: "MboxFile", status: os.stat_result, plan: Plan) -> None:
    """See to it that no write within the mailbox will fail for lack of room. Raises OSError if one would."""
    if status.st_blocks * 512 < status.st_size:  # a sparse file: writing into a hole of it needs blocks
        file.reserve(plan.start, plan.size - plan.start)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and limit < plan.size:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
