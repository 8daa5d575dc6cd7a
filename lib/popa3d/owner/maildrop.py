"""The maildrop: a mailbox file whose messages are known, and stay what they are or the session ends.

Locks are held while the file is parsed, updated, or looked at again, not in between. In between every block that is read
is checked before anybody sees it: only growth by appending is fine.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import time

from .. import log
from ..params import CLOCK_TICK_NS, HEADER_LINE_OCTETS, INDEX_OCTETS, PARSE_OCTETS, WRITE_OCTETS
from .index import Index, Rest
from .mbox import SUBJECT, Parser
from .mboxfile import MboxFile, Refused
from .scan import checked, scan, scan_rest
from .state import State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import os


class Changed(Exception):
    """The mailbox is not what it was, and not just longer: whatever is known of it is worth nothing now."""


class Maildrop:
    """A mailbox that was loaded: its index stays true, or Changed is raised."""

    def __init__(self, file: MboxFile, state: State, max_messages: int, max_octets: int) -> None:
        """Finish an update that was not; then parse the mailbox. Raises Refused, InUse or OSError."""
        self.file = file
        self.state = state
        self.index = Index()
        self._max_messages = max_messages
        self._verified = True  # the index was made from the file, or compared with all of it
        self._seen: tuple[int, ...] = ()
        if file.absent:
            return
        file.lock(exclusive=False)
        recover(file, state)
        status = file.status()
        if status.st_size > max_octets:
            raise Refused(f"larger than {max_octets} octets")
        _settle(status)
        self.index = self._load(status.st_size)
        self._seen = _identity(file.status())
        if self._seen != _identity(status):
            raise Refused("written to in spite of its lock")
        file.unlock()

    def content(self, i: int, first: int = 0) -> "bytes":
        """At most WRITE_OCTETS of message `i` (from 0) as they are in the file, from `first` on; empty at its end.

        Raises Changed before a wrong octet is returned, InUse if that cannot be told, and OSError.
        """
        block = self.unchecked(i, first)
        # What was read is right if the file is as it was *afterwards*: a write shows in the times before its octets do.
        if not self.is_untouched():
            self.file.lock(exclusive=False)
            try:
                self._compare()
                block = self.unchecked(i, first)  # the other one is of a time when we had no lock
                self._still_settled()
            finally:
                self.file.unlock()
        if not block and self.index.content[i] + first < self.index.end[i]:
            raise Changed
        return block

    def unchecked(self, i: int, first: int = 0) -> bytes:
        """The same, not checked: right if the mailbox `is_untouched` afterwards, and the block is as long as it should be."""
        start = self.index.content[i] + first
        return self.file.read(min(WRITE_OCTETS, self.index.end[i] - start), start)

    def is_untouched(self) -> bool:
        """Whether nobody has written to the mailbox since it was looked at last."""
        status = self.file.named()
        return status is not None and _identity(status) == self._seen

    def lock_for_update(self) -> None:
        """Lock the mailbox exclusively until it is closed, and check it once more. Raises InUse, Changed or OSError."""
        self.file.lock(exclusive=True)
        if not self.is_untouched():
            self._compare()
            self._still_settled()
        if self.state.has_journal() or not (self._verified or self.is_same()):
            raise Changed
        added = Parser(self._max_messages)
        place = self.index.size
        while not (added.refused or added.begun) and (block := self.file.read(PARSE_OCTETS, place)):
            added.feed(block)
            place += len(block)
        added.finish()
        if added.refused and not added.begun:
            raise Changed  # it could not stand at the start of a mailbox

    def save_index(self) -> None:
        """Keep the index of a large mailbox for the next login."""
        if self.index.size >= INDEX_OCTETS and not self.index.saved:
            from . import index_file  # its time is for those who have large mailboxes

            index_file.save(self.state, self.file, self.index, *self._seen[3:])
            self.index.saved = True

    def unlock_after_update(self) -> None:
        """Let go of the locks; what others write from now on will be seen."""
        if self.index.size >= INDEX_OCTETS:
            status = self.file.status()
            _settle(status)
            self._seen = _identity(status)
        self.file.unlock()

    def save_index_without(self, deleted: bytearray) -> None:
        """The same when messages were removed, the mailbox is unlocked, and nobody has written to it since.

        The next login will compare it with the mailbox.
        """
        if self.index.size < INDEX_OCTETS or self.state.why:
            return
        if deleted.count(0) < 2:
            return
        index = Rest(self.index, deleted)
        if index.size < INDEX_OCTETS or not index.is_known():
            return
        from . import index_file

        try:
            # Another message than before may be the one that decides about the line ends, or the first, which may be hidden.
            first = self.file.read(2 + HEADER_LINE_OCTETS, index.content - 2)
            index.check = checked(self.file, 0, index.size)
        except OSError:
            return
        if SUBJECT in first and not index.hidden:
            return
        if first.startswith(b"\r") == index.crlf and self.is_untouched():
            index_file.save(self.state, self.file, index, 0, 0)

    def _load(self, size: int) -> Index:
        """The index of the file, which has `size` octets: what is known of it and has not changed, or from the file."""
        known = None
        if size >= INDEX_OCTETS:
            from . import index_file

            known = index_file.load(self.state, self.file)
        if known is not None and known.saved and len(known) <= self._max_messages:
            self._verified = False
            return known
        index = None
        try:
            if known is not None and 1 < len(known) <= self._max_messages:
                index = scan_rest(self.file, size, self._max_messages, known)
        except Refused:
            pass  # the last message was not the whole of it
        known = None  # its memory is needed
        return index or scan(self.file, size, self._max_messages)

    def is_same(self) -> bool:
        """Whether the file still begins with what was parsed. Raises OSError."""
        self._verified = checked(self.file, 0, self.index.size) == self.index.check
        return self._verified

    def _compare(self) -> None:
        """See that the index is still true of the locked file, and that the path names it; new mail behind it is fine.

        Raises Changed, and OSError.
        """
        status = self.file.named()
        if status is None or (status.st_dev, status.st_ino) != self._seen[:2]:
            raise Changed
        status = self.file.status()
        _settle(status)
        self._seen = _identity(status)
        if not self.is_same() or self.state.has_journal():
            raise Changed

    def _still_settled(self) -> None:
        """See that nobody has written since `_compare` began, in spite of the lock. Raises Changed."""
        if _identity(self.file.status()) != self._seen:
            raise Changed


def recover(file: MboxFile, state: State) -> bool:
    """Finish the update of a locked mailbox, if there is an unfinished one. False if that cannot be done, and need not be.

    Raises Refused, InUse or OSError if the mailbox may be in pieces. All is logged.
    """
    if not state.has_journal():
        return True
    from . import update  # its modules are for those who delete

    if not file.read_only:
        file.lock(exclusive=True)
    text = update.recover(file, state)
    if text:
        log.write(log.WARNING, f"{log.name(file.path)}: {text}")
    return text in ("", update.COMPLETED)


def _identity(status: "os.stat_result") -> tuple[int, ...]:
    """What tells one state of a mailbox from another."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _settle(status: "os.stat_result") -> None:
    """Wait, with the lock held and before the file is read, until a further change must show in its times.

    A file system's clock ticks every few milliseconds, or every second where the times have no fraction (then this
    waits as C popa3d does on any file system).
    """
    tick = CLOCK_TICK_NS if status.st_mtime_ns % 1_000_000_000 or status.st_ctime_ns % 1_000_000_000 else 1_000_000_000
    for changed in (status.st_mtime_ns, status.st_ctime_ns):
        left = changed + tick - time.time_ns()
        if 0 < left <= tick:  # a time in the future was set by somebody, and says nothing
            time.sleep(left / 1e9)
