"""A sample of the fault tests; `make faults` takes many more cases through them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import points
from tests.faults.cases import Case
from tests.host import Host

SAMPLE = range(14)
# Of a test, how many moments a case has at least, if more is to be done than to cut the mailbox.
LEAST = {
    "interrupted": 100,
    "interrupted_in_names": 200,
    "delivered_meanwhile": 100,
    "lying_writes": 2,
    "nearly_full": 12,
    "short_writes": 3,
}
NO_ROOM = 6  # the seed of a case that a full disk has no room for: then nothing is changed


@pytest.mark.parametrize("seed", SAMPLE)
@pytest.mark.parametrize("name", LEAST)
@pytest.mark.usefixtures("host")
def test_moments(name: str, seed: int, tmp_path: Path) -> None:
    """At each moment of an update that goes wrong in this way, the mailbox is as it was, or as it is to be."""
    moments = points.take(name, seed, tmp_path)
    case = Case(seed, tmp_path)
    only_cut = case.before.startswith(case.after)
    assert moments >= LEAST[name] or only_cut or (name, seed) == ("interrupted_in_names", NO_ROOM)


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.usefixtures("host")
def test_failures(seed: int, tmp_path: Path) -> None:
    """Whatever call fails, for whatever reason, nothing was changed or the next session comes to the end."""
    assert points.take("failing", seed, tmp_path) > 100


def test_sessions_of_the_fault_tests(host: Host, tmp_path: Path) -> None:
    """The cases are not all alike: messages are deleted at the start, in the middle, at the end; steps are small and large."""
    cases = [Case(seed, tmp_path) for seed in range(100)]
    assert {bool(case.deleted[0]) for case in cases} == {bool(case.deleted[-1]) for case in cases} == {True, False}
    assert len({(case.data, case.block) for case in cases}) == 12
