"""The maildrop: a mailbox file with its index. While a session lasts its messages do not change, or it ends.

Locks are held while the file is parsed, compared or updated, and not in between. In between, each block that is read is
checked before anybody sees it. The mailbox may grow by appended mail; any other change ends the session. All this holds
too when other programs ignore the locks.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import time
from zlib import crc32

from ...shared.limits import INDEX_OCTETS, QUIET_S, WRITE_OCTETS
from ..index import unique_id
from ..index.index import Index
from . import TOO_LARGE, Changed, InUse, Refused, Unfinished
from .changes import is_same_file, is_same_or_longer, is_same_state, is_young, settle
from .file import MboxFile
from .scan import NEXT_MESSAGE, NOTHING, OTHER_TEXT, build_index, checksum, what_follows
from .state_directory import State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import os

    from ..index.id_map import ShownIds

WRITTEN_WITHOUT_LOCK = "written to in spite of its lock"


class Maildrop:
    """A mailbox and its index, which has no messages before `parse`. From then on the index stays true, or Changed is raised.

    seen: the file's status when the index was last known to be true of it; None before `parse`. shown_ids: None if popa3d's
    unique-ids are shown, as in most mailboxes.
    """

    def __init__(self, file: MboxFile, state: State, max_messages: int, max_octets: int) -> None:
        """max_messages, max_octets: a larger mailbox is refused."""
        self.file = file
        self.state = state
        self.index = Index()
        self.seen: "os.stat_result | None" = None
        self.shown_ids: "ShownIds | None" = None
        self._max_messages = max_messages
        self._max_octets = max_octets
        self._is_verified = True  # the index was made from the file, or compared with all of it
        self._was_kept = False  # the index, or its first part, was kept by an earlier session
        self._last_goes_on = False  # text follows the last message that is part of it: it is still being written

    # Loading

    def parse(self, status: "os.stat_result", may_wait: bool) -> bool:
        """Make the index of the locked file, or keep the one that there is if that is still true.

        Returns False if somebody may still be writing the last message, so that it is better to look again soon. Without
        `may_wait` there is no time for that: such a message is left out, and True is returned. status: the file's.
        Raises Refused (Unfinished: it may be worth another look) or OSError.
        """
        if status.st_size > self._max_octets:
            raise Refused(f"larger than {self._max_octets} octets", TOO_LARGE)
        if self._is_followed(status):
            return True
        self._read_or_keep(status)
        is_whole = self._is_last_whole(status)
        if not is_whole and not may_wait:
            self._leave_last_out()
            return True
        return is_whole

    def _is_followed(self, status: "os.stat_result") -> bool:
        """Whether only another message was appended since the file was parsed: then all messages before it are whole."""
        if self.seen is None or is_same_state(status, self.seen):
            return False
        try:
            self._compare()
        except Changed:
            return False
        return what_follows(self.file, self.index) == NEXT_MESSAGE

    def _read_or_keep(self, status: "os.stat_result") -> None:
        if is_same_state(status, self.seen) and status.st_size == self.index.size:
            return
        settle(status)
        self._last_goes_on = False
        self._is_verified = True
        if status.st_size < INDEX_OCTETS:
            self.index, self._was_kept = build_index(self.file, status.st_size, self._max_messages), False
        else:
            from . import indexing  # for large mailboxes

            source = indexing.obtain(self.file, self.state, status.st_size, self._max_messages)
            self.index, self._is_verified, self._was_kept = source.index, source.is_verified, source.was_kept
        self.seen = status

    def _is_last_whole(self, status: "os.stat_result") -> bool:
        """Whether the last message is whole: an empty line or another message follows it, or nobody has written for a while."""
        index = self.index
        is_whole = not len(index) or index.end[-1] < index.size or not is_young(status)
        if self.is_untouched():
            return is_whole
        try:
            self._compare()  # somebody has written while the file was parsed
        except Changed:
            raise Unfinished(WRITTEN_WITHOUT_LOCK) from None
        if self.seen is not None and self.seen.st_size > index.size:
            return not len(index) or what_follows(self.file, index) == NEXT_MESSAGE
        return is_whole

    def _leave_last_out(self) -> None:
        """Take the last message, which may not be whole, out of the index."""
        index = self.index
        start = index.start[-1]
        check = checksum(self.file, 0, start)
        if checksum(self.file, start, index.size, check) != index.check:
            raise Unfinished(WRITTEN_WITHOUT_LOCK)
        index.drop_last(check)
        self._last_goes_on = False

    def is_large(self) -> bool:
        """Whether the index is kept for the next login (indexing.py); smaller mailboxes are parsed faster than it is loaded."""
        return self.index.size >= INDEX_OCTETS

    # Reading

    def unique_ids(self, first: int, end: int) -> list[str]:
        """What UIDL shows of messages first to end - 1, one at least."""
        if self.shown_ids is None:
            return unique_id.texts(self.index.ids, first, end)
        return self.shown_ids.texts(first, end)

    def content(self, i: int, offset: int = 0) -> "bytes":
        """At most WRITE_OCTETS of message `i` (from 0) as they are in the file, from `offset` in it on; empty at its end.

        Raises Changed before a wrong octet is returned, InUse or Refused if that cannot be checked, and OSError.
        """
        block = self.unchecked(i, offset)
        # A write shows in the times before it shows in the octets: if the file is untouched *now*, what was read is right.
        if not self.is_untouched():
            self.file.lock(exclusive=False)
            try:
                start = self.index.content[i] + offset
                block = self._compare_and_read(start, min(start + WRITE_OCTETS, self.index.end[i]))
            finally:
                self.file.unlock()
        if self._is_being_written(i):
            raise InUse("its last message is still being written")
        if not block and self.index.content[i] + offset != self.index.end[i]:
            raise Changed
        return block

    def unchecked(self, i: int, offset: int = 0) -> bytes:
        """What `content` returns, but unchecked. It is right if it has the expected length and `is_untouched` is true afterwards.

        Raises OSError.
        """
        start, end = self.index.content[i] + offset, self.index.end[i]
        if not 0 <= start <= end <= self.index.size:
            return b""  # the index was forged
        if self._is_being_written(i):
            return b""
        return self.file.read(min(WRITE_OCTETS, end - start), start)

    def is_untouched(self) -> bool:
        """Whether nobody has written to the mailbox since it was last looked at, and its path still names it."""
        return is_same_state(self.file.path_status(), self.seen)

    def _is_being_written(self, i: int) -> bool:
        return self._last_goes_on and i == len(self.index) - 1

    # Updating

    def lock_for_update(self, deletes_last: bool) -> None:
        """Lock the mailbox exclusively, and check it once more. Raises InUse, Refused, Changed or OSError.

        It stays locked until `unlock_after_update`, or until the file is closed. deletes_last: the last message is deleted.
        """
        self.file.lock(exclusive=True)
        status = self.file.status()
        if deletes_last and is_young(status) and what_follows(self.file, self.index) == NOTHING:
            # Somebody may be writing the rest of it, which must not come after the update.
            time.sleep(max(0, status.st_mtime + QUIET_S - time.time()))
        if not self.is_untouched():
            self._compare()
            if not is_same_or_longer(self.seen, self.file.status()):
                raise Changed  # in spite of the lock, and not by appended mail
        if self.state.has_journal() or not self._is_index_true():
            raise Changed
        if what_follows(self.file, self.index) == OTHER_TEXT:
            raise Changed  # it could not stand at the start of a mailbox, or belongs to a message that may be deleted

    def unlock_after_update(self) -> None:
        """Unlock the mailbox after an update; from now on `is_untouched` tells whether others write to the result."""
        if self.is_large():
            status = self.file.status()
            settle(status)
            self.seen = status
        self.file.unlock()

    def is_same(self) -> bool:
        """Whether the file still begins with the octets that were parsed. Raises OSError."""
        self._is_verified = checksum(self.file, 0, self.index.size) == self.index.check
        return self._is_verified

    def _is_index_true(self) -> bool:
        """Whether all of the index is true of the file. A kept one was only compared in size and times, to make logins fast."""
        if not self._is_verified and not self.is_same():
            return False
        if not self._was_kept:
            return True
        from . import kept_index  # it was loaded with the index

        return kept_index.is_sound(self.index)

    # Comparing

    def _compare(self) -> None:
        """Check that the index is still true of the locked file, and that the path names it. Raises Changed or OSError.

        The file may have grown.
        """
        self._compare_and_read(0, 0)

    def _compare_and_read(self, start: int, end: int) -> bytes:
        """As `_compare`; returns the octets from `start` to `end`, which are among those that were compared.

        So these octets are the ones that were parsed, even if somebody writes to the file meanwhile.
        """
        status = self.file.path_status()
        if not is_same_file(status, self.seen):
            raise Changed
        status = self.file.status()
        settle(status)
        check = checksum(self.file, 0, start)
        block = self.file.read(end - start, start)
        self._is_verified = checksum(self.file, end, self.index.size, crc32(block, check)) == self.index.check
        if not self._is_verified or self.state.has_journal():
            raise Changed
        self.seen = status
        self._last_goes_on = what_follows(self.file, self.index) == OTHER_TEXT
        return block
