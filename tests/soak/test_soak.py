"""A sample of the soak (the whole: python3 -B -m tests.soak), and what its judge says of histories that are wrong."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.soak import Delivery, Visit, many, run
from tests.soak.judge import Judge

SECONDS = 3


@pytest.mark.parametrize("locks", run.LOCKS)
def test_nothing_is_lost(host: Host, locks: str) -> None:
    """With many who write the mailbox, and sessions that are killed, each message has one end, whole and in its order."""
    outcome = run.soak(host, locks, SECONDS, run.any_seed())
    assert not outcome.faults, run.report(locks, outcome)
    assert outcome.counts["sessions"] and outcome.counts["delivered"] and outcome.counts["fetched"]


def test_many_sessions_over_tls(host: Host) -> None:
    """One after the other and some at a time: no process and no descriptor is left."""
    assert many.sessions(host, 4 * many.AT_ONCE) == []


DELIVERED = [Delivery(name, 1, 2, True) for name in ("a-1", "a-2", "a-3", "b-1")]
ALL = [delivery.name for delivery in DELIVERED]


def visit(at: float, seen: list[str], deleted: list[str], outcome: str = "deleted", damaged: str = "") -> Visit:
    """A session of some seconds."""
    quits = at + 2 if deleted else 0
    return Visit(at, at + 1, at + 3, True, seen, [], [damaged] if damaged else [], deleted, quits, outcome, "")


@pytest.mark.parametrize(
    ("visits", "left"),
    [
        ([], ALL),
        ([visit(10, ALL, ALL)], []),
        ([visit(10, ALL, ["a-1"]), visit(20, ALL[1:], ["b-1"], "kept")], ALL[1:]),
        ([visit(10, ALL, ["a-1", "b-1"], "unknown")], ALL),
        ([visit(10, ALL, ["a-1", "b-1"], "unknown")], ["a-2", "a-3"]),
        ([visit(10, ALL, ["a-1"], "unknown"), visit(20, ALL, ["a-1", "a-2"], "unknown")], ["a-3", "b-1"]),
        ([visit(10, ALL, ["a-1"]), visit(11, ALL, ["a-2"], "kept")], ALL[1:]),
    ],
)
def test_right_histories(visits: list[Visit], left: list[str]) -> None:
    """The judge finds no fault with what may happen."""
    assert Judge(DELIVERED, visits, left).faults == []


@pytest.mark.parametrize(
    ("fault", "visits", "left"),
    [
        ("lost: ['b-1']", [], ALL[:3]),
        ("lost: ['b-1']", [visit(10, ALL, ["b-1"], "kept")], ALL[:3]),
        ("has 2 ends, of which left 2: b-1", [], [*ALL, "b-1"]),
        ("has 2 ends, of which left 1: a-1", [visit(10, ALL, ["a-1"])], ALL),
        ("has 2 ends, of which left 0: a-1", [visit(10, ALL, ["a-1"]), visit(11, ALL, ["a-1"])], ALL[1:]),
        ("lost: ['a-1']", [visit(10, ALL, ["a-1", "a-2"], "unknown")], ALL[1:]),
        ("lost: ['a-1']", [visit(10, ALL, ["a-1"], "unknown"), visit(20, ALL, [])], ALL[1:]),
        ("removed in part", [visit(10, ALL, ALL[:2], "unknown"), visit(11, ALL, ALL[1:3], "unknown")], ["b-1"]),
        ("came back: a-1", [visit(10, ALL, ["a-1"]), visit(20, ALL, [])], ALL[1:]),
        ("not seen: a-2", [visit(10, ["a-1", "a-3", "b-1"], [])], ALL),
        ("not seen: a-1", [visit(10, [], [])], ALL),
        ("seen before it was delivered: a-1", [visit(-5, ["a-1"], [])], ALL),
        ("seen twice in a session: a-1", [visit(10, ["a-1", *ALL], [])], ALL),
        ("never delivered: x", [visit(10, [*ALL, "x"], [])], ALL),
        ("never delivered: x", [], [*ALL, "x"]),
        ("damaged: a-1", [visit(10, ALL, [], damaged="a-1")], ALL),
        ("order", [], ["a-2", "a-1", "a-3", "b-1"]),
        ("order", [visit(10, ["b-1", "a-1", "a-2", "a-3"], [])], ALL),
    ],
)
def test_wrong_histories(fault: str, visits: list[Visit], left: list[str]) -> None:
    """The judge says what is wrong with what must not happen."""
    assert any(found.startswith(fault) for found in Judge(DELIVERED, visits, left).faults)
