"""The fault tests by name: each takes one case through all the moments of its update.

What must hold after each: the mailbox is what it was before, or what it is to be, octet by octet, with all behind it that was
delivered meanwhile; and nothing is left in the state directory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults import failing_calls, stops
from tests.faults.cases import Case

TESTS: dict[str, Callable[[Case], int]] = {
    "interrupted": stops.interrupted,
    "interrupted_in_names": stops.interrupted_in_names,
    "failing": failing_calls.failing,
    "nearly_full": failing_calls.nearly_full,
    "short_writes": failing_calls.short_writes,
    "delivered_meanwhile": stops.delivered_meanwhile,
    "lying_writes": failing_calls.lying_writes,
}


def take(name: str, seed: int, place: Path) -> int:
    """Run a test on the case of a seed, in an empty directory; how many moments it had.

    What it raises says in its notes (tests.faults.cases) what the case was, what had happened to it and what was lost.
    """
    case = Case(seed, place)
    try:
        return TESTS[name](case)
    except BaseException as error:
        error.add_note(f"Fault test {name}: python3 -B -m tests.faults --only {name} {seed}")
        case.explain(error)
        raise
