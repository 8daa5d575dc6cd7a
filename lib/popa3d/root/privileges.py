"""Giving privileges up, for good: the only calls of set*id, setgroups and chroot in popa3d.

Runs as: root, until each function is done.
Trusts: the kernel, but asks it afterwards.
"""

import posix as os  # as os, without its start-up time
import resource

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable


class NotDropped(Exception):
    """Privileges could not be dropped, or could be regained. The process must end."""


def secure() -> None:
    """No core dump from here on, in this process and those it becomes: root's memory will hold a password.

    And no limit on the size of files: the owner's program would meet it in the middle of a mailbox.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:  # that needs a capability; the program looks at the limit, too
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def undumpable() -> None:
    """Not even a core handler or a debugger of another user's gets this process's memory (Linux, until exec)."""
    _prctl(4, 0)  # PR_SET_DUMPABLE


def become(uid: int, gid: int) -> None:
    """Be user `uid` with group `gid` and no other group, for good. Raises NotDropped or OSError."""
    if uid <= 0 or gid <= 0:
        raise NotDropped
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or os.getgroups() not in ([], [gid]):
        raise NotDropped
    attempts: "tuple[tuple[Callable[..., None], tuple[object, ...]], ...]" = (
        (os.setuid, (0,)),
        (os.setresuid, (-1, 0, -1)),
        (os.setgid, (0,)),
        (os.setgroups, ([0],)),
    )
    for regain, arguments in attempts:
        try:
            regain(*arguments)
        except OSError:
            continue
        raise NotDropped


def confine(uid: int, gid: int, directory: str) -> None:
    """`become` with `directory` as root directory, unable to start a process or to open a descriptor."""
    os.chroot(directory)
    os.chdir("/")
    become(uid, gid)
    for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        resource.setrlimit(limit, (0, 0))


def no_new_privileges() -> None:
    """No program that this process becomes can gain any (Linux: set-user-ID bits and file capabilities are ignored)."""
    _prctl(38, 1)  # PR_SET_NO_NEW_PRIVS


def _prctl(option: int, value: int) -> None:
    """prctl(2), where there is one. Additional safety: a system without it has the same privileges, not more."""
    try:
        import ctypes  # python-pam needs it anyway, and has loaded it by now
    except ImportError:
        return
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(option, value, 0, 0, 0)
