"""The address of a client that comes through a proxy, for whoever looks at the session: the name of an empty file in memory.

The kernel knows only the proxy as the peer. A session keeps this file open under a number of its own, so its address is seen
in /proc by those who may see the session's descriptors, and is gone with the session. The file cannot be written.

Runs as: any uid; a note is left by root.
Trusts: nobody. The owner of a session could leave any note, as the owner can start what looks like a session.
"""

import posix as os  # as os, without its start-up time

from .address import is_numeric
from .limits import NOTE_FD

_NAME = "popa3d-client:"
_F_ADD_SEALS, _ALL_SEALS = 1033, 0xF  # linux/fcntl.h: F_SEAL_SEAL, _SHRINK, _GROW and _WRITE
_LINK = f"/memfd:{_NAME}"  # what the kernel makes of it (proc(5))


def leave(address: str) -> None:
    """Leave a note in this process, and in those that it forks. Without it, the proxy is shown as the client."""
    from fcntl import fcntl  # few sessions come through proxies

    try:
        file = os.memfd_create(f"{_NAME}{address}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl(file, _F_ADD_SEALS, _ALL_SEALS)  # else it could be filled and executed
        os.dup2(file, NOTE_FD, False)
        os.close(file)
    except OSError:
        pass


def is_left() -> bool:
    """Whether this process has a note."""
    try:
        os.fstat(NOTE_FD)
    except OSError:
        return False
    return True


def keep() -> None:
    """Let the note, if there is one, be there also after an exec."""
    try:
        os.set_inheritable(NOTE_FD, True)
    except OSError:
        pass


def read(pid: int) -> str:
    """The numeric address in the note of a process; empty if it has none, has ended, or may not be seen."""
    try:
        link = os.readlink(f"/proc/{pid}/fd/{NOTE_FD}")
    except OSError:
        return ""
    address = link.removeprefix(_LINK).partition(" ")[0] if link.startswith(_LINK) else ""
    return address if is_numeric(address) else ""  # any user's process may have any note
