"""Mutations of the owner's program: the session, the maildrop and the parser."""

from __future__ import annotations

from tests.mutants.mutation import wrong

SESSION = "tests/unit/owner/test_session.py"
SERVING = "tests/unit/owner/test_serving.py"
PROGRAM = f"{SESSION}::test_the_program_as_root"
LOADING = "tests/unit/owner/test_loading.py"
MAILDROP = "tests/unit/owner/mailbox/test_maildrop.py"
CHANGED = "tests/unit/owner/mailbox/test_changes.py"
CHANGES = "tests/session/test_changes.py"
ENDS = f"{CHANGES}::test_any_other_change_ends_the_session"
INDEX = "tests/session/test_index.py"
WORKER = "tests/session/test_worker.py"
MBOX = "tests/unit/owner/index/test_parser.py"
BAD = "tests/session/test_bad_input.py"
UNLOCKED = "tests/session/test_unlocked.py"

# fmt: off
MUTATIONS = (
    # session: who it runs for
    wrong("owner/session.py", "os.getresuid() + os.getresgid()", "os.getresgid()", "the program runs as root",
          f"{SESSION}::test_root_among_its_ids", PROGRAM),
    wrong("owner/session.py", "os.getresuid() + os.getresgid()", "os.getresuid()", "the program runs with root's group",
          f"{SESSION}::test_root_among_its_ids", PROGRAM),
    wrong("owner/session.py", " + tuple(os.getgroups()):", ":", "the program runs with root's group beside the owner's",
          f"{SESSION}::test_root_among_its_groups", PROGRAM),
    wrong("owner/session.py", "if handover is not None and handover.uid == os.getuid() else None", "",
          "a record for somebody else is believed", f"{SESSION}::test_of_another"),
    wrong("owner/session.py", "while len(data) <= record.HANDOVER_RECORD_OCTETS",
          "while len(data) < record.HANDOVER_RECORD_OCTETS", "the end of a record is not looked for",
          f"{SESSION}::test_as_long_as_it_may_be"),
    wrong("owner/session.py", "while len(data) <= record.HANDOVER_RECORD_OCTETS", "while True",
          "a record without end fills the memory", f"{SESSION}::test_as_long_as_it_may_be"),
    wrong("owner/session.py", "data += more", "data = more", "a record that comes in pieces", f"{SESSION}::test_in_pieces"),
    wrong("owner/session.py", "        os.close(HANDOVER_FD)\n", "", "descriptor 3 stays open",
          "tests/root/test_identity.py::test_worker"),
    wrong("owner/session.py", "    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)", "    pass", "SIGINT is told as a bug",
          f"{SESSION}::test_interrupted"),
    wrong("owner/session.py", "        log.crash(error)\n", "", "a bug leaves no line", f"{SESSION}::test_a_bug"),
    wrong("owner/session.py", "status = EX_SOFTWARE", "status = 0", "a bug is a success", f"{SESSION}::test_a_bug"),
    wrong("owner/session.py", "except BaseException as error:", "except OSError as error:",
          "a bug's traceback, with the exception's text, goes to the client", f"{SESSION}::test_a_bug"),

    # session: what is said and done
    wrong("owner/session.py", "    connection.flush()  # what is deleted next", "    # what is deleted next",
          "mail that was not sent is deleted", f"{BAD}::test_what_was_not_sent_is_not_deleted",
          f"{SERVING}::test_all_is_sent_before_anything_is_deleted"),
    wrong("owner/session.py", "if not quit_came or connection.ended:", "if not quit_came:",
          "mail that was not sent is deleted", f"{BAD}::test_what_was_not_sent_is_not_deleted",
          f"{SERVING}::test_what_was_not_sent_is_not_deleted"),
    wrong("owner/session.py", "if not quit_came or connection.ended:", "if connection.ended == EXPIRED:",
          "a connection that is lost deletes", f"{CHANGES}::test_closing_without_quit"),
    wrong("owner/session.py", "    finally:\n        maildrop.file.close()  # a dot-lock would stay\n",
          "    finally:\n        pass\n", "a dot-lock stays behind", "tests/session/test_locks.py::test_free_after_the_end"),
    wrong("owner/session.py", "    except (Refused, OSError):\n        file.close()\n        raise", "    except (Refused, OSError):\n        raise",
          "a dot-lock stays behind a refused mailbox", "tests/session/test_locks.py::test_free_after_a_refused_mailbox"),
    wrong("owner/session.py", "            kept_index.drop(maildrop.state)\n", "",
          "an index of what was before an interrupted update", f"{INDEX}::test_update_with_an_index"),
    wrong("owner/session.py", "if file.absent and state.has_journal():", "if False:", "a mailbox that is lost is told as whole",
          f"{SESSION}::test_a_journal_without_mailbox"),

    wrong("owner/session.py", "replies.IN_USE if isinstance(error, InUse) else replies.NOT_LOADED", "replies.NOT_LOADED",
          "a client is not told to come back", f"{SERVING}::test_a_mailbox_that_cannot_be_loaded"),
    wrong("owner/session.py", "    if _installed() != _BEGAN_WITH:\n        return False\n", "",
          "a session of two versions", f"{SERVING}::test_upgraded_before_transaction"),
    wrong("owner/session.py", "            if _installed() == _BEGAN_WITH:\n                return True\n", "            return True\n",
          "what removes may be of another version", f"{SERVING}::test_upgraded_before_dele"),

    # maildrop: when it looks
    wrong("owner/mailbox/maildrop.py", "        settle(status)\n        self._last_goes_on = False",
          "        self._last_goes_on = False", "a change in the tick of the parse is not seen",
          f"{MAILDROP}::test_order_of_a_load"),
    wrong("owner/mailbox/maildrop.py", "        settle(status)\n        check = ", "        check = ",
          "the same, of a second look", f"{MAILDROP}::test_order_of_another_look"),
    wrong("owner/mailbox/maildrop.py",
          "            settle(status)\n            self.seen = status\n        self.file.unlock()",
          "            self.seen = status\n        self.file.unlock()", "the same, behind an update",
          f"{MAILDROP}::test_order_of_an_update"),
    wrong("owner/mailbox/changes.py", "changed + tick - time.time_ns()", "changed - time.time_ns()", "no wait at all",
          f"{CHANGED}::test_how_long_it_waits"),
    wrong("owner/mailbox/changes.py", "for changed in (status.st_mtime_ns, status.st_ctime_ns):",
          "for changed in (status.st_mtime_ns,):", "a change of the inode is not waited for",
          f"{CHANGED}::test_how_long_it_waits"),
    wrong("owner/mailbox/changes.py", "if 0 < left <= tick:", "if 0 < left:", "a time in the future holds up sessions",
          f"{CHANGED}::test_how_long_it_waits"),
    wrong("owner/mailbox/changes.py", "tick = CLOCK_TICK_NS if has_fraction else _SECOND_NS", "tick = CLOCK_TICK_NS",
          "times without fraction", f"{CHANGED}::test_how_long_it_waits_for_whole_seconds"),
    wrong("owner/mailbox/maildrop.py", "        if self.is_untouched():\n            return is_whole\n",
          "        return is_whole\n", "an index of a mailbox that was written to meanwhile",
          f"{MAILDROP}::test_written_to_while_it_is_parsed"),
    wrong("owner/mailbox/maildrop.py", "raise Changed  # in spite of the lock, and not by appended mail", "pass",
          "an update of a mailbox that was written to meanwhile", f"{MAILDROP}::test_written_to_while_it_is_compared"),
    wrong("owner/mailbox/maildrop.py", "if not is_whole and not may_wait:", "if not is_whole and False:",
          "a message that is being written is waited for without end", f"{UNLOCKED}::test_a_message_that_takes_too_long"),
    wrong("owner/mailbox/maildrop.py", "        is_whole = self._is_last_whole(status)\n",
          "        is_whole = self._is_last_whole(status) or True\n", "half a message is shown",
          f"{UNLOCKED}::test_a_message_that_is_being_written", f"{UNLOCKED}::test_a_message_that_takes_too_long"),
    wrong("owner/loading.py", "if time.monotonic() >= start + LOCK_TIMEOUT_S:", "if False:",
          "a mailbox that never rests is looked at without end", f"{UNLOCKED}::test_a_mailbox_that_never_rests"),
    wrong("owner/loading.py", "refusal.fault != before.fault", "True", "a mailbox that is just bad is looked at for 20 s",
          f"{LOADING}::test_refused_twice"),
    wrong("owner/loading.py", "        finish_any_update(file, state)\n", "", "a mailbox is read in the middle of an update",
          f"{LOADING}::test_order"),

    # maildrop: what it looks at
    wrong("owner/mailbox/changes.py",
          "one.st_mtime_ns, one.st_ctime_ns) == (other.st_size, other.st_mtime_ns, other.st_ctime_ns)",
          "one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)", "a change whose time was set back",
          f"{MAILDROP}::test_a_change_whose_time_was_set_back"),
    wrong("owner/mailbox/changes.py",
          "one.st_mtime_ns, one.st_ctime_ns) == (other.st_size, other.st_mtime_ns, other.st_ctime_ns)",
          "one.st_mtime_ns // 10**9) == (other.st_size, other.st_mtime_ns // 10**9)", "a second change within a second",
          f"{CHANGED}::test_each_field_tells"),
    wrong("owner/mailbox/maildrop.py", "        if not self.is_untouched():\n            self.file.lock(exclusive=False)",
          "        if False:\n            self.file.lock(exclusive=False)", "octets of another mailbox are sent", ENDS),
    wrong("owner/mailbox/maildrop.py", "block = self._compare_and_read(start, min(start + WRITE_OCTETS, self.index.end[i]))",
          "self._compare()", "what was there for a moment is sent", f"{CHANGES}::test_changed_for_a_moment"),
    wrong("owner/mailbox/maildrop.py", "return is_same_state(self.file.path_status(), self.seen)",
          "return is_same_state(self.file.status(), self.seen)", "a mailbox whose directory was replaced",
          f"{MAILDROP}::test_another_directory"),
    wrong("owner/mailbox/maildrop.py", "if not is_same_file(status, self.seen):", "if status is None:",
          "a mailbox that was replaced", ENDS),
    wrong("owner/mailbox/maildrop.py", "if not self._is_verified or self.state.has_journal():", "if self.state.has_journal():",
          "a mailbox that was rewritten", ENDS),
    wrong("owner/mailbox/maildrop.py", "if not self._is_verified or self.state.has_journal():", "if not self._is_verified:",
          "messages beside a journal that has come", "tests/session/test_journal_meanwhile.py::test_messages"),
    wrong("owner/mailbox/maildrop.py",
          "raise Changed  # it could not stand at the start of a mailbox, or belongs to a message that may be deleted", "pass",
          "junk becomes the start of the mailbox", f"{CHANGES}::test_junk_behind_is_not_rewritten"),
    wrong("owner/mailbox/maildrop.py", "        self.file.lock(exclusive=True)\n        status", "        status",
          "an update without lock", f"{CHANGES}::test_locks_are_waited_for"),
    wrong("owner/mailbox/maildrop.py", "        self.file.lock(exclusive=True)\n        status",
          "        self.file.lock(exclusive=False)\n        status", "an update with a reader's lock",
          f"{CHANGES}::test_locks_are_waited_for"),
    wrong("owner/loading.py", "                file.unlock()\n                return maildrop\n",
          "                return maildrop\n", "the lock is kept for the session",
          f"{CHANGES}::test_locks_are_not_held_in_between"),
    wrong("owner/mailbox/maildrop.py", "if status.st_size > self._max_octets:", "if status.st_size >= self._max_octets:",
          "the limit of octets", f"{MAILDROP}::test_octets_beyond_the_limit"),
    wrong("owner/mailbox/maildrop.py", "if status.st_size > self._max_octets:", "if status.st_size > self._max_octets + 1:",
          "the limit of octets", f"{MAILDROP}::test_octets_beyond_the_limit"),
    wrong("owner/mailbox/indexing.py", "kept.saved and len(kept) <= max_messages", "kept.saved",
          "the limit of messages with an index", f"{MAILDROP}::test_an_index_beyond_the_limit"),
    wrong("owner/mailbox/indexing.py", "kept.saved and len(kept) <= max_messages", "kept.saved and len(kept) < max_messages",
          "an index of as many messages as may be", f"{MAILDROP}::test_an_index_beyond_the_limit"),
    wrong("owner/mailbox/indexing.py", "== index.crlf and maildrop.is_untouched()", "== index.crlf",
          "an index of what others have changed", f"{INDEX}::test_changed_behind_an_update"),
    wrong("owner/mailbox/indexing.py", 'header.startswith(b"\\r") == index.crlf and', "", "an index with other line ends",
          f"{INDEX}::test_changed_behind_an_update"),

    # the parser
    wrong("owner/index/index.py", "return self._max_messages - len(self)", "return self._max_messages + 1 - len(self)",
          "the limit of messages", f"{WORKER}::test_limits"),
    wrong("owner/index/parser.py", "self._growth += 2", "self._growth += 0", "sizes that are not what is sent",
          f"{MBOX}::test_random_mailboxes"),
    wrong("owner/index/parser.py", "        if start == FROM:\n", "        if False:\n", "a mailbox that C popa3d refuses",
          f"{MBOX}::test_odd_mailboxes"),
    wrong("owner/index/parser.py", "if len(buffer) - self._position > HEADER_LINE_OCTETS:", "if False:", "a header line fills the memory",
          f"{MBOX}::test_memory_is_bounded"),
    wrong("owner/index/unique_id.py", "digests[i ^ 3 :: DIGEST_OCTETS]", "digests[i::DIGEST_OCTETS]", "all mail is fetched again",
          f"{MBOX}::test_random_mailboxes"),
)
