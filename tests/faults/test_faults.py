"""A sample of the fault tests; `make faults` takes many more cases through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import points
from tests.faults.cases import Case
from tests.host import Host

SAMPLE = range(14)


@pytest.mark.parametrize(
    ("name", "least"),
    [("interrupted", 1000), ("interrupted_in_names", 1000), ("delivered_meanwhile", 100), ("lying_writes", 20)],
)
@pytest.mark.usefixtures("host")
def test_stops(name: str, least: int, tmp_path: Path) -> None:
    """Wherever UPDATE or its recovery stops, whatever comes meanwhile, the mailbox is as it was, or as it is to be."""
    take: Callable[[Case, int], int] = points.TESTS[name]
    assert sum(take(Case(seed, tmp_path), seed) for seed in SAMPLE) > least


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.usefixtures("host")
def test_failures(seed: int, tmp_path: Path) -> None:
    """Whatever call fails, for whatever reason, nothing was changed or the next session comes to the end."""
    assert points.failing(Case(seed, tmp_path), seed) > 100


@pytest.mark.parametrize("seed", SAMPLE)
@pytest.mark.usefixtures("host")
def test_nearly_full(seed: int, tmp_path: Path) -> None:
    """With room for a few blocks, an update comes to its end, or nothing has changed."""
    assert points.nearly_full(Case(seed, tmp_path), seed) == 12


@pytest.mark.parametrize("seed", SAMPLE)
@pytest.mark.usefixtures("host")
def test_short_writes(seed: int, tmp_path: Path) -> None:
    """A system that takes a few octets at a time gets them all."""
    assert points.short_writes(Case(seed, tmp_path), seed) == 3


def test_sessions_of_the_fault_tests(host: Host, tmp_path: Path) -> None:
    """The cases are not all alike: messages are deleted at the start, in the middle, at the end; steps are small and large."""
    cases = [Case(seed, tmp_path) for seed in range(100)]
    assert {bool(case.deleted[0]) for case in cases} == {bool(case.deleted[-1]) for case in cases} == {True, False}
    assert len({(case.data, case.block) for case in cases}) == 12
