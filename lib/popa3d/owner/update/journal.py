"""The journal of an update: what it will do, and how far it has come, so that a later session can finish it.

It is in a file (file_journal.py), or in the names of empty files on a disk without a free block (name_journal.py); both
classes have the same methods. Its contents are in records.py. Here is what both have in common.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: nobody.
"""

from ..mailbox.state_directory import State
from .file_journal import FileJournal
from .name_journal import NameJournal

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    Journal = FileJournal | NameJournal


def find_journal(state: State) -> "Journal":
    """The journal that an earlier session left, to be loaded. A file comes first: names may be left beside it. Raises OSError."""
    names = state.names(b".journal")
    if state.name(b".journal") in names:
        return FileJournal(state)
    return NameJournal(state, names)


def drop(state: State, sync: bool = False) -> None:
    """Remove the journal, which is of no use any more. sync: return when the disk has that. Raises OSError."""
    drop_names(state)
    state.remove(state.names(b".journal"))
    if sync:
        state.sync()


def try_to_drop(state: State, sync: bool = False) -> None:
    """As `drop`, but errors are ignored: the next session recognises a journal that is of no use.

    sync: must be true if nothing was changed, as the journal must not come back then.
    """
    try:
        drop(state, sync)
    except OSError:
        pass


def drop_names(state: State) -> None:
    """Remove a journal in names, but not one in a file. Raises OSError."""
    names = state.names(b".journal.")
    if names:
        state.remove([name for name in names if name.startswith(state.name(b".journal.at."))])
        state.sync()  # without its record, the rest has no meaning
        state.remove(names)


def put_aside(state: State) -> None:
    """Keep the journal for somebody to look at, in the place of one that was put aside before. Raises OSError."""
    state.remove(state.names(b".rejected"))
    journal = state.name(b".journal")
    for name in state.names(b".journal"):
        state.rename(name, state.name(b".rejected") + name[len(journal) :])
    state.sync()
