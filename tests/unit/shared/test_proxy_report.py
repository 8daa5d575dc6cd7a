"""What the process that reads a header tells root: one form for each report, and nothing else is believed."""

from __future__ import annotations

import socket

import pytest

from popa3d.shared import proxy_report
from popa3d.shared.proxy_report import BAD, CLIENT, GONE, LATE, OCTETS, PEER, decode, encode

REASONS = 5


def packed(address: str) -> bytes:
    """An address as reports have it."""
    return socket.inet_pton(socket.AF_INET6, address)


@pytest.mark.parametrize(
    ("octets", "outcome", "number", "address"),
    [
        (encode(CLIENT, 0, packed("::ffff:192.0.2.1")), CLIENT, 0, "192.0.2.1"),
        (encode(CLIENT, 1, packed("2001:db8::1")), CLIENT, 1, "2001:db8::1"),
        (encode(CLIENT, 0, packed("::")), CLIENT, 0, "::"),
        (encode(CLIENT, 0, packed("::1.2.3.4")), CLIENT, 0, "::1.2.3.4"),
        (encode(PEER, 1), PEER, 1, ""),
        (encode(BAD, REASONS - 1), BAD, REASONS - 1, ""),
        (encode(LATE), LATE, 0, ""),
        (encode(GONE), GONE, 0, ""),
    ],
)
def test_reports(octets: bytes, outcome: bytes, number: int, address: str) -> None:
    """Each says what was told, in as many octets as the others; one more or less is none."""
    report = decode(octets, REASONS)
    assert report is not None
    assert (report.outcome, report.number, report.address) == (outcome, number, address)
    assert len(octets) == OCTETS
    for end in range(OCTETS):
        assert decode(octets[:end], REASONS) is None
    assert decode(octets + b"\0", REASONS) is None


@pytest.mark.parametrize(
    "octets",
    [
        encode(b"X"),
        encode(b"\0"),
        encode(CLIENT, 2, packed("::1")),
        encode(PEER, 2),
        encode(BAD, REASONS),
        encode(LATE, 1),
        encode(GONE, 1),
        *(encode(outcome, 0, packed("::1")) for outcome in (PEER, BAD, LATE, GONE)),
        b"L" * OCTETS,
    ],
)
def test_no_reports(octets: bytes) -> None:
    """An outcome or a number that there is not, or an address where there is none, makes it no report."""
    assert decode(octets, REASONS) is None


def test_one_form() -> None:
    """What is decoded is encoded to the same octets: no report has two forms."""
    for outcome in (CLIENT, PEER, BAD, LATE, GONE):
        for number in range(256):
            octets = encode(outcome, number, bytes(range(16)) if outcome == CLIENT else b"")
            report = decode(octets, REASONS)
            if report is not None:
                assert proxy_report.encode(report.outcome, report.number, octets[2:]) == octets
