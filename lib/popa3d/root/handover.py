"""From root to the mailbox owner's program: what root hands over to it, and becoming it.

Runs as: root, and the last function as the mailbox owner.
Trusts: the administrator; it does not look into the owner's directories.
"""

import _socket
import posix as os  # as os, without its start-up time
import select

from ..shared import Failure, log, record
from ..shared.limits import HANDOVER_FD, LOCKER_FD, NOTE_FD, SCAN_BOTH_OCTETS, STARTER_ANSWER_S, STARTER_FD
from . import privileges, process, sandbox, state_directories

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from typing import NoReturn

    from ..shared.settings import Settings


_ANSWER_OCTETS = 16  # a process id


class NoMailbox(Failure):
    """The account's mailbox has no path that could be served."""


class NotStarted(Failure):
    """The owner's program could not be confined, or not executed."""


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


def prepare(
    owner: "pwd.struct_passwd",
    address: str,
    settings: "Settings",
    ahead: bytes,
    locker: bool = False,
    recovery: bool = False,
    migration: str = "",
    dry_run: bool = False,
    started_ms: int = 0,
) -> record.Handover:
    """What the owner's program will be told. Raises NoMailbox.

    address: the client's, for the log. locker: there is one. For the others see record.Handover.
    """
    path = mailbox(owner, settings)
    handover = record.Handover(
        owner=process.encode(owner.pw_name),
        uid=owner.pw_uid,
        path=process.encode(path),
        state=process.encode(_state(owner, settings)),
        peer=address.encode(),
        ahead=ahead,
        settings=settings,
        recovery=recovery,
        locker=locker,
        migration=migration,
        dry_run=dry_run,
        log=log.target(),
        started_ms=started_ms,
    )
    if len(handover.encode()) > record.HANDOVER_RECORD_OCTETS or not path:
        raise NoMailbox(f"No usable mailbox path for {owner.pw_name}")
    sandbox.prepare()  # as root, who can read it wherever it is
    return handover


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


def give_to_starter(handover: record.Handover, owner: "pwd.struct_passwd", locker: int, is_proxied: bool) -> bool:
    """Let the listener's starter fork the owner's program, and leave the client to it: nothing but the exit may follow.

    locker: of `start_locker`. is_proxied: the client comes through a proxy. False: it cannot, or takes too long, and the
    client is still this process's.
    """
    from ..shared import client_note
    from .starter import READY
    from .starter import encode as question

    has_note = is_proxied and client_note.is_left()
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    starter = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, STARTER_FD)
    fds = (0, theirs.fileno(), *(() if locker < 0 else (locker,)), *((NOTE_FD,) if has_note else ()))
    message = question(os.getpid(), owner.pw_gid, has_note, handover.encode())
    try:
        starter.sendmsg([message], process.rights(fds), _socket.MSG_DONTWAIT)
        theirs.close()
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        answer = ours.recv(_ANSWER_OCTETS) if poll.poll(STARTER_ANSWER_S * 1000) else b""
        if not answer.isdigit():
            log.write(log.ERROR, f"The starter does not start the session of {owner.pw_name}")
            return False
        _assign(locker, owner, int(answer))
        ours.send(READY)
    except OSError:
        return False  # it has ended, or has too much to do
    finally:
        starter.detach()
        ours.close()
    return True


def pipe(handover: record.Handover, owner: "pwd.struct_passwd", locker: int = -1) -> int:
    """A pipe from which the owner's program will read the record. locker: of `start_locker`; it learns whose lock it makes."""
    _assign(locker, owner, os.getpid())
    reading, writing = os.pipe()
    os.write(writing, handover.encode())  # fits a pipe that root made
    os.close(writing)
    return reading


def confine(handover: record.Handover, program: str = "") -> None:
    """Let this process, which is the mailbox owner's, reach no more than the session needs. Raises sandbox.NotConfined.

    program: what it executes, if anything; see sandbox.session.
    """
    makes_locks = "dotlock" in handover.locks and not handover.locker
    mailbox, state = process.decode(handover.path), process.decode(handover.state)
    sandbox.session(mailbox, state, makes_locks, SCAN_BOTH_OCTETS, program)


def become(worker: str, handover: record.Handover, reading: int, locker: int = -1, is_proxied: bool = False) -> "NoReturn":
    """Become `worker`, with the `pipe` as HANDOVER_FD, and `locker`, if any, as LOCKER_FD. Raises NotStarted.

    is_proxied: NOTE_FD stays open, too.
    """
    log.stop()  # as its descriptor is about to be closed or replaced
    if locker >= 0:
        reading, locker = (process.copy_above(LOCKER_FD, fd) for fd in (reading, locker))
        os.dup2(locker, LOCKER_FD)
    os.dup2(reading, HANDOVER_FD)
    os.set_inheritable(HANDOVER_FD, True)
    if is_proxied:
        from ..shared import client_note

        client_note.keep()
    process.close_from(HANDOVER_FD + 1 + (locker >= 0), NOTE_FD if is_proxied else -1)
    privileges.no_new_privileges()
    try:
        confine(handover, worker)
        os.execve(worker, [worker], {})
    except OSError as error:
        raise NotStarted(f"{worker}: {os.strerror(error.errno or 0)}") from None
    except sandbox.NotConfined as failure:
        raise NotStarted(failure.reason) from None


def _assign(locker: int, owner: "pwd.struct_passwd", session: int) -> None:
    if locker >= 0:
        from .locker import assign

        assign(locker, owner, session)
