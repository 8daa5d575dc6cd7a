"""Who is connected: the address of the socket on descriptor 0. Asked once; nothing is read or written.

Runs as: root.
Trusts: the kernel.
"""

import _socket

from ..shared.address import numeric

_NO_ADDRESS = "a pipe, terminal or local socket"


class Peer:
    """Who is connected. address: numeric IPv4 or IPv6, or empty where there is none. name: for the log, always something."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.name = name


def accepted(address: str) -> Peer:
    """The peer whose address accept(2) has told; empty where it has none."""
    return Peer(address, address or _NO_ADDRESS)


def connected() -> Peer:
    """The peer of descriptor 0."""
    none = Peer("", _NO_ADDRESS)
    try:
        connection = _socket.socket(fileno=0)
    except OSError:
        return none
    try:
        if connection.family in (_socket.AF_INET, _socket.AF_INET6):
            return accepted(numeric(str(connection.getpeername()[0])))
    except OSError:
        return Peer("", "a client that has gone")
    finally:
        connection.detach()  # else descriptor 0 would be closed with the object
    return none
