"""Addresses and what source they count for."""

from __future__ import annotations

import ipaddress
import random

import pytest

from popa3d.shared.address import source


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("local", "local"),
        ("", ""),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::/64"),
        ("::", "::/64"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
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
