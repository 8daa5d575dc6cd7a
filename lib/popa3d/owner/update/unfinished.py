"""An update that an earlier session has left unfinished: it is finished before anybody reads the mailbox. Loaded only then.

Runs as: the mailbox owner, with the mailbox locked.
Trusts: nobody; a journal only as far as owner.update has checked it.
"""

from ...shared import log
from ..mailbox.file import MboxFile
from ..mailbox.state_directory import State
from . import removal


def finish(file: MboxFile, state: State) -> bool:
    """Finish the update of a locked mailbox that has a journal. False if that cannot be done, and need not be.

    Raises Refused, InUse or OSError if the mailbox may be in pieces. All is logged.
    """
    if not file.read_only:
        file.lock(exclusive=True)
    text = removal.recover(file, state)
    if text:
        log.write(log.WARNING, f"{log.name(file.path)}: {text}")
    return text in ("", removal.COMPLETED)
