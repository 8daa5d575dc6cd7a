"""The maildrop: a mailbox file whose messages are known, and stay what they are or the session ends.

Locks are held while the file is parsed, updated, or looked at again, not in between. In between every block that is read
is checked before anybody sees it: only growth by appending is fine. So it is when somebody appends in spite of a lock.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import time
from zlib import crc32

from ...shared.limits import CLOCK_TICK_NS, HEADER_LINE_OCTETS, INDEX_OCTETS, LOCK_TIMEOUT_S, QUIET_S, WRITE_OCTETS
from ..index.index import Index
from ..index.mbox import METADATA_SUBJECT
from .file import InUse, MboxFile, Refused, Unfinished
from .scan import NEXT_MESSAGE, NOTHING, OTHER_TEXT, build_index, checksum, extend_index, what_follows
from .state_directory import State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import os

_AGAIN_S = 0.05
_CHANGING = "written to in spite of its lock"


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
        self._max_octets = max_octets
        self._verified = True  # the index was made from the file, or compared with all of it
        self._kept = False  # the index, or a part of it, was kept by an earlier session
        self._seen: tuple[int, ...] = ()
        self._goes_on = False  # what is behind the last message is no other one: it belongs to it
        start = time.monotonic()
        refused = ""
        while not file.absent:
            file.lock(exclusive=False, end=start + LOCK_TIMEOUT_S)
            finish_update(file, state)
            status = file.status()
            try:
                if self._parse(status, time.monotonic() < start + QUIET_S):
                    break
            except Refused as why:
                changed = (now := file.named()) is None or _identity(now) != _identity(status)
                if not _is_worth_another_look(why, refused, changed, _is_young(status)):
                    raise
                refused = str(why)
            file.unlock()
            if time.monotonic() >= start + LOCK_TIMEOUT_S:
                raise InUse(_CHANGING)
            time.sleep(_AGAIN_S)
            file.reopen()
        if file.absent:
            self.index = Index()
        else:
            file.unlock()

    def _parse(self, status: "os.stat_result", wait: bool) -> bool:
        """Make the index of the locked file, whose status is given, with all messages that are whole. Raises Refused or OSError.

        wait: there is time to look again. False if that is better, since the last message may still be being written.
        """
        if status.st_size > self._max_octets:
            raise Refused(f"larger than {self._max_octets} octets")
        if _identity(status) != self._seen and self._seen and self._is_followed():
            return True
        if _identity(status) != self._seen or status.st_size != self.index.size:
            _settle(status)
            self._goes_on = False
            self._verified = True
            self.index = self._load(status.st_size)
            self._seen = _identity(status)
        index = self.index
        whole = not len(index) or index.end[-1] < index.size or not _is_young(status)
        if not self.is_untouched():
            try:
                self._compare()
            except Changed:
                raise Unfinished(_CHANGING) from None
            if self._seen[2] > index.size:
                whole = not len(index) or what_follows(self.file, index) == NEXT_MESSAGE
        if not whole and not wait:
            check = checksum(self.file, 0, index.start[-1])
            if checksum(self.file, index.start[-1], index.size, check) != index.check:
                raise Unfinished(_CHANGING)
            index.drop_last(check)
            self._goes_on = False
            whole = True
        return whole

    def _is_followed(self) -> bool:
        """Whether the mailbox still begins with what was parsed, and another message has come behind that by now."""
        try:
            self._compare()
        except Changed:
            return False
        return what_follows(self.file, self.index) == NEXT_MESSAGE

    def content(self, i: int, first: int = 0) -> "bytes":
        """At most WRITE_OCTETS of message `i` (from 0) as they are in the file, from `first` on; empty at its end.

        Raises Changed before a wrong octet is returned, InUse if that cannot be told, and OSError.
        """
        block = self.unchecked(i, first)
        # What was read is right if the file is as it was *afterwards*: a write shows in the times before its octets do.
        if not self.is_untouched():
            self.file.lock(exclusive=False)
            try:
                block = self._compare(i, first)
            finally:
                self.file.unlock()
        if self._goes_on and i == len(self.index) - 1:
            raise InUse("its last message is still being written")
        if not block and self.index.content[i] + first != self.index.end[i]:
            raise Changed
        return block

    def unchecked(self, i: int, first: int = 0) -> bytes:
        """The same, not checked: right if the mailbox `is_untouched` afterwards, and the block is as long as it should be."""
        start, end = self.index.content[i] + first, self.index.end[i]
        if not 0 <= start <= end <= self.index.size:
            return b""  # the index was forged
        if self._goes_on and i == len(self.index) - 1:
            return b""
        return self.file.read(min(WRITE_OCTETS, end - start), start)

    def is_untouched(self) -> bool:
        """Whether nobody has written to the mailbox since it was looked at last."""
        status = self.file.named()
        return status is not None and _identity(status) == self._seen

    def lock_for_update(self, last: bool) -> None:
        """Lock the mailbox exclusively until it is closed, and check it once more. Raises InUse, Changed or OSError.

        last: the last message will be removed. The other half of it must not come when that is done.
        """
        self.file.lock(exclusive=True)
        status = self.file.status()
        if last and _is_young(status) and what_follows(self.file, self.index) == NOTHING:
            time.sleep(max(0, status.st_mtime + QUIET_S - time.time()))
        if not self.is_untouched():
            self._compare()
            status = self.file.status()
            if _identity(status) != self._seen and status.st_size <= self._seen[2]:
                raise Changed  # in spite of the lock, and not by mail that is added
        if self.state.has_journal() or not (self._verified or self.is_same()) or not self._is_sound():
            raise Changed
        if what_follows(self.file, self.index) == OTHER_TEXT:
            raise Changed  # it could not stand at the start of a mailbox, or belongs to a message that may be deleted

    def save_index(self) -> None:
        """Keep the index of a large mailbox for the next login."""
        if self.index.size >= INDEX_OCTETS and not self.index.saved:
            from . import kept_index  # its time is for those who have large mailboxes

            kept_index.save(self.state, self.file, self.index, *self._seen[3:])
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
        if self.index.size < INDEX_OCTETS or self.state.why or deleted.count(0) < 2 or not self.index.knows_all_copies():
            return
        from ..index.remaining import Remaining  # with kept_index, which DELE has loaded
        from . import kept_index

        index = Remaining(self.index, deleted)
        if index.size < INDEX_OCTETS:
            return
        try:
            # Another message than before may be the one that decides about the line ends, or the first, which may be hidden.
            first = self.file.read(2 + HEADER_LINE_OCTETS, index.content - 2)
            index.check = checksum(self.file, 0, index.size)
        except OSError:
            return
        if METADATA_SUBJECT in first and not index.hidden:
            return
        if first.startswith(b"\r") == index.crlf and self.is_untouched():
            kept_index.save_remaining(self.state, self.file, index)

    def _load(self, size: int) -> Index:
        """The index of the file, which has `size` octets: what is known of it and has not changed, or from the file."""
        known = None
        if size >= INDEX_OCTETS:
            from . import kept_index

            known = kept_index.load(self.state, self.file)
        if known is not None and known.saved and len(known) <= self._max_messages:
            self._verified = False
            self._kept = True
            return known
        index = None
        try:
            if known is not None and 1 < len(known) <= self._max_messages:
                index = extend_index(self.file, size, self._max_messages, known)
        except Refused:
            pass  # the last message was not the whole of it
        known = None  # its memory is needed
        self._kept = index is not None
        return index or build_index(self.file, size, self._max_messages)

    def _is_sound(self) -> bool:
        """Whether what an earlier session has kept can be an index. To look at all of it would be slow at each login."""
        if not self._kept:
            return True
        from . import kept_index  # loaded by DELE

        return kept_index.is_sound(self.index)

    def is_same(self) -> bool:
        """Whether the file still begins with what was parsed. Raises OSError."""
        self._verified = checksum(self.file, 0, self.index.size) == self.index.check
        return self._verified

    def _compare(self, i: int = -1, first: int = 0) -> bytes:
        """See that the index is still true of the locked file, and that the path names it; new mail behind it is fine.

        Returns what `unchecked` does. It is one of the octets that are compared, so whatever somebody may do meanwhile, they
        are those that were parsed. Raises Changed, and OSError.
        """
        status = self.file.named()
        if status is None or (status.st_dev, status.st_ino) != self._seen[:2]:
            raise Changed
        status = self.file.status()
        _settle(status)
        index = self.index
        start = end = 0
        if i >= 0:
            start = index.content[i] + first
            end = min(start + WRITE_OCTETS, index.end[i])
        check = checksum(self.file, 0, start)
        block = self.file.read(end - start, start)
        self._verified = checksum(self.file, end, index.size, crc32(block, check)) == index.check
        if not self._verified or self.state.has_journal():
            raise Changed
        self._seen = _identity(status)
        self._goes_on = what_follows(self.file, self.index) == OTHER_TEXT
        return block


def finish_update(file: MboxFile, state: State) -> bool:
    """Finish the update of a locked mailbox, if there is an unfinished one. See unfinished.finish."""
    if not state.has_journal():
        return True
    from ..update import unfinished  # its modules are for those who delete

    return unfinished.finish(file, state)


def _is_worth_another_look(why: Refused, before: str, changed: bool, young: bool) -> bool:
    """Whether somebody may be writing what was refused. before: why it was before; bad twice in the same way is just bad."""
    if isinstance(why, Unfinished):
        return changed or young
    return changed and str(why) != before


def _identity(status: "os.stat_result") -> tuple[int, ...]:
    """What tells one state of a mailbox from another."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _is_young(status: "os.stat_result") -> bool:
    """Whether the mailbox was written to just now. A time in the future was set by somebody, and says nothing."""
    return 0 <= time.time() - status.st_mtime < QUIET_S


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
