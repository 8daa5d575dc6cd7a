"""Mutations of popa3d-check: what it says, and what its process that looks at a mailbox has of root's."""

from __future__ import annotations

from tests.mutants.mutation import wrong

CHECK = "tests/root/test_check.py"
FINDINGS = "tests/unit/shared/test_findings.py"
OWN = f"{CHECK}::test_the_owners_process"
NONE = f"{CHECK}::test_mailboxes_that_are_none"

# fmt: off
MUTATIONS = (
    wrong("root/check/account.py", "        privileges.become(account.pw_uid, account.pw_gid)\n", "        pass\n",
          "root reads a mailbox", OWN, f"{CHECK}::test_mailboxes_that_are_refused"),
    wrong("root/check/account.py", "        privileges.no_new_privileges()\n", "        pass\n",
          "what reads the mailbox could execute a setuid program", OWN),
    wrong("root/check/account.py", "        process.send_to_null(0, 1)\n", "        pass\n", "it has root's terminal", OWN),
    wrong("root/check/account.py", "        process.secure(_REPORT_FD + 1)\n", "        pass\n", "it has what root has open", OWN),
    wrong("root/check/account.py", "        return result  # popa3d would come no further", "        pass  # popa3d would come no further",
          "root's own mailbox is looked at", f"{CHECK}::test_accounts_without_sessions"),
    wrong("root/check/account.py", 'elif field[0] in "!*"', "elif False", "a locked password is not told",
          f"{CHECK}::test_passwords"),
    wrong("owner/mailbox/examination.py", 'if name != "dotlock"', "", "a delivery is kept waiting, or a foreign lock removed",
          f"{CHECK}::test_locks"),
    wrong("owner/mailbox/examination.py", "    line = 1\n", "    line = 0\n", "the wrong line", NONE),
    wrong("owner/mailbox/examination.py", 'f"\\\\x{octet:02x}"', '"?"', "what is there cannot be told", NONE),
    wrong("owner/index/parser.py", "self._offset + self._position + len(empty))", "self._offset + self._position)",
          "the wrong octet", NONE),
    wrong("owner/mailbox/holders.py", "        yield Holder(\"flock\", pid)\n", "        pass\n", "who holds the lock is not told",
          f"{CHECK}::test_locks"),
    wrong("owner/mailbox/holders.py", "pid > 0 and len(words) == 1 and _has_ended(pid)", "False", "a process that has ended is to be ended",
          f"{CHECK}::test_locks_that_do_not_matter"),
    wrong("owner/mailbox/examination.py", 'if holder.kind.replace("-", "") not in locks:', "if False:",
          "a session is said to wait for a lock that it does not look at", f"{CHECK}::test_locks_that_do_not_matter"),
    wrong("owner/mailbox/holders.py", "len(words) == 1 and ", "", "another host's process is told to have ended",
          f"{CHECK}::test_locks_that_do_not_matter"),
    wrong("owner/mailbox/holders.py", "        if pid >= _PIDS:\n            pid = 0\n", "", "a user's dot-lock makes the report one that root refuses",
          f"{CHECK}::test_locks_that_do_not_matter"),
    wrong("root/check/configuration_file.py", "                table = broken[1]  # what follows is meant for it\n", "                pass\n",
          "what follows a broken head is told as a mistake", f"{CHECK}::test_a_broken_head"),
    wrong("shared/findings.py", "    if len(data) > FINDINGS_OCTETS:\n", "    if False:\n", "a report of any size", f"{FINDINGS}::test_forged"),
    wrong("shared/findings.py", "type(number) is int and 0 <= number < _NUMBER_MOST", "True", "a number that is none",
          f"{FINDINGS}::test_forged"),
    wrong("shared/findings.py", 'c if " " <= c <= "~" else "?"', "c", "a user moves the cursor of root's terminal",
          f"{FINDINGS}::test_text"),
    wrong("root/check/configuration_file.py", "        mistakes.append((line, f\"not TOML: {_AT.sub('', message)}\"))\n",
          "        mistakes[:] = mistakes or [(line, \"not TOML\")]\n", "only the first mistake is told", f"{CHECK}::test_what_is_no_toml"),
    wrong("root/configuration.py", "                note(Refused(f\"unknown key {table}.{_shown(key)}\"))\n                continue\n",
          "                raise Refused(f\"unknown key {table}.{_shown(key)}\")\n", "only the first mistake is told",
          f"{CHECK}::test_every_mistake_of_the_configuration"),
    wrong("root/check/delivery.py", "if set(locks) & set(settings.locks):", "if True:", "popa3d and a delivery write at once",
          f"{CHECK}::test_delivery_agents", "tests/unit/root/check/test_delivery.py::test_postfix"),
)
