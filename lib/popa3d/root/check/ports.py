"""Who listens on the ports of POP3: from the kernel's tables of sockets, and the processes that have them.

Runs as: root.
Trusts: the kernel; a process's name is its own choice.
"""

import _socket
import contextlib
import os

from ...shared.findings import NOTE, OK, Finding
from ...shared.limits import POP3_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...shared.settings import Settings

_LISTENING = "0A"
_OURS = ("popa3d", "inetd", "inetutils-inetd", "xinetd", "systemd", "tcpserver", "s6-tcpserver", "stunnel", "stunnel4")


def look(settings: "Settings") -> "Iterator[Finding]":
    """A finding for each port."""
    ports = [settings.port or _service_port()]
    if settings.certificate and settings.tls_port:
        ports.append(settings.tls_port)
    for port in ports:
        inodes = listening(port)
        names = sorted(_names(inodes))
        if not inodes:
            advice = "start popa3d -D, or turn it on in inetd, xinetd or systemd: see DAEMON and EXAMPLES in popa3d(8)"
            yield Finding(NOTE, "port", f"nobody listens on port {port}", advice, port=port)
        elif not names:
            yield Finding(NOTE, "port", f"port {port} is open, but its process cannot be seen", "", port=port)
        elif all(name.partition(" ")[0] in _OURS for name in names):
            yield Finding(OK, "port", f"{', '.join(names)} listens on port {port}", port=port)
        else:
            advice = "unless that is a proxy in front of popa3d, stop it: clients of this port do not reach popa3d"
            yield Finding(NOTE, "port", f"{', '.join(names)} listens on port {port}", advice, port=port)


def _service_port() -> int:
    try:
        return _socket.getservbyname("pop3", "tcp")
    except OSError:
        return POP3_PORT


def listening(port: int) -> set[str]:
    """The inodes of the sockets that listen on a port, of both families."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{table}", encoding="ascii") as file:
            for line in file.read().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                    inodes.add(words[9])
    return inodes


def _names(inodes: set[str]) -> set[str]:
    """The processes that have one of these sockets, as "NAME (process N)"; of several with one name the first."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    names: dict[str, int] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") in wanted for fd in os.listdir(f"/proc/{pid}/fd")):
                names.setdefault(name_of(pid), pid)
    return {f"{name} (process {pid})" for name, pid in names.items()}


def name_of(pid: int) -> str:
    """What a process calls itself; "?" if there is none."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
            return file.read().rstrip("\n") or "?"
    except OSError:
        return "?"
