"""The client's address: of the socket on descriptor 0, asked once, or what its proxy says. Nothing is read or written.

Runs as: root.
Trusts: the kernel.
"""

import _socket

from ..shared.address import numeric

_NO_ADDRESS = "a pipe, terminal or local socket"
_GONE = "a client that has gone"


class Peer:
    """The client.

    address: numeric IPv4 or IPv6, or empty where there is none. name: for the log, never empty. origin: " from ADDRESS" for
    the log, or empty. proxy: the address of the proxy through which it comes, or empty; the client's own if the proxy has no
    client. has_tls: from there on it has TLS.
    """

    __slots__ = ("address", "has_tls", "name", "origin", "proxy")

    def __init__(self, address: str, name: str, proxy: str = "", has_tls: bool = False) -> None:
        self.address = address
        self.name = name
        self.origin = f" from {address}" if address else ""
        self.proxy = proxy
        self.has_tls = has_tls

    @property
    def is_local(self) -> bool:
        """Whether it is on this host, and so is its proxy: nobody else sees what is sent."""
        return _is_loopback(self.address) and _is_loopback(self.proxy)

    @property
    def is_proxy(self) -> bool:
        """Whether it is a proxy without a client, which mostly looks whether somebody answers."""
        return self.proxy != "" and self.address == self.proxy

    @classmethod
    def accepted(cls, address: str) -> "Peer":
        """The peer with the address that accept(2) has returned; empty where it has none."""
        return cls(address, address or _NO_ADDRESS)

    @classmethod
    def through(cls, proxy: str, address: str, has_tls: bool) -> "Peer":
        """The client with that address of a proxy with that address."""
        return cls(address, address if address == proxy else f"{address} through {proxy}", proxy, has_tls)

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


def _is_loopback(address: str) -> bool:
    """True also where there is no address."""
    return not address or address == "::1" or address.startswith("127.")
