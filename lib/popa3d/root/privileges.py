"""Giving privileges up, for good: the only calls of set*id, setgroups and chroot in popa3d.

Runs as: root, until each function is done.
Trusts: the kernel, but asks it afterwards.
"""

import posix as os  # as os, without its start-up time
import resource

from ..shared import Failure
from ..shared.limits import PREAUTH_OCTETS
from . import libc

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable


class NotDropped(Failure):
    """Privileges could not be dropped, or could be regained. The process must end."""


def secure() -> None:
    """No core dump and no limit on the size of files, for this process and the programs it becomes.

    A core dump could hold a password. A limit of 0 octets stops core files only; 1 also stops handlers (core(5): a
    core_pattern that is a pipe). A limit on files would stop the owner's program in the middle of a mailbox.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:  # raising it needs a capability; the owner's program checks the limit
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def undumpable() -> None:
    """Keep this process's memory from core handlers and from other processes with its uid (Linux). Raises OSError.

    It holds until exec or until an effective id changes; then fs.suid_dumpable decides (proc(5)).
    """
    try:
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
    except libc.Missing:
        pass


def become(uid: int, gid: int) -> None:
    """Be user `uid` with group `gid` and no other group, for good, and undumpable. Raises NotDropped or OSError."""
    if uid <= 0 or gid <= 0:
        raise NotDropped
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    # Changing the effective id may make the process dumpable again (fs.suid_dumpable). So it is changed first, and made
    # undumpable while its real and saved ids are still root's: until then the user can neither signal nor trace it.
    os.setresuid(0, uid, 0)
    undumpable()
    os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or os.getgroups() not in ([], [gid]):
        raise NotDropped
    if _is_dumpable():
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


def keep_identity_alone(and_chroot: bool = False) -> None:
    """Of root's capabilities keep those to become somebody else, and let no program give others back. Raises OSError.

    and_chroot: and that to have another root directory, as `confine` sets it.
    """
    no_new_privileges()
    try:
        libc.set_capabilities(libc.CAP_SETUID | libc.CAP_SETGID | (libc.CAP_SYS_CHROOT if and_chroot else 0))
    except libc.Missing:
        pass


def adopt_orphans() -> None:
    """Let this process be the parent of those of its descendants that lose theirs (Linux)."""
    try:
        libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
    except libc.Missing:
        pass


def confine(uid: int, gid: int, directory: str, octets: int = PREAUTH_OCTETS, descriptors: int = 0) -> None:
    """`become`, with `directory` as the root directory, and no new process, descriptor or privilege, and little more memory.

    octets: how much more. descriptors: as many are open, from 0 on; poll(2) takes no more than there may be.
    """
    memory = _address_space() + octets
    os.chroot(directory)
    os.chdir("/")
    become(uid, gid)
    no_new_privileges()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    for limit in (resource.RLIMIT_NPROC, getattr(resource, "RLIMIT_MSGQUEUE", resource.RLIMIT_NPROC)):
        resource.setrlimit(limit, (0, 0))


def no_more_descriptors(count: int = 0) -> None:
    """Of a process that `confine` has left some descriptors: it gets no others, but in the place of the first ones.

    count: so many may be given to poll(2).
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def _address_space() -> int:
    """The octets of address space that this process uses; more than enough where there is no /proc."""
    try:
        fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 64 * PREAUTH_OCTETS
    try:
        return int(os.read(fd, 32).split()[0]) * resource.getpagesize()
    finally:
        os.close(fd)


def no_new_privileges() -> None:
    """No program that this process executes can gain any: set-user-ID bits and file capabilities are ignored (Linux)."""
    try:
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    except libc.Missing:
        pass


def _is_dumpable() -> bool:
    try:
        return libc.prctl(libc.PR_GET_DUMPABLE) != 0
    except libc.Missing:
        return False
