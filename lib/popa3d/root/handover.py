"""From root to the mailbox owner's program: what it is told, and becoming it.

Runs as: root, and the last function as the mailbox owner.
Trusts: the administrator; the owner's directories are not looked into.
"""

import posix as os  # as os, without its start-up time

from ..shared import log, record
from ..shared.limits import HANDOVER_FD, LOCKER_FD
from . import options, privileges, process, state_directories

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd

    from ..shared.settings import Settings


class Unusable(Exception):
    """The account has no mailbox that could be served; the text says why, for the log."""


def serves(account: "pwd.struct_passwd") -> bool:
    """Whether an account can have a session: it has neither uid 0 nor group 0, and its name can be a file's."""
    name = account.pw_name
    return account.pw_uid != 0 and account.pw_gid != 0 and "/" not in name and not name.startswith(".")


def start_locker(settings: "Settings") -> int:
    """A descriptor of the process that will make the dot-lock where a session cannot (root/locker.py); -1 if none is needed.

    To be called before there is a password in this process, which the other one is a copy of.
    """
    group = options.locker_group(settings)
    if not group:
        return -1
    from . import locker  # for those who use it

    return locker.start(settings.spool, group)


def tell(
    owner: "pwd.struct_passwd", who: str, settings: "Settings", ahead: bytes, locker: int = -1, recovery: bool = False
) -> int:
    """A pipe from which the owner's program will read all that it needs to know: see record.Handover. Raises Unusable.

    locker: of `start_locker`; it is told, too.
    """
    place = f"{owner.pw_dir}/{settings.home_file}" if settings.home_file else f"{settings.spool}/{owner.pw_name}"
    told = record.Handover(
        owner=process.octets(owner.pw_name),
        uid=owner.pw_uid,
        path=process.octets(place),
        state=process.octets(_state(owner, settings)),
        peer=who.encode(),
        ahead=ahead,
        settings=settings,
        recovery=recovery,
        locker=locker >= 0,
    ).encode()
    if len(told) > record.HANDOVER_RECORD_OCTETS or not place.startswith("/") or (settings.home_file and not owner.pw_dir):
        raise Unusable(f"No usable mailbox path for {owner.pw_name}")
    if locker >= 0:
        from .locker import tell as tell_locker

        tell_locker(locker, owner)
    reading, writing = os.pipe()
    os.write(writing, told)  # fits a pipe that root made
    os.close(writing)
    return reading


def _state(owner: "pwd.struct_passwd", settings: "Settings") -> str:
    """The owner's state directory; empty (logged) if it cannot be had: then mail can be read, and little be deleted."""
    try:
        return state_directories.prepare(settings.state, owner.pw_uid, owner.pw_gid)
    except OSError as error:
        log.write(log.WARNING, f"No state directory for {owner.pw_name}: {error.filename}: {error.strerror}")
        return ""


def become(worker: str, told: int, locker: int = -1) -> str:
    """Become `worker`, with the pipe `told` as descriptor 3, and `locker`, if any, as 4. Returns only if that fails: why."""
    log.stop()  # as its descriptor is about to be closed or replaced
    if locker >= 0:
        told, locker = _above(told), _above(locker)
        os.dup2(locker, LOCKER_FD)
    os.dup2(told, HANDOVER_FD)
    os.set_inheritable(HANDOVER_FD, True)
    process.close_from(HANDOVER_FD + 1 + (locker >= 0))
    privileges.no_new_privileges()
    try:
        os.execve(worker, [worker], {})
    except OSError as error:
        return os.strerror(error.errno or 0)


def _above(fd: int) -> int:
    """A copy of a descriptor, above those that the program will have. The other ones are closed later."""
    copy = os.dup(fd)
    while copy <= LOCKER_FD:
        copy = os.dup(fd)
    return copy
