"""The client's address: of the socket on descriptor 0, asked once. Nothing is read or written.

Runs as: root.
Trusts: the kernel.
"""

import _socket

from ..shared.address import numeric

_NO_ADDRESS = "a pipe, terminal or local socket"
_GONE = "a client that has gone"


class Peer:
    """The other end of the connection.

    address: numeric IPv4 or IPv6, or empty where there is none. name: for the log, never empty. origin: " from ADDRESS" for
    the log, or empty.
    """

    __slots__ = ("address", "name", "origin")

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.name = name
        self.origin = f" from {address}" if address else ""

    @property
    def is_local(self) -> bool:
        """Whether it is on this host: nobody else sees what is sent."""
        return not self.address or self.address == "::1" or self.address.startswith("127.")

    @classmethod
    def accepted(cls, address: str) -> "Peer":
        """The peer with the address that accept(2) has returned; empty where it has none."""
        return cls(address, address or _NO_ADDRESS)

    @classmethod
    def connected(cls) -> "Peer":
        """The peer of descriptor 0."""
        try:
            connection = _socket.socket(fileno=0)
        except OSError:
            return cls("", _NO_ADDRESS)
        try:
            if connection.family in (_socket.AF_INET, _socket.AF_INET6):
                return cls.accepted(numeric(str(connection.getpeername()[0])))
        except OSError:
            return cls("", _GONE)
        finally:
            connection.detach()  # else descriptor 0 would be closed with the object
        return cls("", _NO_ADDRESS)
