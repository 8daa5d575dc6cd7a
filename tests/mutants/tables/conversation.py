"""Mutations of what talks to the client: lines, commands, the connection, both states, their loops, and sending."""

from __future__ import annotations

from tests.mutants.mutation import wrong

COMMANDS = "tests/unit/shared/test_commands.py"
LINES = "tests/unit/shared/test_lines.py"
CONNECTION = "tests/unit/shared/test_connection.py"
AUTHORIZATION = "tests/unit/preauth/test_authorization.py"
PREAUTH_LOOP = "tests/unit/preauth/test_loop.py"
TRANSACTION = "tests/unit/owner/pop3/test_transaction.py"
OWNER_LOOP = "tests/unit/owner/pop3/test_loop.py"
SENDING = "tests/unit/owner/pop3/test_sending.py"
BAD = "tests/session/test_bad_input.py"
STRANGER = f"{BAD}::test_wrong_in_authorization"
ENDS = "tests/session/test_changes.py::test_any_other_change_ends_the_session"
WORKER = "tests/session/test_worker.py"

# fmt: off
MUTATIONS = (
    # commands
    wrong("shared/commands.py", ' or b"\\0" in line', "", "NULs in commands", f"{COMMANDS}::test_no_commands"),
    wrong("shared/commands.py", "keyword = keyword.upper()", "pass", "lower case", f"{COMMANDS}::test_commands"),
    wrong("shared/commands.py", "not 0 < len(word) <= ARGUMENT_OCTETS", "not len(word) <= ARGUMENT_OCTETS", "two spaces",
          f"{COMMANDS}::test_no_commands"),
    wrong("shared/commands.py", "len(word) <= ARGUMENT_OCTETS", "len(word) < ARGUMENT_OCTETS", "words of 40 octets",
          f"{COMMANDS}::test_commands"),
    wrong("shared/commands.py", "    if not words[-1]:\n        words.pop()\n", "", "a space behind a command",
          f"{COMMANDS}::test_commands"),
    wrong("shared/commands.py", "[rest] if rest else []", 'rest.split(b" ")', "passwords with spaces",
          f"{COMMANDS}::test_commands"),
    wrong("shared/commands.py", "len(word) < _DIGITS", "len(word) <= _DIGITS", "numbers beyond C's int",
          f"{COMMANDS}::test_no_numbers"),
    wrong("shared/commands.py", "number > NUMBER_MAX or", "number >= NUMBER_MAX or", "C's greatest int",
          f"{COMMANDS}::test_numbers"),
    wrong("shared/commands.py", " or (negative and number)", "", "negative numbers", f"{COMMANDS}::test_no_numbers"),
    wrong("shared/commands.py", 'word.lstrip(b"\\t\\v\\f\\r")', "word", "white space that strtol(3) skips",
          f"{COMMANDS}::test_numbers"),

    # lines
    wrong("shared/lines.py", "line[:LINE_OCTETS].removesuffix", "line.removesuffix", "lines of 128 octets",
          f"{LINES}::test_long_lines_are_cut"),
    wrong("shared/lines.py", '.removesuffix(b"\\r")', "", "CRs at the end of commands", f"{LINES}::test_where_a_line_is_cut",
          f"{LINES}::test_splits_do_not_matter"),
    wrong("shared/lines.py", "(self._line + self._buffer[: LINE_OCTETS + 1])[: LINE_OCTETS + 1]",
          "(self._line + self._buffer)[:500_000]", "a line without end fills the memory", f"{LINES}::test_memory_is_bounded"),
    wrong("shared/lines.py", "return self._line + self._buffer", "return self._buffer", "the start of a line is lost with PASS",
          f"{LINES}::test_splits_do_not_matter"),

    # the connection
    wrong("shared/connection.py", "endpoint.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)", "pass",
          "replies wait for acknowledgements", f"{CONNECTION}::test_replies_leave_at_once"),
    wrong("shared/connection.py", "(_socket.AF_INET, _socket.AF_INET6)", "(_socket.AF_INET,)", "the same over IPv6",
          f"{CONNECTION}::test_replies_leave_at_once"),
    wrong("shared/connection.py", "not self._wait([0], [], line_deadline)",
          "not self._wait([0], [], time.monotonic() + self._timeout_s)",
          "an octet now and then keeps a session for ever", f"{CONNECTION}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "            may_block = False  # only the first read may take all the time\n", "",
          "each read may take the whole limit", f"{CONNECTION}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "may_block = deadline is None and ", "may_block = ", "the login limit does not hold while nothing comes",
          f"{CONNECTION}::test_before_login_select_bounds_each_read",
          f"{CONNECTION}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "line_deadline = min(line_deadline, deadline)", "line_deadline = deadline", "one line may take all the time of the login",
          f"{CONNECTION}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "line_deadline = min(line_deadline, deadline)", "pass", "the login limit does not hold",
          f"{CONNECTION}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "may_block = False  # the time is over", "may_block = True  # the time is over",
          "a connection that is non-blocking is read in a loop", f"{CONNECTION}::test_a_read_that_comes_back_empty_handed"),
    wrong("shared/connection.py", "self._read_is_bounded = endpoint is not None", "return endpoint is not None", "reads have no limit at all",
          f"{CONNECTION}::test_the_socket_has_the_limit"),
    wrong("shared/connection.py", "divmod(int(self._timeout_s * 1_000_000), 1_000_000)", "divmod(int(self._timeout_s * 1_000), 1_000)",
          "the limit of a read is not the idle limit", f"{CONNECTION}::test_the_socket_has_the_limit"),
    wrong("shared/connection.py", "                endpoint.detach()\n", "                pass\n",
          "the connection is closed after a first line", f"{CONNECTION}::test_the_socket_has_the_limit"),
    wrong("shared/connection.py", "        if self.ended:\n            return None\n        line = self._lines.take()", "        line = self._lines.take()",
          "commands of a client that gets no replies are obeyed", f"{CONNECTION}::test_a_peer_that_takes_nothing"),
    wrong("shared/connection.py", "            self.flush()\n            if idle", "            if idle",
          "replies wait for the next command", f"{CONNECTION}::test_when_replies_leave"),
    wrong("shared/connection.py", "if self._queued_octets >= WRITE_OCTETS:", "if self._queued_octets > WRITE_OCTETS:", "the size of a reply's pieces",
          f"{CONNECTION}::test_when_replies_leave"),
    wrong("shared/connection.py", "_socket.MSG_DONTWAIT", "0", "a client that reads nothing keeps a session for ever",
          f"{BAD}::test_a_peer_that_never_reads"),
    wrong("shared/connection.py", "except BlockingIOError:\n                self._wait([], [1], time.monotonic() + self._timeout_s)",
          "except BlockingIOError:\n                pass", "the same, with a busy processor",
          f"{CONNECTION}::test_a_peer_that_takes_nothing"),
    wrong("shared/connection.py", "data = memoryview(data)[sent_octets:]", "return", "long replies are cut",
          f"{CONNECTION}::test_what_is_sent_in_pieces"),
    wrong("shared/connection.py", "data[:PIPE_OCTETS]", "data", "a write to a pipe blocks", f"{CONNECTION}::test_on_a_pipe_writes_never_block"),
    wrong("shared/connection.py", "            except OSError:\n                self.ended = GONE\n",
          "            except OSError:\n                return\n", "a client that is gone still commands",
          f"{CONNECTION}::test_a_peer_that_is_gone"),

    # AUTHORIZATION
    wrong("preauth/authorization.py", 'b"PASS": Authorization._pass,', 'b"PASS": Authorization._pass, b"USER": Authorization._user,',
          "a second USER is taken", STRANGER, f"{AUTHORIZATION}::test_orders"),
    wrong("preauth/authorization.py", 'b"USER": Authorization._user,', 'b"USER": Authorization._user, b"PASS": Authorization._pass,',
          "PASS without USER", STRANGER, f"{AUTHORIZATION}::test_orders"),
    wrong("preauth/authorization.py", "        if arguments:\n            return self._refuse()\n", "", "QUIT with an argument", STRANGER,
          f"{AUTHORIZATION}::test_wrong_arguments"),
    wrong("preauth/authorization.py", "if self._invalid < INVALID_COMMANDS:", "if True:", "wrong commands without end cost time",
          "tests/root/test_start.py::test_invalid_commands", f"{AUTHORIZATION}::test_too_many_invalid"),
    wrong("preauth/authorization.py", "if self._invalid < INVALID_COMMANDS:", "if self._invalid <= INVALID_COMMANDS:",
          "a wrong command more", f"{AUTHORIZATION}::test_too_many_invalid"),
    wrong("preauth/loop.py", "connection.line(deadline)", "connection.line()", "a busy stranger is never sent away",
          f"{BAD}::test_login_limits[login_timeout_s = 1-True]"),
    wrong("preauth/loop.py", "min(timeout_s, login_timeout_s)", "login_timeout_s", "the idle limit before the login",
          f"{BAD}::test_login_limits[timeout_s = 1-False]"),
    wrong("preauth/loop.py", "authorization.password, connection.ahead())", 'authorization.password, b"")',
          "what a client sends ahead is lost", f"{BAD}::test_however_it_is_split", f"{PREAUTH_LOOP}::test_what_is_sent_ahead"),

    # TRANSACTION
    wrong("owner/pop3/transaction.py", " or self.deleted[number - 1]", "", "a deleted message is shown", f"{WORKER}::test_poplib",
          f"{TRANSACTION}::test_which_messages_there_are"),
    wrong("owner/pop3/transaction.py", "0 < number <= len(self.deleted)", "0 <= number <= len(self.deleted)",
          "message 0 is the last one", "tests/session/test_mailboxes.py::test_empty", f"{TRANSACTION}::test_which_messages_there_are"),
    wrong("owner/pop3/transaction.py", "prepared is not None and self._maildrop.is_untouched()", "prepared is not None",
          "a reply that was prepared of another mailbox", ENDS, f"{TRANSACTION}::test_prepared_and_written_to"),
    wrong("owner/pop3/transaction.py", "        self._prepared = None  # it is right", "        # it is right",
          "a reply that was prepared in a wrong moment", "tests/session/test_prepared.py::test_prepared_and_looked_at_again",
          f"{TRANSACTION}::test_prepared_in_vain"),
    wrong("owner/pop3/transaction.py", "if octets > PREPARED_OCTETS:", "if False:", "messages of any size are held in memory",
          "tests/session/test_prepared.py::test_large_ones_are_not_prepared", f"{TRANSACTION}::test_not_prepared"),
    wrong("owner/pop3/transaction.py", "if len(block) == octets:", "if True:", "a part of a message is sent as if it were all",
          f"{TRANSACTION}::test_not_prepared"),
    wrong("owner/pop3/transaction.py", "prepared = self._prepared if i == self._next else None", "prepared = self._prepared",
          "the next message is sent in place of the one that was asked for", f"{TRANSACTION}::test_another_than_was_prepared"),
    wrong("owner/pop3/transaction.py", "(words or kinds != \"?\")", "words", "DELE without a number marks something",
          f"{TRANSACTION}::test_what_is_invalid"),
    wrong("owner/pop3/transaction.py", " and not sender.done", "", "TOP reads all of a message", f"{TRANSACTION}::test_top_reads_no_more_than_it_sends"),
    wrong("owner/pop3/transaction.py", "if self._can_remove is None:", "if True:", "what removes is loaded, and a fault logged, for each DELE",
          f"{TRANSACTION}::test_removal_is_loaded_once", f"{TRANSACTION}::test_nothing_can_be_removed"),
    wrong("owner/pop3/transaction.py", "        if not self._can_remove:\n            return (replies.UNAVAILABLE,)\n", "",
          "a session of two versions deletes", f"{TRANSACTION}::test_nothing_can_be_removed"),
    wrong("owner/pop3/transaction.py", 'b"QUIT": (Transaction._quit, "", QUIT)', 'b"QUIT": (Transaction._quit, "?", QUIT)',
          "QUIT with an argument", f"{TRANSACTION}::test_what_is_invalid"),
    wrong("owner/pop3/loop.py", "            if connection.ended:\n                return False  #", "            #",
          "a message is read for a client that is gone", f"{OWNER_LOOP}::test_a_client_that_is_gone_in_a_message"),
    wrong("owner/pop3/loop.py", "connection.line(idle=transaction.prepare)", "connection.line()", "each RETR waits for the disk",
          f"{OWNER_LOOP}::test_prepares_while_idle"),
    wrong("owner/pop3/loop.py", "        if line is None:\n            return False\n", "        if line is None:\n            return True\n",
          "a client that is gone deletes", f"{OWNER_LOOP}::test_until_the_connection_ends"),

    # sending
    wrong("owner/pop3/sending.py", 'b"." if self._at_line_start and', 'b"." if', "dots are doubled where blocks meet",
          f"{SENDING}::test_retr"),
    wrong("owner/pop3/sending.py", 'replace(b"\\r\\n.", b"\\r\\n..")', 'replace(b"\\r\\n.", b"\\r\\n.")',
          "a dot ends a message of many dots", f"{SENDING}::test_retr"),
    wrong("owner/pop3/sending.py", 'return held + b"\\r\\n"', "return held", "an unfinished last line", f"{SENDING}::test_retr"),
)
