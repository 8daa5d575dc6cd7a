"""Addresses and what source they count for."""

from __future__ import annotations

import ipaddress
import random

import pytest

from popa3d.shared.address import is_within, source


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


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.0", "10.255.255.255", "2001:db8::", "2001:db8:ffff::1", "fe80::1"])
def test_within(address: str) -> None:
    """Addresses and networks of both families."""
    assert is_within(address, ("192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "fe80::1"))
    assert not is_within(address, ())


@pytest.mark.parametrize("address", ["192.0.2.2", "11.0.0.0", "9.255.255.255", "2001:db9::", "::", "", "local", "::10.0.0.1"])
def test_not_within(address: str) -> None:
    """What is in none of them, or is no address."""
    assert not is_within(address, ("192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "fe80::1"))


def test_within_any_prefix() -> None:
    """An address is in a network exactly if ipaddress says so."""
    seeded = random.Random(17)
    for width in (32, 128):
        make = ipaddress.IPv4Address if width == 32 else ipaddress.IPv6Address
        for _ in range(1000):
            number, bits = seeded.getrandbits(width), seeded.randrange(1, width + 1)
            network = ipaddress.ip_network((make(number), bits), strict=False)
            other = make(number ^ (1 << seeded.randrange(width)))
            assert is_within(str(other), (str(network),)) == (other in network)
