"""What the mailbox owner's program does without a client, for popa3d-recover and popa3d-migrate.

Runs as: the mailbox owner.
Trusts: root's record.
"""

from ..shared import log, record
from .loading import finish_any_update, open_file, reason_of
from .mailbox import Refused
from .mailbox.state_directory import State


def run(handover: record.Handover) -> int:
    """Do what the record asks for. Returns the exit status: 0, or 1 if something is not done."""
    if handover.recovery:
        return recover(handover)
    from . import migration

    return migration.migrate(handover)


def recover(handover: record.Handover) -> int:
    """popa3d-recover: finish an interrupted update, if there is one. Returns the exit status: 1 if that failed (logged)."""
    try:
        state = State(handover.state, handover.owner, handover.path)
        file = open_file(handover)
        try:
            if file.absent and state.has_journal():
                raise Refused("there is a journal of it, but no mailbox")
            if file.absent:
                return 0
            file.lock(exclusive=not file.read_only)
            return 0 if finish_any_update(file, state) else 1
        finally:
            file.close()
    except (Refused, OSError) as error:
        log.write(log.WARNING, f"Failed or refused to recover {log.name(handover.path)}: {reason_of(error)}")
        return 1
