"""Mutations of popa3d-check: what it says, and what its process that looks at a mailbox has of root's."""

from __future__ import annotations

from tests.mutants.mutation import wrong

CHECK = "tests/root/check"
FINDINGS = "tests/unit/shared/test_findings.py"
OWN = f"{CHECK}/test_account.py::test_the_owners_process"
PAM = f"{CHECK}/test_pam.py"
ADVICE = "tests/unit/root/check/test_advice.py"
STACK = "tests/unit/root/pam/test_stack.py"
NONE = f"{CHECK}/test_mailbox.py::test_mailboxes_that_are_none"

# fmt: off
MUTATIONS = (
    wrong("root/check/account.py", "        privileges.become(account.pw_uid, account.pw_gid)\n", "        pass\n",
          "root reads a mailbox", OWN, f"{CHECK}/test_mailbox.py::test_mailboxes_that_are_refused"),
    wrong("root/check/account.py", "        privileges.no_new_privileges()\n", "        pass\n",
          "what reads the mailbox could execute a setuid program", OWN),
    wrong("root/check/account.py", "        process.send_to_null(0, 1)\n", "        pass\n", "it has root's terminal", OWN),
    wrong("root/check/account.py", "        process.secure(_REPORT_FD + 1)\n", "        pass\n", "it has what root has open", OWN),
    wrong("root/check/account.py", "        return result  # popa3d would come no further", "        pass  # popa3d would come no further",
          "root's own mailbox is looked at", f"{CHECK}/test_account.py::test_accounts_without_sessions"),
    wrong("root/check/service.py", 'elif field[0] in "!*"', "elif False", "a locked password is not told",
          f"{CHECK}/test_pam.py::test_passwords"),
    wrong("owner/mailbox/examination.py", 'if name != "dotlock"', "", "a delivery is kept waiting, or a foreign lock removed",
          f"{CHECK}/test_locks.py::test_locks"),
    wrong("owner/mailbox/examination.py", "    line = 1\n", "    line = 0\n", "the wrong line", NONE),
    wrong("owner/mailbox/examination.py", 'f"\\\\x{octet:02x}"', '"?"', "what is there cannot be told", NONE),
    wrong("owner/index/parser.py", "self._offset + self._position + len(empty))", "self._offset + self._position)",
          "the wrong octet", NONE),
    wrong("owner/mailbox/holders.py", "        yield Holder(\"flock\", pid)\n", "        pass\n", "who holds the lock is not told",
          f"{CHECK}/test_locks.py::test_locks"),
    wrong("owner/mailbox/holders.py", "pid > 0 and len(words) == 1 and _has_ended(pid)", "False", "a process that has ended is to be ended",
          f"{CHECK}/test_locks.py::test_locks_that_do_not_matter"),
    wrong("owner/mailbox/examination.py", 'if holder.kind.replace("-", "") not in locks:', "if False:",
          "a session is said to wait for a lock that it does not look at", f"{CHECK}/test_locks.py::test_locks_that_do_not_matter"),
    wrong("owner/mailbox/holders.py", "len(words) == 1 and ", "", "another host's process is told to have ended",
          f"{CHECK}/test_locks.py::test_locks_that_do_not_matter"),
    wrong("owner/mailbox/holders.py", "        if pid >= _PIDS:\n            pid = 0\n", "", "a user's dot-lock makes the report one that root refuses",
          f"{CHECK}/test_locks.py::test_locks_that_do_not_matter"),
    wrong("root/check/configuration_file.py", "                table = broken[1]  # what follows is meant for it\n", "                pass\n",
          "what follows a broken head is told as a mistake", f"{CHECK}/test_configuration.py::test_a_broken_head"),
    wrong("shared/findings.py", "    if len(data) > FINDINGS_OCTETS:\n", "    if False:\n", "a report of any size", f"{FINDINGS}::test_forged"),
    wrong("shared/findings.py", "type(number) is int and 0 <= number < _NUMBER_MOST", "True", "a number that is none",
          f"{FINDINGS}::test_forged"),
    wrong("shared/findings.py", 'c if " " <= c <= "~" else "?"', "c", "a user moves the cursor of root's terminal",
          f"{FINDINGS}::test_text"),
    wrong("root/check/configuration_file.py", "            mistakes.append(Mistake(line, f\"not TOML: {_AT.sub('', message)}\", _as_toml(table, statement)))\n",
          "            mistakes[:] = mistakes or [Mistake(line, \"not TOML\", \"\")]\n", "only the first mistake is told", f"{CHECK}/test_configuration.py::test_what_is_no_toml"),
    wrong("root/configuration.py", "                note(Refused(f\"unknown key {table}.{_shown(key)}\", f\"{table}.{key}\"))\n                continue\n",
          "                raise Refused(f\"unknown key {table}.{_shown(key)}\")\n", "only the first mistake is told",
          f"{CHECK}/test_configuration.py::test_every_mistake_of_the_configuration"),
    wrong("root/check/configuration_file.py", "            if table in lines:\n", "            if False:\n",
          "what TOML refuses is told without its first line", f"{ADVICE}::test_twice", f"{CHECK}/test_configuration.py::test_a_key_twice"),
    wrong("root/check/configuration_file.py", "            if path in lines:\n", "            if False:\n", "a key that is there twice is not told",
          f"{ADVICE}::test_twice"),
    wrong("root/check/advice.py", "    others = [setting.table for setting in TABLE if setting.key == key]\n", "    others: list[str] = []\n",
          "the table of a key is not told", f"{ADVICE}::test_what_was_meant"),
    wrong("root/check/advice.py", "list(elsewhere), 1, _VERY_NEAR)", "list(elsewhere), 1, 0.1)", "any name is said to be meant",
          f"{ADVICE}::test_what_was_meant"),
    wrong("root/check/service.py", "    if askers:\n", "    if False:\n", "a user of LDAP's is said to be locked out", f"{PAM}::test_passwords"),
    wrong("root/check/service.py", "    if not stack.asks_unix():\n", "    if False:\n", "a password that nobody asks for is a fault",
          f"{PAM}::test_passwords"),
    wrong("root/check/service.py", "        if line.is_quiet and not line.must_pass():\n", "        if line.is_quiet:\n",
          "a missing module keeps everybody out, and is not told", f"{PAM}::test_lines_that_linux_pam_cannot_use"),
    wrong("root/check/service.py", "asked(line) and line.control", "line.control", "a missing module of sessions is a fault",
          f"{PAM}::test_lines_that_linux_pam_cannot_use"),
    wrong("root/pam/stack.py", "        elif found[0] in paths:\n", "        elif False:\n", "popa3d-check is killed by Linux-PAM",
          f"{PAM}::test_files_that_include_each_other"),
    wrong("root/pam/stack.py", "        elif len(paths) > PAM_INCLUDES:\n", "        elif False:\n", "no bound", f"{STACK}::test_bounds"),
    wrong("root/pam/stack.py", "        if (path, only) in self._followed:\n", "        if False:\n", "the same lines many times",
          f"{STACK}::test_twice"),
    wrong("root/pam/stack.py", "            elif only not in (b\"\", kind):\n", "            elif False:\n", "lines that PAM leaves out count",
          f"{STACK}::test_lines"),
    wrong("root/check/command.py", "        findings += _host_faults(settings, findings)", "        pass", "the user is said to be well",
          f"{CHECK}/test_account.py::test_faults_of_the_host"),
    wrong("root/check/command.py", "and finding.text not in texts]", "]", "one fault looks like two",
          f"{CHECK}/test_account.py::test_faults_of_the_host"),
    wrong("owner/mailbox/examination.py", "id_map.aligned(index.ids).count()", "id_map.count()", "a map of other mail seems to fit",
          f"{CHECK}/test_mailbox.py::test_map"),
    wrong("root/check/delivery.py", "if set(locks) & set(settings.locks):", "if True:", "popa3d and a delivery write at once",
          f"{CHECK}/test_host.py::test_delivery_agents", "tests/unit/root/check/test_delivery.py::test_postfix"),
)
