"""Where the index of a large mailbox comes from: from the file, or kept by an earlier session; and keeping it.

Runs as: the mailbox owner, with the mailbox locked (`keep_rest`: unlocked).
Trusts: nobody; an index that was kept is bounded when it is loaded, and checked before anything is deleted by it.
"""

from ...shared.limits import HEADER_LINE_OCTETS, INDEX_OCTETS
from ..index import METADATA_SUBJECT
from ..index.index import Index
from ..index.remaining import Remaining
from . import Refused, kept_index
from .file import MboxFile
from .scan import build_index, checksum, extend_index
from .state_directory import State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from .maildrop import Maildrop


class Source:
    """An index, and how far it can be relied on.

    is_verified: it was made from the file, or compared with all of it. was_kept: an earlier session kept it, or its first part.
    """

    __slots__ = ("index", "is_verified", "was_kept")

    def __init__(self, index: Index, is_verified: bool, was_kept: bool) -> None:
        self.index = index
        self.is_verified = is_verified
        self.was_kept = was_kept


def obtain(file: MboxFile, state: State, size: int, max_messages: int) -> Source:
    """The index of the file's first `size` octets, from a kept one as far as that is still true. Raises Refused or OSError."""
    kept = kept_index.load(state, file)
    if kept is not None and kept.saved and len(kept) <= max_messages:
        return Source(kept, is_verified=False, was_kept=True)
    index = None
    if kept is not None and 1 < len(kept) <= max_messages:
        try:
            index = extend_index(file, size, max_messages, kept)
        except Refused:
            pass  # its last message was not whole when it was kept
    if index is not None:
        return Source(index, is_verified=True, was_kept=True)
    kept = None  # its memory is needed
    return Source(build_index(file, size, max_messages), is_verified=True, was_kept=False)


def keep(maildrop: "Maildrop") -> None:
    """Keep the index for the next login. Failures are ignored: then there is none."""
    status = maildrop.seen
    if status is not None and not maildrop.index.saved:
        kept_index.save(maildrop.state, maildrop.file, maildrop.index, status.st_mtime_ns, status.st_ctime_ns)
        maildrop.index.saved = True


def keep_rest(maildrop: "Maildrop", deleted: bytearray) -> None:
    """Keep the index of what is left of a mailbox after each message i with deleted[i] == 1 was removed.

    The mailbox is unlocked; if anybody has written to it since the update, nothing is kept. The next login will compare the
    index with the mailbox, as it is kept without the mailbox's times. Failures are ignored: then there is none.
    """
    if maildrop.state.is_missing:
        return
    if deleted.count(0) < 2 or not maildrop.index.knows_all_copies():
        return
    index = Remaining(maildrop.index, deleted)
    if index.size < INDEX_OCTETS:
        return
    try:
        # The first message now may be another one. It decides about the line ends, and may be one to be hidden.
        header = maildrop.file.read(2 + HEADER_LINE_OCTETS, index.content - 2)
        index.check = checksum(maildrop.file, 0, index.size)
    except OSError:
        return
    if METADATA_SUBJECT in header and not index.hidden:
        return
    if header.startswith(b"\r") == index.crlf and maildrop.is_untouched():
        kept_index.save_remaining(maildrop.state, maildrop.file, index)
