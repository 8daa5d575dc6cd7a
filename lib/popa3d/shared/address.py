"""Peers' addresses as text, in the one form that logs, limits and PAM use.

Runs as: any uid.
Trusts: nobody; a text that is no address is returned as it is.
"""

import _socket


def numeric(address: str) -> str:
    """An address from getpeername(2) without its zone; an IPv4 address that is mapped into IPv6 as IPv4."""
    return address.removeprefix("::ffff:") if "." in address else address.partition("%")[0]


def is_numeric(text: str) -> bool:
    """Whether a text is an address, and nothing else."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            return bool(_socket.inet_pton(family, text))
        except (OSError, ValueError):  # the second for what cannot be encoded
            pass
    return False


def is_within(address: str, ranges: "tuple[str, ...]") -> bool:
    """Whether a numeric address is one of these, or in one of these networks, as the setting `proxies` has them."""
    return any(_is_in(address, *one.partition("/")[::2]) for one in ranges)


def _is_in(address: str, network: str, bits: str) -> bool:
    family = _socket.AF_INET6 if ":" in network else _socket.AF_INET
    try:
        own, other = (_socket.inet_pton(family, text) for text in (address, network))
    except OSError:
        return False
    rest = 8 * len(own) - int(bits) if bits else 0
    return int.from_bytes(own, "big") >> rest == int.from_bytes(other, "big") >> rest


def networks(address: str) -> tuple[str, str, str]:
    """The networks around a numeric address: its `source`, an IPv6 /56 (IPv4: the same again), and an IPv6 /48 or IPv4 /24.

    A site has a /56 or a /48 (RFC 6177). A text that is no address is its own network.
    """
    own = source(address)
    if own.endswith("/64"):
        return own, _network(_socket.AF_INET6, own[:-3], 56), _network(_socket.AF_INET6, own[:-3], 48)
    try:
        return own, own, _network(_socket.AF_INET, own, 24)
    except OSError:
        return own, own, own


def _network(family: int, address: str, bits: int) -> str:
    packed = _socket.inet_pton(family, address)
    kept = packed[: bits // 8]
    return f"{_socket.inet_ntop(family, kept + bytes(len(packed) - len(kept)))}/{bits}"


def source(address: str) -> str:
    """The source that a numeric address counts for: an IPv4 address itself, or the IPv6 /64, which one customer has."""
    try:
        packed = _socket.inet_pton(_socket.AF_INET6, numeric(address))
    except OSError:
        return numeric(address)
    return _socket.inet_ntop(_socket.AF_INET6, packed[:8] + bytes(8)) + "/64"
