"""Mutations of owner/session, owner/transaction, owner/maildrop, owner/mbox and owner/message."""

from __future__ import annotations

from tests.mutants.mutation import wrong

SESSION = "tests/unit/owner/test_session.py"
PROGRAM = f"{SESSION}::test_the_program_as_root"
MAILDROP = "tests/unit/owner/test_maildrop.py"
CHANGES = "tests/session/test_changes.py"
ENDS = f"{CHANGES}::test_any_other_change_ends_the_session"
INDEX = "tests/session/test_index.py"
WORKER = "tests/session/test_worker.py"
MBOX = "tests/unit/owner/test_mbox.py"
MESSAGE = "tests/unit/owner/test_message.py"
BAD = "tests/session/test_bad_input.py"

# fmt: off
MUTATIONS = (
    # session: who it runs for
    wrong("owner/session.py", "os.getresuid() + os.getresgid()", "os.getresgid()", "the program runs as root",
          f"{SESSION}::test_root_among_its_ids", PROGRAM),
    wrong("owner/session.py", "os.getresuid() + os.getresgid()", "os.getresuid()", "the program runs with root's group",
          f"{SESSION}::test_root_among_its_ids", PROGRAM),
    wrong("owner/session.py", " + tuple(os.getgroups()):", ":", "the program runs with root's group beside the owner's",
          f"{SESSION}::test_root_among_its_groups", PROGRAM),
    wrong("owner/session.py", "if told is not None and told.uid == os.getuid() else None", "",
          "a record for somebody else is believed", f"{SESSION}::test_of_another"),
    wrong("owner/session.py", "while len(got) <= record.HANDOVER_RECORD_OCTETS",
          "while len(got) < record.HANDOVER_RECORD_OCTETS", "the end of a record is not looked for",
          f"{SESSION}::test_as_long_as_it_may_be"),
    wrong("owner/session.py", "while len(got) <= record.HANDOVER_RECORD_OCTETS", "while True",
          "a record without end fills the memory", f"{SESSION}::test_as_long_as_it_may_be"),
    wrong("owner/session.py", "got += more", "got = more", "a record that comes in pieces", f"{SESSION}::test_in_pieces"),
    wrong("owner/session.py", "        os.close(_HANDOVER_FD)\n", "", "descriptor 3 stays open",
          "tests/root/test_identity.py::test_worker"),
    wrong("owner/session.py", "    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)", "    pass", "SIGINT is told as a bug",
          f"{SESSION}::test_interrupted"),
    wrong("owner/session.py", "        log.crash(error)\n", "", "a bug leaves no line", f"{SESSION}::test_a_bug"),
    wrong("owner/session.py", "status = _EX_SOFTWARE", "status = 0", "a bug is a success", f"{SESSION}::test_a_bug"),
    wrong("owner/session.py", "except BaseException as error:", "except OSError as error:",
          "a bug's traceback, with the exception's text, goes to the client", f"{SESSION}::test_a_bug"),

    # session: what is said and done
    wrong("owner/session.py", "        client.flush()  # what is deleted next", "        # what is deleted next",
          "mail that was not sent is deleted", f"{BAD}::test_what_was_not_sent_is_not_deleted"),
    wrong("owner/session.py", "if not transaction.quit or client.ended:", "if not transaction.quit:",
          "mail that was not sent is deleted", f"{BAD}::test_what_was_not_sent_is_not_deleted"),
    wrong("owner/session.py", "if not transaction.quit or client.ended:", "if client.ended == EXPIRED:",
          "a connection that is lost deletes", f"{CHANGES}::test_closing_without_quit"),
    wrong("owner/session.py", "    finally:\n        maildrop.file.close()  # a dot-lock would stay\n",
          "    finally:\n        pass\n", "a dot-lock stays behind", "tests/session/test_locks.py::test_free_after_the_end"),
    wrong("owner/session.py", "        if file is not None:\n            file.close()\n        log", "        log",
          "a dot-lock stays behind a refused mailbox", "tests/session/test_locks.py::test_free_after_a_refused_mailbox"),
    wrong("owner/session.py", "            index_file.drop(transaction.maildrop.state)\n", "",
          "an index of what was before an interrupted update", f"{INDEX}::test_update_with_an_index"),
    wrong("owner/session.py", "if file.absent and state.has_journal():", "if False:", "a mailbox that is lost is told as whole",
          f"{SESSION}::test_a_journal_without_mailbox"),

    # maildrop: when it looks
    wrong("owner/maildrop.py", "        _settle(status)\n        self.index = self._load", "        self.index = self._load",
          "a change in the tick of the parse is not seen", f"{MAILDROP}::test_order_of_a_load"),
    wrong("owner/maildrop.py", "        _settle(status)\n        self._seen = _identity(status)\n        if not self.is_same()",
          "        self._seen = _identity(status)\n        if not self.is_same()", "the same, of a second look",
          f"{MAILDROP}::test_order_of_another_look"),
    wrong("owner/maildrop.py", "            _settle(status)\n            self._seen", "            self._seen",
          "the same, behind an update", f"{MAILDROP}::test_order_of_an_update"),
    wrong("owner/maildrop.py", "changed + tick - time.time_ns()", "changed - time.time_ns()", "no wait at all",
          f"{MAILDROP}::test_how_long_it_waits"),
    wrong("owner/maildrop.py", "for changed in (status.st_mtime_ns, status.st_ctime_ns):",
          "for changed in (status.st_mtime_ns,):", "a change of the inode is not waited for",
          f"{MAILDROP}::test_how_long_it_waits"),
    wrong("owner/maildrop.py", "if 0 < left <= tick:", "if 0 < left:", "a time in the future holds up sessions",
          f"{MAILDROP}::test_how_long_it_waits"),
    wrong("owner/maildrop.py", " else 1_000_000_000\n", " else CLOCK_TICK_NS\n", "times without fraction",
          f"{MAILDROP}::test_how_long_it_waits_for_whole_seconds"),
    wrong("owner/maildrop.py", "        if self._seen != _identity(status):\n", "        if False:\n",
          "an index of a mailbox that was written to meanwhile", f"{MAILDROP}::test_written_to_while_it_is_parsed"),
    wrong("owner/maildrop.py", "                self._still_settled()\n", "                pass\n",
          "octets that were written meanwhile are sent", f"{MAILDROP}::test_written_to_while_it_is_compared"),
    wrong("owner/maildrop.py", "            self._compare()\n            self._still_settled()", "            self._compare()",
          "an update of a mailbox that was written to meanwhile", f"{MAILDROP}::test_written_to_while_it_is_compared"),

    # maildrop: what it looks at
    wrong("owner/maildrop.py", "status.st_size, status.st_mtime_ns, status.st_ctime_ns", "status.st_size, status.st_mtime_ns",
          "a change whose time was set back", f"{MAILDROP}::test_a_change_whose_time_was_set_back"),
    wrong("owner/maildrop.py", "status.st_mtime_ns, status.st_ctime_ns\n",
          "status.st_mtime_ns // 10**9, status.st_ctime_ns // 10**9\n", "a second change within a second",
          f"{MAILDROP}::test_a_change_within_one_tick"),
    wrong("owner/maildrop.py", "        if not self.is_untouched():\n            self.file.lock(exclusive=False)",
          "        if False:\n            self.file.lock(exclusive=False)", "octets of another mailbox are sent", ENDS),
    wrong("owner/maildrop.py",
          "                block = self.unchecked(i, first)  # the other one is of a time when we had no lock\n", "",
          "what was there for a moment is sent", f"{CHANGES}::test_changed_for_a_moment"),
    wrong("owner/maildrop.py", "        status = self.file.named()\n        return status is not None and",
          "        status = self.file.status()\n        return", "a mailbox whose directory was replaced",
          f"{MAILDROP}::test_another_directory"),
    wrong("owner/maildrop.py", " or (status.st_dev, status.st_ino) != self._seen[:2]", "", "the same, when it is compared",
          ENDS),
    wrong("owner/maildrop.py", "if not self.is_same() or self.state.has_journal():", "if self.state.has_journal():",
          "a mailbox that was rewritten", ENDS),
    wrong("owner/maildrop.py", "raise Changed  # it could not stand at the start of a mailbox", "pass",
          "junk becomes the start of the mailbox", f"{CHANGES}::test_junk_behind_is_not_rewritten"),
    wrong("owner/maildrop.py", "not (self._verified or self.is_same())", "False", "an index is believed for an update",
          f"{INDEX}::test_verified_before_anything_is_deleted"),
    wrong("owner/maildrop.py", "        self.file.lock(exclusive=True)\n        if not self.is_untouched",
          "        if not self.is_untouched", "an update without lock", f"{CHANGES}::test_locks_are_waited_for"),
    wrong("owner/maildrop.py", "self.file.lock(exclusive=True)\n        if not self",
          "self.file.lock(exclusive=False)\n        if not self", "an update with a reader's lock",
          f"{CHANGES}::test_locks_are_waited_for"),
    wrong("owner/maildrop.py", "        file.unlock()\n\n    def content", "\n    def content",
          "the lock is kept for the session", f"{CHANGES}::test_locks_are_not_held_in_between"),
    wrong("owner/maildrop.py", "if status.st_size > max_octets:", "if status.st_size >= max_octets:", "the limit of octets",
          f"{MAILDROP}::test_octets_beyond_the_limit"),
    wrong("owner/maildrop.py", "if status.st_size > max_octets:", "if status.st_size > max_octets + 1:", "the limit of octets",
          f"{MAILDROP}::test_octets_beyond_the_limit"),
    wrong("owner/maildrop.py", "known.saved and len(known) <= self._max_messages", "known.saved",
          "the limit of messages with an index", f"{MAILDROP}::test_an_index_beyond_the_limit"),
    wrong("owner/maildrop.py", "known.saved and len(known) <= self._max_messages",
          "known.saved and len(known) < self._max_messages", "an index of as many messages as may be",
          f"{MAILDROP}::test_an_index_beyond_the_limit"),
    wrong("owner/maildrop.py", "crlf == index.crlf and self.is_untouched()", "crlf == index.crlf",
          "an index of what others have changed", f"{INDEX}::test_changed_behind_an_update"),
    wrong("owner/maildrop.py", "crlf == index.crlf and self.is_untouched()", "self.is_untouched()",
          "an index with other line ends", f"{INDEX}::test_changed_behind_an_update"),

    # mbox, message
    wrong("owner/mbox.py", "+ len(self._starts) >= self._max_messages:", "+ len(self._starts) > self._max_messages:",
          "the limit of messages", f"{WORKER}::test_limits"),
    wrong("owner/mbox.py", "self._growth += 2", "self._growth += 0", "sizes that are not what is sent",
          f"{MBOX}::test_random_mailboxes"),
    wrong("owner/mbox.py", "if self._base + end <= self._blank:", "if False:", "where an empty message ends",
          f"{MBOX}::test_random_mailboxes"),
    wrong("owner/mbox.py", "        if start == _FROM:\n", "        if False:\n", "a mailbox that C popa3d refuses",
          f"{MBOX}::test_odd_mailboxes"),
    wrong("owner/mbox.py", "if len(buffer) - self._at > HEADER_LINE_OCTETS:", "if False:", "a header line fills the memory",
          f"{MBOX}::test_memory_is_bounded"),
    wrong("owner/message.py", 'b"." if self._line_start and', 'b"." if', "dots are doubled where blocks meet",
          f"{MESSAGE}::test_retr"),
    wrong("owner/message.py", 'replace(b"\\r\\n.", b"\\r\\n..")', 'replace(b"\\r\\n.", b"\\r\\n.")',
          "a dot ends a message of many dots", f"{MESSAGE}::test_retr"),
    wrong("owner/message.py", 'return held + b"\\r\\n"', "return held", "an unfinished last line", f"{MESSAGE}::test_retr"),
    wrong("owner/unique_id.py", "digest[3::-1] + digest[7:3:-1]", "digest[:8]", "all mail is fetched again",
          f"{MBOX}::test_random_mailboxes"),

    # transaction
    wrong("owner/transaction.py", " or self.deleted[number - 1]", "", "a deleted message is shown", f"{WORKER}::test_poplib"),
    wrong("owner/transaction.py", "0 < number <= len(self.deleted)", "0 <= number <= len(self.deleted)",
          "message 0 is the last one", "tests/session/test_mailboxes.py::test_empty"),
    wrong("owner/transaction.py", "prepared is not None and self.maildrop.is_untouched()", "prepared is not None",
          "a reply that was prepared of another mailbox", ENDS),
    wrong("owner/transaction.py", "        self._prepared = None  # it is right", "        # it is right",
          "a reply that was prepared in a wrong moment", "tests/session/test_prepared.py::test_prepared_and_looked_at_again"),
    wrong("owner/transaction.py", "if octets <= PREPARED_OCTETS:", "if True:", "messages of any size are held in memory",
          "tests/session/test_prepared.py"),
)
