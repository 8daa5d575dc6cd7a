"""Mutations of popa3d-recover: how many users at once, for how long, and who acts for whom."""

from __future__ import annotations

from tests.mutants.mutation import wrong

# fmt: off
MUTATIONS = (
    wrong("root/runner.py", "_signal.sigtimedwait((_signal.SIGCHLD,), min(left, default=0))",
          "_signal.sigtimedwait((_signal.SIGCHLD,), 0)", "popa3d-recover waits for its children with a busy processor",
          "tests/root/test_recover_limits.py::test_too_many_are_stopped"),
    wrong("root/runner.py", "limits = (RECOVERY_SLOW_S, RECOVERY_TIMEOUT_S)", "limits = (RECOVERY_TIMEOUT_S,)",
          "slow mailboxes hold up the others", "tests/root/test_recover_limits.py::test_some_are_stopped"),
    wrong("root/runner.py", "if time.monotonic() >= program.started + RECOVERY_TIMEOUT_S:", "if False:",
          "a user who stops their process holds up popa3d-recover", "tests/root/test_recover_limits.py::test_some_are_stopped"),
    wrong("root/runner.py", "return len(self._programs) < RECOVERIES and ", "return ", "any number of processes at once",
          "tests/root/test_recover_limits.py::test_too_many_are_stopped"),
    wrong("root/runner.py", "< RECOVERIES_AT_ONCE", "< 1", "one user at a time",
          "tests/root/test_recover_limits.py::test_several_at_once"),
    wrong("root/runner.py", "sum(program.started > slow for program in self._programs.values())", "len(self._programs)",
          "slow mailboxes count against the quick ones", "tests/root/test_recover_limits.py::test_some_are_stopped"),
    wrong("root/runner.py", "return self._deadline is not None and time.monotonic() >= self._deadline", "return False", "popa3d-recover never ends",
          "tests/root/test_recover_limits.py::test_several_at_once"),
    wrong("root/recover_command.py", "if runner.is_over():", "if False:", "the same, between two users",
          "tests/root/test_recover_limits.py::test_too_many_are_stopped"),
    wrong("root/runner.py", "        for pid in list(self._programs):\n            self._leave(pid)", "        pass",
          "processes stay behind", "tests/root/test_recover_limits.py::test_several_at_once"),
    wrong("root/runner.py", "        self.failed = True", "        pass", "a recovery that was given up is a success",
          "tests/root/test_recover_limits.py::test_several_at_once"),
    wrong("root/journals.py", " or len(stems) > RECOVERY_ACCOUNTS", " ", "any number of accounts for one uid",
          "tests/root/test_recover.py::test_directories_that_are_not_used"),
    wrong("root/journals.py", "if count >= RECOVERY_FILES or", "if", "any number of names in a directory",
          "tests/root/test_recover.py::test_directories_that_are_not_used"),
    wrong("root/recover_command.py", " if stem(account.pw_name) == name else \"\"", "", "an account acts for a name that is not its own",
          "tests/unit/root/test_recover_command.py::test_accounts_of_journals"),
    wrong("root/recover_command.py", "if account is None or account.pw_uid != uid:", "if account is None:",
          "another account with that name acts", "tests/unit/root/test_recover_command.py::test_accounts_of_journals"),
    wrong("root/recover_command.py", "if account is None or account.pw_uid != uid:", "if False:", "accounts with long names are not found",
          "tests/root/test_sasl.py::test_recovery_of_the_longest_name"),
    wrong("root/recover_command.py", "return stem(owner.pw_name) in", "return owner.pw_name in", "the same, one by one",
          "tests/root/test_sasl.py::test_recovery_of_the_longest_name"),
    wrong("root/recover_command.py", "options.users = list(dict.fromkeys(rest))", "options.users = rest", "a user twice",
          "tests/root/test_recover_limits.py::test_several_at_once"),
    wrong("shared/limits.py", "RECOVERY_LIMIT_S = 10 * 60", "RECOVERY_LIMIT_S = 15 * 60",
          "popa3d-recover takes longer than its unit has",
          "tests/root/test_recover_limits.py::test_the_unit_lets_it_come_to_its_end"),
)
