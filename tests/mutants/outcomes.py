"""A plugin of pytest's, for runs on a copy: runs only the tests that are wanted, and writes down what became of each.

    pytest -p tests.mutants.outcomes --wanted FILE --outcomes FILE tests/...

FILE has a node id a line: a file, a test, which stands for all of its parameters, or one of these. Written are lines of the words
"missing" and an id that is no test's, or "passed", "failed", "error" (outside of the test itself) or "skipped", and the id.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def belongs(nodeid: str, wanted: str) -> bool:
    """Whether a test is what is wanted, or one of its parameters, or in that file."""
    return nodeid == wanted or nodeid.startswith((f"{wanted}[", f"{wanted}::"))


class Outcomes:
    """What pytest calls."""

    def __init__(self, wanted: list[str], written: Path) -> None:
        self._wanted = wanted
        self._written = written

    def _write(self, word: str, nodeid: str) -> None:
        with self._written.open("a") as file:
            file.write(f"{word} {nodeid}\n")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what is wanted."""
        for wanted in self._wanted:
            if not any(belongs(item.nodeid, wanted) for item in items):
                self._write("missing", wanted)
        items[:] = [item for item in items if any(belongs(item.nodeid, wanted) for wanted in self._wanted)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write what is known of a test now."""
        if report.when == "call":
            self._write(report.outcome, report.nodeid)
        elif not report.passed:
            self._write("skipped" if report.skipped else "error", report.nodeid)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two files."""
    parser.addoption("--wanted", type=Path)
    parser.addoption("--outcomes", type=Path)


def pytest_configure(config: pytest.Config) -> None:
    """Be called for the rest."""
    config.pluginmanager.register(Outcomes(config.option.wanted.read_text().splitlines(), config.option.outcomes))
