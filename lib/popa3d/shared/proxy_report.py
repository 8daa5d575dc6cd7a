"""What the process that reads a proxy's header tells root of it: always as many octets, each of which is checked.

An outcome, a number and an IPv6 address in binary: no text comes from outside, and each address has one form only.

Runs as: any uid.
Trusts: nobody; root does not, as the process may have been taken over by what it read.
"""

import _socket  # only to write addresses

from .address import numeric

# Outcomes. The number is 0 or 1 with the first two, that of the reason with BAD, else 0; an address is with CLIENT only.
CLIENT = b"C"  # the header has the client's address; number: it has TLS
PEER = b"P"  # the real peer counts; number: the same
BAD = b"B"  # there is no header; number: why, an index of proxy_header.REASONS
LATE = b"L"  # there was none in time
GONE = b"G"  # the proxy has closed without an octet

_ADDRESS_OCTETS = 16
_NONE = bytes(_ADDRESS_OCTETS)
OCTETS = 2 + _ADDRESS_OCTETS


class Report:
    """A report. outcome, number: as above. address: numeric; empty but for CLIENT."""

    __slots__ = ("address", "number", "outcome")

    def __init__(self, outcome: bytes, number: int, address: str) -> None:
        self.outcome = outcome
        self.number = number
        self.address = address


def encode(outcome: bytes, number: int = 0, address: bytes = b"") -> bytes:
    """The octets of a report. address: of 16 octets, or none."""
    return outcome + bytes([number]) + (address or _NONE)


def decode(data: bytes, reasons: int) -> Report | None:
    """The report, or None if a single octet of it is not as `encode` would write it. reasons: how many there are for BAD."""
    outcome, rest = data[:1], data[1:]
    most = {CLIENT: 2, PEER: 2, BAD: reasons, LATE: 1, GONE: 1}.get(outcome, 0)
    if len(data) != OCTETS or rest[0] >= most or (outcome != CLIENT and rest[1:] != _NONE):
        return None
    address = numeric(_socket.inet_ntop(_socket.AF_INET6, rest[1:])) if outcome == CLIENT else ""
    return Report(outcome, rest[0], address)
