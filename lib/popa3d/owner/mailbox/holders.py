"""Which processes hold a mailbox's locks: as the kernel tells, and as a dot-lock says.

Runs as: the mailbox owner.
Trusts: the kernel; not what stands in a dot-lock.
"""

import fcntl
import posix as os  # as os, without its start-up time
from _struct import pack, unpack

from .file import MboxFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PIDS = 2**31  # no process has this number, or a greater one
_FLOCK = "hhqqi4x"  # struct flock where off_t has 64 bits


class Holder:
    """A lock that is held. kind: "fcntl", "flock" or "dot-lock". pid: its process; 0 if that is not known.

    has_ended: a dot-lock is still there though there is no such process any more.
    """

    __slots__ = ("has_ended", "kind", "pid")

    def __init__(self, kind: str, pid: int, has_ended: bool = False) -> None:
        self.kind = kind
        self.pid = pid
        self.has_ended = has_ended


def holders(file: MboxFile) -> "Iterator[Holder]":
    """Who holds locks of the open mailbox, which this process has not locked. Not all fcntl(2) locks if there are several."""
    pid = _of_fcntl(file)
    if pid:
        yield Holder("fcntl", max(0, pid))  # a process of another host or namespace has none here
    for pid in _of_flock(file):
        yield Holder("flock", pid)
    text = file.dotlock()
    if text is not None:
        words = text.split()
        pid = int(words[0]) if words and words[0].isdigit() else 0
        if pid >= _PIDS:
            pid = 0
        # The name of a host may follow, which may be another one.
        yield Holder("dot-lock", pid, pid > 0 and len(words) == 1 and _has_ended(pid))


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is somebody else's
    return False


def _of_fcntl(file: MboxFile) -> int:
    """The process whose lock keeps this one from an exclusive one; 0 if there is none, negative if it is not known."""
    request = pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
    kind, _, _, _, pid = unpack(_FLOCK, file.blocking_lock(request))
    return 0 if kind == fcntl.F_UNLCK else pid or -1


def _of_flock(file: MboxFile) -> "Iterator[int]":
    """The processes that /proc/locks has for the file's inode. Some file systems show another device there than in stat(2)."""
    status = file.status()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    try:
        with open("/proc/locks", encoding="ascii") as table:
            lines = table.read().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK" or not words[4].isdigit():
            continue
        shown, _, inode = words[5].rpartition(":")
        if inode == str(status.st_ino) and (shown == device or (shown.startswith("00:") and os.major(status.st_dev) == 0)):
            yield int(words[4])
