"""The tables fit the program, the harness sees what it should, and a sample of the mutations is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.host import CHECKOUT, Host
from tests.mutants.mutation import wrong
from tests.mutants.run import KILLED, SURVIVED, UNFIT, Outcome, fitness, run
from tests.mutants.tables import MUTATIONS

LOG = "tests/unit/shared/test_log.py"

# Of several modules, with tests that take a moment; the rest is for `make mutants`.
SAMPLE = (
    ("shared/log.py", "an exception's text, with a password, is logged"),
    ("shared/connection.py", "an octet now and then keeps a session for ever"),
    ("shared/record.py", "a password with a line end reaches PAM"),
    ("owner/mailbox/maildrop.py", "a change in the tick of the parse is not seen"),
    ("owner/mailbox/file.py", "another's file is served through a link"),
)

# What the harness must tell from these: each with its verdict, and a part of the reason.
CUT = f"{LOG}::test_cut"
ODD = {
    wrong("shared/log.py", "text[:LOG_TEXT_OCTETS]", "text[0:LOG_TEXT_OCTETS]", "harmless", CUT): (SURVIVED, ""),
    wrong("shared/log.py", "text[:_TEXT_LENGTH]", "text", "gone", CUT): (UNFIT, "does not apply any more"),
    wrong("shared/log.py", "syslog.LOG_", "syslog.log_", "several", CUT): (UNFIT, "its text is there"),
    wrong("shared/log.py", "syslog.LOG_INFO\n", "syslog.LOG_INFO  # 6\n", "a comment", CUT): (UNFIT, "changes nothing"),
    wrong("shared/log.py", "INFO = ", "INFO = = ", "no program", CUT): (UNFIT, "makes no program"),
    wrong("shared/log.py", "INFO = ", "DEBUG = ", "no test", f"{LOG}::test_that_is_not_there"): (UNFIT, "there is no test"),
    wrong("shared/log.py", "INFO = ", "DEBUG = ", "no file of tests", "tests/none.py::test_x"): (UNFIT, "there is no test"),
    wrong("shared/log.py", "import syslog\n", "import no_syslog\n", "no import", CUT): (UNFIT, "do not run with it: 1 error"),
}


def test_tables() -> None:
    """Each mutation applies to one place of the program, is another program, has a reason, and is there once."""
    wrong_ones = []
    for mutation in MUTATIONS:
        try:
            mutation.mutated(CHECKOUT)
        except ValueError as error:
            wrong_ones.append(f"{mutation.path}: {mutation.before!r}: {error}")
        assert mutation.why and mutation.tests, mutation
    assert wrong_ones == []
    assert len({mutation[:3] for mutation in MUTATIONS}) == len(MUTATIONS)


def test_tests_exist() -> None:
    """Each test that is to kill a mutation is one: a file, a function of one, or that with a parameter."""
    wanted = {test for mutation in MUTATIONS for test in mutation.tests}
    files = sorted({test.partition("::")[0] for test in wanted})
    command = [sys.executable, "-B", "-m", "pytest", "--collect-only", *files]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    nodes = {line for line in done.stdout.splitlines() if "::" in line}
    known = nodes | {node.partition("[")[0] for node in nodes} | set(files)
    assert sorted(wanted - known) == []


def test_harness(host: Host, tmp_path: Path) -> None:
    """A sample of the tables is killed. What no test notices is told as such, and so is all that cannot be judged."""
    sample = [mutation for mutation in MUTATIONS if (mutation.path.removeprefix("lib/popa3d/"), mutation.why) in SAMPLE]
    assert len(sample) == len(SAMPLE)
    before = {path: path.read_bytes() for path in (CHECKOUT / "lib").rglob("*.py")}
    verdicts = {verdict.mutation: verdict for verdict in run([*sample, *ODD], tmp_path / "copies")}
    assert [verdict for verdict in map(verdicts.get, sample) if verdict and verdict.what != KILLED] == []
    for mutation in sample:
        assert verdicts[mutation].how.startswith(mutation.tests[0])
    for mutation, (what, part) in ODD.items():
        assert (mutation.why, verdicts[mutation].what) == (mutation.why, what)
        assert part in verdicts[mutation].how
    assert before == {path: path.read_bytes() for path in before}


def test_tests_that_do_not_pass() -> None:
    """Tests that fail, are skipped or break without a mutation say nothing of it; parameters count for their test."""
    for word in ("failed", "skipped", "error"):
        outcomes = [Outcome("passed", "t.py::test_a[1]"), Outcome(word, "t.py::test_a[2]"), Outcome("passed", "t.py::test_ab")]
        assert fitness(outcomes, ["t.py::test_ab"]) == ""
        assert fitness(outcomes, ["t.py::test_a[1]"]) == ""
        said = fitness(outcomes, ["t.py::test_ab", "t.py::test_a"])
        assert said.startswith("t.py::test_a does not pass without it") and word in said
        assert fitness(outcomes, ["t.py::test"]) == "there is no test t.py::test"
