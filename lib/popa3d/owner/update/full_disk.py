"""A journal on a disk that may be full: with as much data as there is room for; with none; or in names.

Without data in the journal a step can only move octets into room that deleted messages left. That can take many steps, so
an update that would take too many is not begun.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: nobody.
"""

import errno
import posix as os  # as os, without its start-up time

from ...shared.limits import JOURNAL_DATA_OCTETS
from .file_journal import FileJournal
from .journal import drop_names
from .name_journal import NameJournal

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..mailbox.state_directory import State
    from .journal import Journal
    from .plan import Plan
    from .records import Head, Record
    from .steps import Update


def begin_journal(update: "Update", state: "State", head: "Head") -> "tuple[Journal, bytes]":
    """Begin the update: a journal, and the data in it. Raises OSError or Refused; then nothing has begun."""
    plan = update.plan
    for data_octets in (*_data_limits(), 0):
        if plan.is_slow(data_octets):
            break
        journal = FileJournal(state)
        data = update.data_for_step(plan.start, data_octets)
        try:
            journal.begin(head, update.record(plan.start, data), data)
            return journal, data
        except OSError as error:
            if not _is_full(error):
                raise
    _refuse_if_slow(plan)
    names = NameJournal(state)
    names.begin(head, update.record(plan.start))
    return names, b""


def write_data(update: "Update", journal: "Journal", done: int) -> bytes:
    """Write the data of the next step, if it needs any, into the journal; return them. Raises OSError or Refused.

    The newest record of the journal must have none.
    """
    for data_octets in _data_limits() if journal.holds_data else ():
        data = update.data_for_step(done, data_octets)
        try:
            if data:
                journal.write(update.record(done, data), data)
            return data
        except OSError as error:
            if not _is_full(error):
                raise
    _refuse_if_slow(update.plan)
    return b""


def move_into_file(names: "Journal", head: "Head", record: "Record") -> "Journal":
    """The same journal in a file, if there is room for one by now; else the one in names. Raises OSError."""
    state = names.state
    journal = FileJournal(state)
    try:
        journal.begin(head, record, b"")
    except OSError as error:
        if not _is_full(error) or state.name(b".journal") in state.names(b".journal"):
            raise  # a file that stays would be believed, and not what is written into the names
        return names
    try:
        drop_names(state)
    except OSError:
        journal.close()
        raise
    return journal


def _data_limits() -> tuple[int, int]:
    """How many octets of data to try, the most first."""
    return JOURNAL_DATA_OCTETS, JOURNAL_DATA_OCTETS // 64


def _is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _refuse_if_slow(plan: "Plan") -> None:
    if plan.is_slow(0):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
