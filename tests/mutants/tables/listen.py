"""Mutations of listen: what sessions get of the listener, who is refused, and what is logged of that."""

from __future__ import annotations

from tests.mutants.mutation import wrong

# fmt: off
MUTATIONS = (
    wrong("root/listen/listener.py", "        os.setsid()", "        pass", "what libwrap starts has the listener's terminal",
          "tests/super/test_daemon_limits.py::test_signals_and_alarms"),
    wrong("root/listen/listener.py", "        signal.alarm(self._settings.login_timeout_s)", "        pass",
          "libwrap holds a connection for ever", "tests/super/test_daemon_limits.py::test_signals_and_alarms"),
    wrong("root/listen/children.py", "    mask = signals.block()", "    mask = set()",
          "a signal reaches a child that has the listener's handlers",
          "tests/super/test_daemon_limits.py::test_signals_and_alarms"),
    wrong("root/listen/listener.py",
          "        os.setsid()  # before libwrap runs what hosts.allow says: a terminal and its Ctrl-C are the "
          "" "" "listener's\n        self._sockets.close()\n", "        os.setsid()\n", "a child that waits for libwrap keeps the port",
          "tests/super/test_daemon_limits.py::test_sessions_have_nothing_of_the_listener"),
    wrong("root/listen/listener.py", "            self._sockets.close()\n            child()", "            child()",
          "a process that waits for the log keeps the port",
          "tests/super/test_daemon_limits.py::test_a_stuck_log_does_not_keep_the_port"),
    wrong("root/listen/listener.py", "        self._log.finish()\n", "        pass\n",
          "lines that wait are lost when the listener ends",
          "tests/super/test_daemon_limits.py::test_lines_that_wait_behind_a_stuck_log"),
    wrong("root/listen/log_queue.py", "        signal.alarm(LOG_S)", "        pass",
          "a log daemon that hangs holds the log's child for ever", "tests/super/test_daemon_limits.py::test_alarm_of_the_log"),
    wrong("root/listen/listener.py",
          "            self._log.start()  # here no connection is open, which would stay so until the line is logged\n", "",
          "lines that wait for a child that has ended stay there",
          "tests/super/test_daemon_limits.py::test_each_refused_source_is_logged"),
    wrong("root/listen/socket_set.py", "            self._reopen(closed)\n", "            pass\n",
          "a configuration with a wrong address ends the service on the right ones",
          "tests/unit/root/listen/test_socket_set.py::test_all_or_nothing"),
    wrong("root/listen/socket_set.py", "            for listening in opened.values():\n                listening.close()\n", "",
          "a configuration that was refused listens in part", "tests/unit/root/listen/test_socket_set.py::test_at_the_start"),
    wrong("root/listen/socket_set.py", "if other not in wanted and (other[0], other[2]) == (family, port)", "if other not in wanted",
          "other ports are closed for one that is in use", "tests/unit/root/listen/test_socket_set.py::test_another_port"),
    wrong("root/listen/children.py", "            signals.forget()\n", "", "a session has the listener's handlers",
          "tests/unit/root/listen/test_children.py::test_child"),
    wrong("root/listen/signals.py", "            if self.stopping:\n                os._exit(0)", "            if False:\n                os._exit(0)",
          "a second SIGTERM does not end the daemon", "tests/unit/root/listen/test_children.py::test_twice"),
    wrong("root/listen/flood.py", "        if len(unauthenticated) >= most:", "        if False:",
          "those who have not logged in take all sessions", "tests/unit/root/listen/test_flood.py"),
    wrong("root/listen/flood.py", ">= limits.per_source", "> limits.per_source", "a source has one session more than it may",
          "tests/unit/root/listen/test_flood.py"),
)
