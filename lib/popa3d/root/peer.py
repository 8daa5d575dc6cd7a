"""Who is connected: the address of the socket on descriptor 0. Asked once; nothing is read or written.

Runs as: root.
Trusts: the kernel.
"""

import _socket

from ..wire.address import numeric


def address() -> str:
    """The peer's numeric IPv4 or IPv6 address, or empty: no internet socket, or a peer that is gone."""
    try:
        connection = _socket.socket(fileno=0)
    except OSError:
        return ""
    try:
        name = connection.getpeername()
        if connection.family in (_socket.AF_INET, _socket.AF_INET6):
            return numeric(str(name[0]))
    except OSError:
        pass
    finally:
        connection.detach()  # else descriptor 0 would be closed with the object
    return ""
