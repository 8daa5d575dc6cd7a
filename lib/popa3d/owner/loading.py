"""Opening and loading a mailbox: its locks, an update that was left unfinished, and looking again while somebody writes.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import time

from ..shared import log
from ..shared.limits import LOCK_TIMEOUT_S, LOCKER_FD, LOOK_AGAIN_S, QUIET_S
from .mailbox import InUse, Refused, Unfinished
from .mailbox.changes import is_same_state, is_young
from .mailbox.file import MboxFile
from .mailbox.maildrop import WRITTEN_WITHOUT_LOCK, Maildrop
from .mailbox.state_directory import State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import os

    from ..shared import record


def open_file(handover: "record.Handover") -> MboxFile:
    """The mailbox that the record names. Raises Refused or OSError."""
    return MboxFile(handover.path, handover.locks, LOCKER_FD if handover.locker else -1)


def reason_of(error: Refused | OSError) -> str:
    """What the log says of an error."""
    return log.reason(error) if isinstance(error, OSError) else error.reason


def load(file: MboxFile, state: State, max_messages: int, max_octets: int) -> Maildrop:
    """The maildrop of a mailbox, which is unlocked again; one without messages if the file is absent.

    An unfinished update is finished first. While somebody seems to write without a lock, this looks again: until QUIET_S for
    the rest of the last message, until LOCK_TIMEOUT_S for a mailbox that is not valid. Raises Refused, InUse or OSError;
    then the mailbox may still be locked.
    """
    maildrop = Maildrop(file, state, max_messages, max_octets)
    start = time.monotonic()
    refusal = None
    while not file.absent:
        file.lock(exclusive=False, deadline=start + LOCK_TIMEOUT_S)
        finish_any_update(file, state)
        if state.has_id_map:
            _settle_id_map(file, state)
        status = file.status()
        try:
            if maildrop.parse(status, may_wait=time.monotonic() < start + QUIET_S):
                if state.has_id_map:
                    _show_old_ids(maildrop)
                file.unlock()
                return maildrop
        except Refused as failure:
            if not _is_worth_another_look(failure, refusal, file, status):
                raise
            refusal = failure
        file.unlock()
        if time.monotonic() >= start + LOCK_TIMEOUT_S:
            raise InUse(WRITTEN_WITHOUT_LOCK)
        time.sleep(LOOK_AGAIN_S)
        file.reopen()
    return Maildrop(file, state, max_messages, max_octets)


def _is_worth_another_look(refusal: Refused, before: Refused | None, file: MboxFile, status: "os.stat_result") -> bool:
    """Whether somebody may be writing the mailbox that was refused. With the same fault twice it is just bad.

    before: the refusal of the look before this one. status: the file's before it was parsed.
    """
    has_changed = not is_same_state(file.path_status(), status)
    if isinstance(refusal, Unfinished):
        return has_changed or is_young(status)
    return has_changed and (before is None or refusal.fault != before.fault)


def finish_any_update(file: MboxFile, state: State) -> bool:
    """Finish the update of a locked mailbox, if there is an unfinished one. See recovery.finish_update."""
    if not state.has_journal():
        return True
    from .update import recovery  # few logins find an unfinished update

    return recovery.finish_update(file, state)


def _settle_id_map(file: MboxFile, state: State) -> None:
    """The map of old unique-ids is that of the mailbox as it is now."""
    from .mailbox import kept_map  # for those who came from another server

    kept_map.settle(file, state)


def _show_old_ids(maildrop: Maildrop) -> None:
    """Show what is in that map."""
    from .mailbox import kept_map  # as above

    maildrop.shown_ids = kept_map.shown(maildrop)
