"""Mutations of owner/mailbox/file and owner/mailbox/locks: what is opened, and how it is locked."""

from __future__ import annotations

from tests.mutants.mutation import wrong

FILE = "tests/unit/owner/mailbox/test_file.py"
TAKEN = "tests/unit/owner/mailbox/test_locks.py"
LOCKS = "tests/session/test_locks.py"
MODULE = "owner/mailbox/file.py"
LOCKING = "owner/mailbox/locks.py"

# fmt: off
MUTATIONS = (
    # the mailbox
    wrong(MODULE, "flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY", "flags = os.O_NONBLOCK | os.O_NOCTTY",
          "another's file is served through a link", f"{FILE}::test_a_link_that_comes_meanwhile"),
    wrong(MODULE, "flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY", "flags = os.O_NOFOLLOW | os.O_NOCTTY",
          "a FIFO keeps a session for ever", f"{FILE}::test_no_file_any_more", f"{FILE}::test_read_only"),
    wrong(MODULE, "        _refuse_unless_regular(self.status())\n", "", "a device or a FIFO is served",
          f"{FILE}::test_no_file_any_more"),
    wrong(MODULE, "        _refuse_unless_regular(status)\n", "", "a device is opened", f"{FILE}::test_only_looked_at"),
    wrong(MODULE, "if error.errno != errno.EROFS:\n                raise\n",
          "if error.errno != errno.EACCES:\n                raise\n",
          "a mailbox that may only be read is served as one of a read-only file system",
          "tests/session/test_mailboxes.py::test_not_a_mailbox", f"{FILE}::test_read_only"),
    wrong(MODULE, "            self.read_only = True\n", "", "a read-only mailbox is not known to be one",
          f"{FILE}::test_read_only"),
    wrong(MODULE, "if not _is_directory(directory):", "if False:", "a spool that is not mounted looks like empty mailboxes",
          f"{FILE}::test_no_directory"),
    wrong(MODULE, "(device == now[0] or volume == now[1])", "True", "a journal of another file system's file",
          f"{FILE}::test_which_file"),

    # locks
    wrong(LOCKING, "(fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)", "fcntl.LOCK_SH",
          "two programs write at once", "tests/session/test_changes.py::test_locks_are_waited_for"),
    wrong(LOCKING, "(fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)", "fcntl.LOCK_EX",
          "readers wait for each other", f"{LOCKS}::test_readers_do_not_wait_for_each_other"),
    wrong(LOCKING, "                if not is_taken:\n                    self.release()\n",
          "                if not is_taken:\n", "two programs that lock in another order wait for each other",
          f"{TAKEN}::test_all_or_none"),
    wrong(LOCKING, "if time.monotonic() >= deadline:", "if False:",
          "another's lock is waited for without end", f"{TAKEN}::test_how_long_a_lock_is_waited_for"),
    wrong(LOCKING, '        if "flock" in self._names:\n            fcntl.flock(self._fd, fcntl.LOCK_UN)\n',
          "", "a lock is kept between commands", f"{LOCKS}::test_free_between_commands"),
    wrong(LOCKING, '        if "fcntl" in self._names:\n            fcntl.lockf(self._fd, fcntl.LOCK_UN)\n',
          "", "a lock is kept between commands", f"{LOCKS}::test_free_between_commands"),
)
