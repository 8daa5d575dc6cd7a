"""What counts as a change of a mailbox, and how long it takes until the next one is sure to show. The clock is not real."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from popa3d.owner.mailbox import changes

MS = 1_000_000


def status(**fields: int) -> Any:
    """A result of fstat(2) with these fields only."""
    return SimpleNamespace(**fields)


SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("mtime", "ctime", "waits"),
    [
        (NOW - 3 * MS + 1, NOW - 50 * MS, 7 * MS + 1),
        (NOW - 50 * MS, NOW - 3 * MS + 1, 7 * MS + 1),
        (NOW - 4 * MS, NOW - 3 * MS + 1, 7 * MS + 1),
        (NOW - 9 * MS, NOW - 9 * MS + 1, 1 * MS + 1),
        (NOW - 10 * MS, NOW - 11 * MS, 0),
        (NOW - SECOND // 2, NOW - SECOND // 2, 0),
        (NOW + 1, NOW - 50 * MS, 0),
        (NOW - SECOND // 2 - SECOND // 2, NOW - 2 * SECOND, 0),
    ],
)
def test_how_long_it_waits(mtime: int, ctime: int, waits: int) -> None:
    """Until the last change, of octets or of the inode, is a tick of the kernel's clock old; not for times in the future."""
    check_wait(NOW, mtime, ctime, waits)


@pytest.mark.parametrize(("age", "waits"), [(0.25, 0.75), (0.999, 0.001), (1.0, 0), (7.5, 0)])
@pytest.mark.parametrize("which", ["mtime", "ctime"])
def test_how_long_it_waits_for_whole_seconds(age: float, waits: float, which: str) -> None:
    """Where neither time has a fraction, a tick is a second; one that has is enough for the short one."""
    now = NOW + int(age * SECOND)
    for other, left in ((NOW - 9 * SECOND, int(waits * SECOND)), (NOW - 9 * SECOND + 1, 0)):
        mtime, ctime = (NOW, other) if which == "mtime" else (other, NOW)
        check_wait(now, mtime, ctime, left)


def check_wait(now: int, mtime: int, ctime: int, waits: int) -> None:
    slept = [0]

    def sleep(seconds: float) -> None:
        slept[0] += round(seconds * 1e9)

    with mock.patch.object(changes, "time", SimpleNamespace(time_ns=lambda: now + slept[0], sleep=sleep)):
        changes.settle(status(st_mtime_ns=mtime, st_ctime_ns=ctime))
    assert abs(slept[0] - waits) <= 1000


STATE = {"st_dev": 1, "st_ino": 2, "st_size": 3, "st_mtime_ns": 4, "st_ctime_ns": 5}


def test_each_field_tells() -> None:
    """Each of device, inode, size and the two times tells one state from another; no file is in no state at all."""
    states = [status(**STATE), *(status(**{**STATE, name: 9}) for name in STATE)]
    for one, other in combinations(states, 2):
        assert not changes.is_same_state(one, other)
    for state in states:
        assert changes.is_same_state(state, status(**vars(state)))
        assert not changes.is_same_state(state, None) and not changes.is_same_state(None, state)
    assert not changes.is_same_state(None, None)


def test_the_same_file() -> None:
    """Only device and inode say which file it is."""
    for name in STATE:
        is_same = changes.is_same_file(status(**STATE), status(**{**STATE, name: 9}))
        assert is_same == (name not in ("st_dev", "st_ino"))
    assert not changes.is_same_file(None, None)


def test_growth() -> None:
    """A file may be what it was, or longer; at the same length or a smaller one other times are a change."""
    before = status(**STATE)
    assert changes.is_same_or_longer(before, status(**STATE))
    assert changes.is_same_or_longer(before, status(**{**STATE, "st_size": 4, "st_mtime_ns": 9}))
    for size in (2, 3):
        assert not changes.is_same_or_longer(before, status(**{**STATE, "st_size": size, "st_mtime_ns": 9}))
    assert not changes.is_same_or_longer(None, before)


@pytest.mark.parametrize(("age", "is_young"), [(-0.1, False), (0, True), (0.9, True), (1, False), (100, False)])
def test_young(age: float, is_young: bool) -> None:
    """A mailbox is young for a second; one whose time is in the future is not."""
    with mock.patch.object(changes, "time", SimpleNamespace(time=lambda: 1000 + age)):
        assert changes.is_young(status(st_mtime=1000)) == is_young
