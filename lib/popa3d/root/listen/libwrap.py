"""/etc/hosts.allow and /etc/hosts.deny, hosts_access(5), through libwrap itself: in the child, never in the listener.

libwrap may look names up, and run the shell commands that the administrator wrote into those files. Where they have no rules,
as on most hosts, it need not be asked.

Runs as: root, only with -D.
Trusts: libwrap and the administrator; a peer's name is what the name service says.
"""

import ctypes
import os

from .limits import LIBWRAP, RULES_OCTETS

_RQ_FILE, _RQ_DAEMON = 1, 2  # tcpd.h
_REQUEST_OCTETS = 8192  # struct request_info has under 2 kB; tcpd.h is not needed to be more than generous


class Libwrap:
    """libwrap, loaded. Raises OSError where the host does not have it."""

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBWRAP)
        self._init, self._peer, self._access = library.request_init, library.sock_host, library.hosts_access
        self._init.restype = ctypes.c_void_p
        names = ("hosts_allow_table", "hosts_deny_table")
        self._tables = [_Table(ctypes.c_char_p.in_dll(library, name).value or b"") for name in names]

    def has_rules(self) -> bool:
        """Whether the answer of `allows` may be no, or have consequences. Quick: files that have not changed are not read."""
        return any(table.has_rules() for table in self._tables)

    def allows(self, fd: int) -> bool:
        """Whether the peer of socket `fd` may use the daemon "popa3d". Takes the name service's time."""
        request = ctypes.create_string_buffer(_REQUEST_OCTETS)
        none = ctypes.c_int(0)
        self._init(request, ctypes.c_int(_RQ_DAEMON), b"popa3d", ctypes.c_int(_RQ_FILE), ctypes.c_int(fd), none)
        self._peer(request)
        return bool(self._access(request))


class _Table:
    """One of the files."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._state: tuple[int, ...] = ()
        self._has_rules = True

    def has_rules(self) -> bool:
        """Whether a line is neither empty nor a comment. A missing file has none; one that cannot be read may have some."""
        try:
            status = os.stat(self._path)
            state = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
            if state != self._state:
                with open(self._path, "rb") as file:
                    text = file.read(RULES_OCTETS + 1)
                self._has_rules = len(text) > RULES_OCTETS or any(line.strip() and line[:1] != b"#" for line in text.split(b"\n"))
                self._state = state
        except FileNotFoundError:
            self._state = ()
            return False
        except OSError:
            self._state = ()
            return True
        return self._has_rules
