"""From root to the mailbox owner's program: what it is told, and becoming it.

Runs as: root, and the last function as the mailbox owner.
Trusts: the administrator; the owner's directories are not looked into.
"""

import posix as os  # as os, without its start-up time

from .. import log
from ..wire import record
from . import privileges, process, state

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd

    from ..params import Settings

_FD = 3


class Unusable(Exception):
    """The account has no mailbox that could be served; the text says why, for the log."""


def serves(account: "pwd.struct_passwd") -> bool:
    """Whether an account can have a session: it has neither uid 0 nor group 0, and its name can be a file's."""
    name = account.pw_name
    return account.pw_uid != 0 and account.pw_gid != 0 and "/" not in name and not name.startswith(".")


def tell(owner: "pwd.struct_passwd", who: str, settings: "Settings", ahead: bytes, recovery: bool = False) -> int:
    """A pipe from which the owner's program will read all that it needs to know: see record.Handover. Raises Unusable."""
    place = f"{owner.pw_dir}/{settings.home_file}" if settings.home_file else f"{settings.spool}/{owner.pw_name}"
    told = record.Handover(
        owner=process.octets(owner.pw_name),
        uid=owner.pw_uid,
        path=process.octets(place),
        state=process.octets(_state(owner, settings)),
        locks=",".join(settings.locks).encode(),
        peer=who.encode(),
        timeout_s=settings.timeout_s,
        max_messages=settings.max_messages,
        max_octets=settings.max_octets,
        ahead=ahead,
        recovery=recovery,
    ).encode()
    if len(told) > record.HANDOVER_RECORD_OCTETS or not place.startswith("/") or (settings.home_file and not owner.pw_dir):
        raise Unusable(f"No usable mailbox path for {owner.pw_name}")
    reading, writing = os.pipe()
    os.write(writing, told)  # fits a pipe that root made
    os.close(writing)
    return reading


def _state(owner: "pwd.struct_passwd", settings: "Settings") -> str:
    """The owner's state directory; empty (logged) if it cannot be had: then mail can be read, and little be deleted."""
    try:
        return state.prepare(settings.state, owner.pw_uid, owner.pw_gid)
    except OSError as error:
        log.write(log.WARNING, f"No state directory for {owner.pw_name}: {error.filename}: {error.strerror}")
        return ""


def become(worker: str, told: int) -> str:
    """Become `worker`, with the pipe `told` as descriptor 3. Returns only if that fails: why."""
    log.stop()  # as its descriptor is about to be closed or replaced
    os.dup2(told, _FD)
    os.set_inheritable(_FD, True)
    process.close_from(_FD + 1)
    privileges.no_new_privileges()
    try:
        os.execve(worker, [worker], {})
    except OSError as error:
        return os.strerror(error.errno or 0)
