"""Mutations of what lies beside the folders (client, log), of preauth, and of the limits in params."""

from __future__ import annotations

from tests.mutants.mutation import wrong

CLIENT = "tests/unit/shared/test_connection.py"
LOG = "tests/unit/shared/test_log.py"
BAD = "tests/session/test_bad_input.py"
RECORD = "tests/unit/shared/test_record.py"
COMMANDS = "tests/unit/shared/test_commands.py"
LINES = "tests/unit/shared/test_lines.py"
STRANGER = "tests/session/test_bad_input.py::test_wrong_in_authorization"
STATE = "tests/unit/preauth/test_authorization.py"
LOOP = "tests/unit/preauth/test_loop.py"

# fmt: off
MUTATIONS = (
    # log
    wrong("shared/log.py", '"".join(c if " " <= c <= "~" else "?" for c in text[:LOG_TEXT_OCTETS])', "text[:LOG_TEXT_OCTETS]",
          "line ends and escapes reach the log", f"{LOG}::test_only_printable"),
    wrong("shared/log.py", '" " <= c', '"\\t" <= c', "control characters reach the log", f"{LOG}::test_only_printable"),
    wrong("shared/log.py", '<= "~"', '<= "\\x7f"', "DEL reaches the log", f"{LOG}::test_only_printable"),
    wrong("shared/log.py", "text[:LOG_TEXT_OCTETS]", "text", "a client decides how long a log line is", f"{LOG}::test_cut"),
    wrong("shared/limits.py", "LOG_TEXT_OCTETS = 512", "LOG_TEXT_OCTETS = 511", "a log line's length", f"{LOG}::test_cut"),
    wrong("shared/log.py", "{type(error).__name__} at", "{error!r} at", "an exception's text, with a password, is logged",
          f"{LOG}::test_crash"),
    wrong("shared/log.py", "trace = trace.tb_next", "trace = None", "only the outermost place of a bug is logged",
          f"{LOG}::test_crash"),
    wrong("shared/log.py", "syslog.LOG_DAEMON", "syslog.LOG_USER", "the log's facility", f"{LOG}::test_priorities"),
    wrong("shared/log.py", "syslog.LOG_PID | syslog.LOG_NDELAY", "syslog.LOG_NDELAY", "log lines without process",
          f"{LOG}::test_names"),

    # client
    wrong("shared/connection.py", "endpoint.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)", "pass",
          "replies wait for acknowledgements", f"{CLIENT}::test_replies_leave_at_once"),
    wrong("shared/connection.py", "(_socket.AF_INET, _socket.AF_INET6)", "(_socket.AF_INET,)", "the same over IPv6",
          f"{CLIENT}::test_replies_leave_at_once"),
    wrong("shared/connection.py", "not self._wait([0], [], line_deadline)",
          "not self._wait([0], [], time.monotonic() + self._timeout_s)",
          "an octet now and then keeps a session for ever", f"{CLIENT}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "            may_block = False  # only the first read may take all the time\n", "",
          "each read may take the whole limit", f"{CLIENT}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "may_block = deadline is None and ", "may_block = ", "the login limit does not hold while nothing comes",
          f"{CLIENT}::test_before_login_select_bounds_each_read",
          f"{CLIENT}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "line_deadline = min(line_deadline, deadline)", "line_deadline = deadline", "one line may take all the time of the login",
          f"{CLIENT}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "line_deadline = min(line_deadline, deadline)", "pass", "the login limit does not hold",
          f"{CLIENT}::test_octets_of_a_line_do_not_start_the_limit_again"),
    wrong("shared/connection.py", "may_block = False  # the time is over", "may_block = True  # the time is over",
          "a connection that is non-blocking is read in a loop", f"{CLIENT}::test_a_read_that_comes_back_empty_handed"),
    wrong("shared/connection.py", "self._read_is_bounded = endpoint is not None", "return endpoint is not None", "reads have no limit at all",
          f"{CLIENT}::test_the_socket_has_the_limit"),
    wrong("shared/connection.py", "divmod(int(self._timeout_s * 1_000_000), 1_000_000)", "divmod(int(self._timeout_s * 1_000), 1_000)",
          "the limit of a read is not the idle limit", f"{CLIENT}::test_the_socket_has_the_limit"),
    wrong("shared/connection.py", "                endpoint.detach()\n", "                pass\n",
          "the connection is closed after a first line", f"{CLIENT}::test_the_socket_has_the_limit"),
    wrong("shared/connection.py", "        if self.ended:\n            return None\n        line = self._lines.take()", "        line = self._lines.take()",
          "commands of a client that gets no replies are obeyed", f"{CLIENT}::test_a_peer_that_takes_nothing"),
    wrong("shared/connection.py", "            self.flush()\n            if idle", "            if idle",
          "replies wait for the next command", f"{CLIENT}::test_when_replies_leave"),
    wrong("shared/connection.py", "if self._queued_octets >= WRITE_OCTETS:", "if self._queued_octets > WRITE_OCTETS:", "the size of a reply's pieces",
          f"{CLIENT}::test_when_replies_leave"),
    wrong("shared/connection.py", "_socket.MSG_DONTWAIT", "0", "a client that reads nothing keeps a session for ever",
          f"{BAD}::test_a_peer_that_never_reads"),
    wrong("shared/connection.py", "except BlockingIOError:\n                self._wait([], [1], time.monotonic() + self._timeout_s)",
          "except BlockingIOError:\n                pass", "the same, with a busy processor",
          f"{CLIENT}::test_a_peer_that_takes_nothing"),
    wrong("shared/connection.py", "data = memoryview(data)[sent_octets:]", "return", "long replies are cut",
          f"{CLIENT}::test_what_is_sent_in_pieces"),
    wrong("shared/connection.py", "data[:PIPE_OCTETS]", "data", "a write to a pipe blocks", f"{CLIENT}::test_on_a_pipe_writes_never_block"),
    wrong("shared/connection.py", "            except OSError:\n                self.ended = GONE\n",
          "            except OSError:\n                return\n", "a client that is gone still commands",
          f"{CLIENT}::test_a_peer_that_is_gone"),

    # preauth
    wrong("preauth/authorization.py", 'b"PASS": Authorization._pass,', 'b"PASS": Authorization._pass, b"USER": Authorization._user,',
          "a second USER is taken", STRANGER, f"{STATE}::test_orders"),
    wrong("preauth/authorization.py", 'b"USER": Authorization._user,', 'b"USER": Authorization._user, b"PASS": Authorization._pass,',
          "PASS without USER", STRANGER, f"{STATE}::test_orders"),
    wrong("preauth/authorization.py", "        if arguments:\n            return self._refuse()\n", "", "QUIT with an argument", STRANGER,
          f"{STATE}::test_wrong_arguments"),
    wrong("preauth/authorization.py", "if self._invalid < INVALID_COMMANDS:", "if True:", "wrong commands without end cost time",
          "tests/root/test_start.py::test_invalid_commands", f"{STATE}::test_too_many_invalid"),
    wrong("preauth/authorization.py", "if self._invalid < INVALID_COMMANDS:", "if self._invalid <= INVALID_COMMANDS:",
          "a wrong command more", f"{STATE}::test_too_many_invalid"),
    wrong("preauth/loop.py", "connection.line(deadline)", "connection.line()", "a busy stranger is never sent away",
          f"{BAD}::test_login_limits[login_timeout_s = 1-True]"),
    wrong("preauth/loop.py", "min(timeout_s, login_timeout_s)", "login_timeout_s", "the idle limit before the login",
          f"{BAD}::test_login_limits[timeout_s = 1-False]"),
    wrong("preauth/loop.py", "authorization.password, connection.ahead())", 'authorization.password, b"")',
          "what a client sends ahead is lost", f"{BAD}::test_however_it_is_split", f"{LOOP}::test_what_is_sent_ahead"),

    # params
    wrong("shared/limits.py", "ARGUMENT_OCTETS = 40", "ARGUMENT_OCTETS = 41", "words of 41 octets", f"{COMMANDS}::test_no_commands",
          f"{RECORD}::test_forged_login"),
    wrong("shared/limits.py", "ARGUMENT_OCTETS = 40", "ARGUMENT_OCTETS = 39", "no words of 40 octets", f"{COMMANDS}::test_commands",
          f"{RECORD}::test_longest_login"),
    wrong("shared/limits.py", 'LINE_OCTETS - len("PASS ")', 'LINE_OCTETS - len("PASS")', "passwords that no line has",
          f"{RECORD}::test_forged_login"),
    wrong("shared/limits.py", 'LINE_OCTETS - len("PASS ")', 'LINE_OCTETS - len("PASS  ")', "no passwords of 122 octets",
          f"{RECORD}::test_longest_login"),
    wrong("shared/limits.py", "LINE_OCTETS = 127", "LINE_OCTETS = 128", "where a line is cut", f"{LINES}::test_where_a_line_is_cut"),
    wrong("shared/limits.py", "LINE_OCTETS = 127", "LINE_OCTETS = 126", "where a line is cut", f"{LINES}::test_where_a_line_is_cut"),
    wrong("shared/limits.py", "NUMBER_MAX = 2**31 - 1", "NUMBER_MAX = 2**31", "a number beyond C's int",
          f"{COMMANDS}::test_no_numbers"),
    wrong("shared/limits.py", "NUMBER_MAX = 2**31 - 1", "NUMBER_MAX = 2**31 - 2", "C's greatest int", f"{COMMANDS}::test_numbers"),
    wrong("shared/limits.py", "LOCK_TIMEOUT_S = 20", "LOCK_TIMEOUT_S = 25", "how long another's lock is waited for",
          "tests/unit/owner/mailbox/test_locks.py::test_how_long_a_lock_is_waited_for"),
    wrong("shared/limits.py", "READ_OCTETS = 4096", "READ_OCTETS = 4097", "what root takes as sent ahead",
          f"{RECORD}::test_forged_login"),
    wrong("shared/limits.py", "READ_OCTETS = 4096", "READ_OCTETS = 4095", "what root takes as sent ahead",
          f"{RECORD}::test_longest_login"),
)
