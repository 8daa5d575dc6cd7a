"""The listening sockets: opened from the settings, or taken over from systemd.

Runs as: root, only with -D.
Trusts: the administrator.
"""

import errno
import os
import socket

from ...shared import Failure
from ...shared.address import numeric
from ...shared.limits import POP3_PORT, PREAUTH_FD
from ...shared.settings import Settings
from .. import process

_FIRST_PASSED_FD = 3  # sd_listen_fds(3)

Key = tuple[socket.AddressFamily, str, int]  # family, numeric address, port


class CannotListen(Failure):
    """A socket cannot be had. The reason is for the administrator."""


class AddressInUse(CannotListen):
    """Because another one listens there."""


def passed() -> list[socket.socket]:
    """The listening sockets that a service manager has passed (sd_listen_fds(3)); empty if there are none."""
    names = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    pid, count, _ = (os.environ.pop(name, "") for name in names)
    if pid != str(os.getpid()):
        return []
    try:
        fds = range(_FIRST_PASSED_FD, _FIRST_PASSED_FD + int(count))
        listening = [socket.socket(fileno=process.copy_above(PREAUTH_FD, fd)) for fd in fds]  # other things have these numbers
    except (OSError, ValueError) as error:
        raise CannotListen(f"LISTEN_FDS does not name sockets: {error}") from None
    os.closerange(fds.start, fds.stop)
    for one in listening:
        if one.type != socket.SOCK_STREAM or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise CannotListen("A socket that was passed does not listen (Accept=yes needs no -D)")
        one.set_inheritable(False)
        one.setblocking(False)
    return listening


def wanted(settings: Settings, families: str) -> list[Key]:
    """What to listen on. families: "4", "6", or "46" for both (then a host without IPv6 is fine). Raises CannotListen."""
    port = settings.port or _service_port()
    addresses = settings.addresses or ["0.0.0.0", "::"]  # noqa: S104 - serving everybody is what a mail server is for
    by_letter = {"4": socket.AF_INET, "6": socket.AF_INET6}
    ports = [port, settings.tls_port] if settings.certificate and settings.tls_port else [port]
    keys = [(by_letter["6" if ":" in address else "4"], address, port) for port in ports for address in addresses]
    keys = [key for key in keys if key[0] in [by_letter[letter] for letter in families]]
    if not keys:
        raise CannotListen("listen.addresses has no address of the family that was asked for")
    if len(families) == 2 and not settings.addresses and not _has_ipv6():
        keys = [key for key in keys if key[0] != socket.AF_INET6]
    return keys


def speaks_tls(listening: socket.socket, settings: Settings) -> bool:
    """Whether clients of a listening socket speak TLS from the first octet: its port says so, also if it was passed."""
    if not settings.certificate or listening.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    return bool(listening.getsockname()[1] == settings.tls_port)


def opened(key: Key, backlog: int) -> socket.socket:
    """A socket that listens on `key`. Raises CannotListen, or AddressInUse."""
    family, address, port = key
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        one.bind((address, port))
        one.listen(backlog)
        one.setblocking(False)
    except OSError as error:
        failure = AddressInUse if error.errno == errno.EADDRINUSE else CannotListen
        raise failure(f"{address} port {port}: {error.strerror}") from None
    return one


def address_of(name: object) -> str:
    """The numeric address in a socket's peer name; empty for other peers."""
    return numeric(str(name[0])) if isinstance(name, tuple) else ""


def _service_port() -> int:
    try:
        return socket.getservbyname("pop3", "tcp")
    except OSError:
        return POP3_PORT


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as one:
            one.bind(("::", 0))
    except OSError as error:
        return error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True
