"""Another process's connections: the client's on descriptor 0, and the session's on 1 of a TLS process, copied for a moment.

Nothing is read or written.

Runs as: the operator, and root where the administrator limits sessions.
Trusts: the kernel.
"""

import _socket
import ctypes
import errno
import os
import stat
import sys

from ..address import numeric

_PIDFD_GETFD = 438  # the same number on every architecture; Linux 5.6
_PEERCRED_OCTETS = 12  # struct ucred: process, user and group of who made a socketpair, or connected (unix(7))
_LAST_DATA_RECV = 52  # offset of tcpi_last_data_recv in struct tcp_info (linux/tcp.h), in milliseconds
_DENIALS = (errno.EPERM, errno.EACCES, errno.ENOSYS)  # copying takes root with CAP_SYS_PTRACE, or the owner, and Linux 5.6

_libc = ctypes.CDLL(None, use_errno=True)


def peer_and_idle(pid: int) -> tuple[str, float | None]:
    """The peer's numeric address on descriptor 0 of `pid`, and how many seconds ago it last sent something.

    "" and None if it is not an internet socket, has ended, or may not be seen.
    """
    try:
        connection = _socket.socket(fileno=_copied(pid, 0))
    except OSError:
        return "", None
    peer = ""
    try:
        if connection.family in (_socket.AF_INET, _socket.AF_INET6):
            peer = numeric(str(connection.getpeername()[0]))
        info = connection.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, _LAST_DATA_RECV + 4)
        return peer, int.from_bytes(info[_LAST_DATA_RECV:], sys.byteorder) / 1000
    except OSError:
        return peer, None
    finally:
        connection.close()


def maker(pid: int) -> int | None:
    """The process that made the socketpair of which descriptor 1 of `pid` is an end; 0 if it is none, None if that is hidden."""
    try:
        connection = _socket.socket(fileno=_copied(pid, 1))
    except OSError as error:
        return None if error.errno in _DENIALS else 0
    try:
        return int.from_bytes(connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _PEERCRED_OCTETS)[:4], sys.byteorder)
    except OSError:
        return 0
    finally:
        connection.close()


def denied(pid: int) -> bool:
    """Whether descriptor 0 of `pid` may not be copied: that takes root with CAP_SYS_PTRACE, and Linux 5.6."""
    try:
        os.close(_copied(pid, 0))
    except OSError as error:
        return error.errno in _DENIALS
    return False


def _copied(pid: int, of: int) -> int:
    """A copy of descriptor `of` of `pid`, which is a socket. Raises OSError."""
    process = os.pidfd_open(pid)
    try:
        fd = int(_libc.syscall(_PIDFD_GETFD, process, of, 0))
    finally:
        os.close(process)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    return fd
