"""Mutations of popa3d-hosts, which tells nginx who has whose mailbox."""

from __future__ import annotations

from tests.mutants.mutation import wrong

HOSTS = "packaging/nginx/popa3d-hosts"
TESTS = "tests/scale/test_hosts.py"

# fmt: off
MUTATIONS = (
    wrong(HOSTS, "for words in (name, name.partition", "for words in (name.partition", "a name in capitals has no line of its own",
          f"{TESTS}::test_where_users_are"),
    wrong(HOSTS, '.partition(b"@")[0].lower(), EVERYBODY', '.lower(), EVERYBODY', "an e-mail address has no host",
          f"{TESTS}::test_where_users_are"),
    wrong(HOSTS, ".lower(), EVERYBODY):", ".lower()):", "nobody is everybody", f"{TESTS}::test_all_others"),
    wrong(HOSTS, "        if now == self._seen:\n            return\n", "", "a wrong table is logged at each question",
          f"{TESTS}::test_a_table_that_changes"),
    wrong(HOSTS, "        self._refresh()\n", "", "a table that has changed is not read", f"{TESTS}::test_a_table_that_changes"),
    wrong(HOSTS, "if not stat.S_ISREG(os.fstat(file.fileno()).st_mode)", "if False", "a device is read without an end",
          f"{TESTS}::test_where_it_does_not_start"),
    wrong(HOSTS, "if user in hosts or len", "if len", "the second line of a user counts, and nobody is told",
          f"{TESTS}::test_wrong_tables"),
    wrong(HOSTS, " or int(port) > 65535", "", "a port that cannot be", f"{TESTS}::test_wrong_tables"),
    wrong(HOSTS, "not 0 < len(name) <= NAME_OCTETS", "not 0 < len(name)", "names without an end", f"{TESTS}::test_names_that_nobody_has"),
    wrong(HOSTS, "<= NAME_OCTETS or _CONTROLS.search(name)", "<= NAME_OCTETS", "control characters in a name",
          f"{TESTS}::test_names_that_nobody_has"),
    wrong(HOSTS, " or name == EVERYBODY:", ":", "a user called everybody", f"{TESTS}::test_names_that_nobody_has"),
    wrong(HOSTS, 'self._kind() != ("pop3", "plain") or', "", "a host for what popa3d cannot do", f"{TESTS}::test_what_popa3d_cannot_do"),
    wrong(HOSTS, 'unquote_to_bytes((self.headers["Auth-User"] or "").encode("latin-1", "replace"))',
          '(self.headers["Auth-User"] or "").encode("latin-1", "replace")', "what nginx has quoted is another name",
          f"{TESTS}::test_names_that_nobody_has", f"{TESTS}::test_where_users_are"),
    wrong(HOSTS, "if stat.S_ISSOCK(os.lstat(path).st_mode):", "if False:", "it does not start again",
          f"{TESTS}::test_it_ends_and_starts_again"),
    wrong(HOSTS, "if os.getuid() == 0:", "if False:", "it runs as root", f"{TESTS}::test_where_it_does_not_start"),
    wrong(HOSTS, '_UNPRINTABLE.sub("?", text)[:500]', "text", "clients can write control characters into the log",
          f"{TESTS}::test_what_is_no_question"),
)
# fmt: on
