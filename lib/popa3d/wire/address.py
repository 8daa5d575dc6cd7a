"""Peers' addresses as text: the one form that logs, limits and PAM know.

Runs as: any uid.
Trusts: nobody; what is not an address stays what it is.
"""

import _socket


def numeric(address: str) -> str:
    """An address as getpeername(2) gives it, without its zone, and as IPv4 where IPv6 only carries that."""
    return address.removeprefix("::ffff:") if "." in address else address.partition("%")[0]


def source(address: str) -> str:
    """The source that a numeric address counts for: IPv4 is itself; IPv6 is its /64, which is what one customer has."""
    try:
        packed = _socket.inet_pton(_socket.AF_INET6, numeric(address))
    except OSError:
        return numeric(address)
    return _socket.inet_ntop(_socket.AF_INET6, packed[:8] + bytes(8)) + "/64"
