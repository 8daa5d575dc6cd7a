"""The flood checks, with a clock of our own."""

from __future__ import annotations

import ipaddress
import random

import pytest

from popa3d.listen.flood import _LOGGED, Flood, source


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("local", "local"),
        ("::1", "0:0:0:0::/64"),
        ("::", "0:0:0:0::/64"),
        ("2001:db8::1", "2001:db8:0:0::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80:0:0:0::/64"),
    ],
)
def test_sources(address: str, expected: str) -> None:
    """An IPv4 address counts for itself, an IPv6 address for its /64."""
    assert source(address) == expected


def test_random_sources() -> None:
    """Two IPv6 addresses are one source exactly if ipaddress puts them into one /64."""
    seeded = random.Random(5)
    for _ in range(2000):
        number = seeded.getrandbits(128) & seeded.choice([2**128 - 1, 2**64 - 1, ~(2**80 - 1), ~(2**20 - 1)]) & (2**128 - 1)
        found = source(str(ipaddress.IPv6Address(number)))
        assert ipaddress.IPv6Network(found) == ipaddress.IPv6Network((number >> 64 << 64, 64))


def test_per_source_and_in_all() -> None:
    """One source has at most its limit, all have the other; a session counts while it lives and for min_delay_s."""
    flood = Flood()
    for pid in range(4):
        assert flood.refusal("a", 0.0, 6, 4, 10) == ""
        flood.started(pid, "a", 0.0)
    assert flood.refusal("a", 1.0, 6, 4, 10) == "a: per source limit reached"
    assert flood.refusal("b", 1.0, 6, 4, 10) == ""
    flood.started(10, "b", 1.0)
    flood.started(11, "b", 1.0)
    assert flood.refusal("c", 1.0, 6, 4, 10) == "c: sessions limit reached"
    flood.ended(0)
    assert flood.living() == 5
    assert flood.refusal("a", 9.9, 6, 4, 10) == "a: per source limit reached"  # gone, but counted
    assert flood.refusal("a", 10.0, 6, 4, 10) == ""
    flood.ended(99)  # not a session


def test_log_is_not_flooded() -> None:
    """A line is logged once in min_delay_s, and a flood of sources does not fill memory."""
    flood = Flood()
    assert [flood.may_log("x", now, 10) for now in (0.0, 1.0, 9.9, 10.0, 11.0)] == [True, False, False, True, False]
    allowed = sum(flood.may_log(f"{i}", 11.0, 10) for i in range(5 * _LOGGED))
    assert allowed == _LOGGED - 1
    assert flood.may_log("y", 30.0, 10)
