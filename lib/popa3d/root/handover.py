"""From root to the mailbox owner's program: what root hands over to it, and becoming it.

Runs as: root, and the last function as the mailbox owner.
Trusts: the administrator; it does not look into the owner's directories.
"""

import posix as os  # as os, without its start-up time

from ..shared import Failure, log, record
from ..shared.limits import HANDOVER_FD, LOCKER_FD, SCAN_BOTH_OCTETS
from . import privileges, process, sandbox, state_directories

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from typing import NoReturn

    from ..shared.settings import Settings


class NoMailbox(Failure):
    """The account's mailbox has no path that could be served."""


class NotStarted(Failure):
    """The owner's program could not be confined, or not executed."""


class HandedOver:
    """What root hands over. fd: the pipe with the record. mailbox, state, makes_locks: see sandbox.session."""

    __slots__ = ("fd", "mailbox", "makes_locks", "state")

    def __init__(self, fd: int, mailbox: str, state: str, makes_locks: bool) -> None:
        self.fd = fd
        self.mailbox = mailbox
        self.state = state
        self.makes_locks = makes_locks

    def confine(self, program: str = "") -> None:
        """Let this process, which is the mailbox owner's, reach no more than the session needs. Raises sandbox.NotConfined.

        program: what it executes, if anything; see sandbox.session.
        """
        sandbox.session(self.mailbox, self.state, self.makes_locks, SCAN_BOTH_OCTETS, program)


def serves(account: "pwd.struct_passwd") -> bool:
    """Whether an account can have a session: it must have neither uid 0 nor group 0, and a name that a file can have."""
    name = account.pw_name
    return account.pw_uid != 0 and account.pw_gid != 0 and "/" not in name and not name.startswith(".")


def start_locker(settings: "Settings") -> int:
    """A descriptor of the process that makes dot-locks where a session cannot (root/locker.py); -1 if none is needed.

    To be called before there is a password in this process, as the other one is a copy of it.
    """
    if "dotlock" not in settings.locks:
        return -1
    from . import host_check, locker  # few hosts need them

    group = host_check.locker_group(settings)
    return -1 if group in (None, host_check.ROOT_ONLY) else locker.start(settings.spool, group)


def send(
    owner: "pwd.struct_passwd",
    address: str,
    settings: "Settings",
    ahead: bytes,
    locker: int = -1,
    recovery: bool = False,
    migration: str = "",
    dry_run: bool = False,
    started_ms: int = 0,
) -> HandedOver:
    """A pipe from which the owner's program will read its record, see record.Handover; and what it may reach. Raises NoMailbox.

    address: the client's, for the log. locker: of `start_locker`; it learns whose dot-lock it makes.
    """
    path = mailbox(owner, settings)
    state = _state(owner, settings)
    data = record.Handover(
        owner=process.encode(owner.pw_name),
        uid=owner.pw_uid,
        path=process.encode(path),
        state=process.encode(state),
        peer=address.encode(),
        ahead=ahead,
        settings=settings,
        recovery=recovery,
        locker=locker >= 0,
        migration=migration,
        dry_run=dry_run,
        log=log.target(),
        started_ms=started_ms,
    ).encode()
    if len(data) > record.HANDOVER_RECORD_OCTETS or not path:
        raise NoMailbox(f"No usable mailbox path for {owner.pw_name}")
    if locker >= 0:
        from .locker import assign

        assign(locker, owner)
    reading, writing = os.pipe()
    os.write(writing, data)  # fits a pipe that root made
    os.close(writing)
    return HandedOver(reading, path, state, "dotlock" in settings.locks and locker < 0)


def mailbox(owner: "pwd.struct_passwd", settings: "Settings") -> str:
    """The absolute path of the owner's mailbox; empty if there is none."""
    path = f"{owner.pw_dir}/{settings.home_file}" if settings.home_file else f"{settings.spool}/{owner.pw_name}"
    return path if path.startswith("/") and not (settings.home_file and not owner.pw_dir) else ""


def _state(owner: "pwd.struct_passwd", settings: "Settings") -> str:
    """The owner's state directory; empty (logged) if it cannot be had: then mail can be read, and little be deleted."""
    try:
        return state_directories.prepare(settings.state, owner.pw_uid, owner.pw_gid)
    except OSError as error:
        log.write(log.WARNING, f"No state directory for {owner.pw_name}: {error.filename}: {error.strerror}")
        return ""


def become(worker: str, handed_over: HandedOver, locker: int = -1) -> "NoReturn":
    """Become `worker`, with the pipe of `send` as HANDOVER_FD, and `locker`, if any, as LOCKER_FD. Raises NotStarted."""
    log.stop()  # as its descriptor is about to be closed or replaced
    pipe = handed_over.fd
    if locker >= 0:
        pipe, locker = (process.copy_above(LOCKER_FD, fd) for fd in (pipe, locker))
        os.dup2(locker, LOCKER_FD)
    os.dup2(pipe, HANDOVER_FD)
    os.set_inheritable(HANDOVER_FD, True)
    process.close_from(HANDOVER_FD + 1 + (locker >= 0))
    privileges.no_new_privileges()
    try:
        handed_over.confine(worker)
        os.execve(worker, [worker], {})
    except OSError as error:
        raise NotStarted(f"{worker}: {os.strerror(error.errno or 0)}") from None
    except sandbox.NotConfined as failure:
        raise NotStarted(failure.reason) from None
