"""An update that an earlier session left unfinished is finished before anybody reads the mailbox. Loaded only then.

Runs as: the mailbox owner, with the mailbox locked.
Trusts: nobody; a journal is believed only if the mailbox has all of its checksums.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time

from ...shared import log
from ..mailbox import Refused
from . import full_disk
from .journal import drop, find_journal, put_aside, try_to_drop
from .kept_stream import result_check
from .plan import Plan, decode_plan
from .records import Head, Record, Unfit
from .steps import Update

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..mailbox.file import MboxFile
    from ..mailbox.state_directory import State
    from .journal import Journal


class Outcome:
    """What became of a journal. is_settled: it was finished, or of no use; else it did not fit. report: for the log, or empty."""

    __slots__ = ("is_settled", "report")

    def __init__(self, is_settled: bool, report: str) -> None:
        self.is_settled = is_settled
        self.report = report


def finish_update(file: "MboxFile", state: "State") -> bool:
    """Finish the update of a locked mailbox that has a journal. False if the journal does not fit, and was put aside.

    Raises Refused, InUse or OSError if the mailbox may be inconsistent. The outcome is logged.
    """
    if not file.read_only:
        file.lock(exclusive=True)
    outcome = recover(file, state)
    if outcome.report:
        log.write(log.WARNING, f"{log.name(file.path)}: {outcome.report}")
    return outcome.is_settled


def recover(file: "MboxFile", state: "State") -> Outcome:
    """Finish the update that the journal describes, if it fits the mailbox; else put the journal aside.

    Raises Refused or OSError if neither can be done: then the mailbox may be inconsistent.
    """
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        journal = find_journal(state)
        try:
            return _resume(file, state, journal)
        except Unfit as failure:
            return _put_aside(state, failure.reason)
        finally:
            journal.close()
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _resume(file: "MboxFile", state: "State", journal: "Journal") -> Outcome:
    """Finish the update. Raises Unfit, Refused or OSError."""
    content = journal.load()
    if content is None:
        drop(state)
        return Outcome(is_settled=True, report="")
    head, record, data = content
    plan = _unfinished_plan(file, head, record, data)
    if file.read_only and plan is not None:
        raise Refused("has an unfinished update, and its file system is read-only")
    # The session that wrote all this may have been killed before the disk had it.
    if not file.read_only:
        file.sync()
    if plan is None:
        try_to_drop(state)
        return Outcome(is_settled=True, report="")
    journal.sync()
    _go_on(Update(file, plan), journal, head, record, data)
    return Outcome(is_settled=True, report="An unfinished update was completed")


def _go_on(update: Update, journal: "Journal", head: Head, record: Record, data: bytes) -> None:
    """Do what is left of the update, with the journal in a file if there is room for one by now."""
    done = record.done
    current = journal if journal.holds_data else full_disk.move_into_file(journal, head, update.record(done))
    try:
        if record.stamp and current is journal:
            current.write(update.record(done))  # mail that was delivered since may be moved to where the stamp is
        update.finish(current, done, data or full_disk.write_data(update, current, done))
    finally:
        current.close()


def _unfinished_plan(file: "MboxFile", head: Head, record: Record, data: bytes) -> Plan | None:
    """The plan of what is left to do, which keeps what was delivered since; None if the update was finished.

    Raises Unfit if the journal is not of this mailbox as it is now, Refused or OSError.
    """
    status = file.status()
    plan = decode_plan(head.plan)
    if plan is None or record.size < plan.size or not plan.start <= record.done <= record.size:
        raise Unfit("damaged")
    if not file.matches(*head.identity):
        raise Unfit("it is of another file")
    if status.st_size < record.done:
        raise Unfit("the mailbox is too short")
    if record.stamp and file.read(len(record.stamp), record.done) != record.stamp:
        return None  # the file was shortened
    if status.st_size < record.size:
        raise Unfit("the mailbox is too short")
    result_octets = plan.final_size - plan.start  # as the update began; head.check is of these
    plan.extend(record.size)
    rest_check = Update(file, plan).rest_check
    if record.done + len(data) > plan.final_size or record.rest_check != rest_check(record.done, len(data), record.stamp != b""):
        raise Unfit("the mailbox has changed")
    if result_check(file, plan, record.done, data, result_octets) != head.check:
        raise Unfit("the mailbox has changed")
    plan.extend(status.st_size)
    return plan


def _put_aside(state: "State", reason: str) -> Outcome:
    try:
        put_aside(state)
        report = f"A journal that does not fit the mailbox was put aside: {reason}"
    except OSError as error:
        report = f"A journal that does not fit the mailbox ({reason}) cannot be put aside: {error.strerror}"
    return Outcome(is_settled=False, report=report)
