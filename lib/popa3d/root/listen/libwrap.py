"""/etc/hosts.allow and /etc/hosts.deny, hosts_access(5), through libwrap itself: in the child, never in the listener.

libwrap may look names up, and run the shell commands that the administrator wrote into those files.

Runs as: root, only with -D.
Trusts: libwrap and the administrator; a peer's name is what the name service says.
"""

import ctypes

from ...shared.limits import LIBWRAP

_RQ_FILE, _RQ_DAEMON = 1, 2  # tcpd.h
_REQUEST_OCTETS = 8192  # struct request_info has under 2 kB; tcpd.h is not needed to be more than generous


class Libwrap:
    """libwrap, loaded. Raises OSError where the host does not have it."""

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBWRAP)
        self._init, self._peer, self._access = library.request_init, library.sock_host, library.hosts_access
        self._init.restype = ctypes.c_void_p

    def allows(self, fd: int) -> bool:
        """Whether the peer of socket `fd` may use the daemon "popa3d". Takes the name service's time."""
        request = ctypes.create_string_buffer(_REQUEST_OCTETS)
        none = ctypes.c_int(0)
        self._init(request, ctypes.c_int(_RQ_DAEMON), b"popa3d", ctypes.c_int(_RQ_FILE), ctypes.c_int(fd), none)
        self._peer(request)
        return bool(self._access(request))
