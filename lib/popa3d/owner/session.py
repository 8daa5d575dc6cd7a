"""The mailbox owner's program, from root's handover to the end of the session: the login's reply, TRANSACTION, UPDATE.

Read from `main` down: what it calls stands below it, in the order of a session. All imports lead from here to the rooms
below; those that come late, for the sake of start-up time, are listed at _load_transaction.

Runs as: the mailbox owner; refuses to run as uid 0.
Trusts: root's record on descriptor 3.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import _stat as stat
import errno
import posix as os  # as os, without its start-up time
import time

from ..shared import EX_SOFTWARE, Failure, log, record, replies
from ..shared.connection import EXPIRED, Connection
from ..shared.limits import HANDOVER_FD, KEPT_OCTETS
from .loading import load, open_file, reason_of
from .mailbox import Changed, InUse, Refused
from .mailbox.maildrop import Maildrop
from .mailbox.state_directory import State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from typing import NoReturn

    from .pop3.transaction import Transaction


def _installed() -> "tuple[int, ...] | None":
    """What identifies the installed popa3d: the file that each installation replaces first. None: popa3d was removed."""
    try:
        status = os.stat(__file__.rpartition("/owner/")[0] + "/__init__.py")
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


_BEGAN_WITH = _installed()
is_complete = False  # owner.forked has loaded all that comes late


class _Malformed(Failure):
    """Somebody has handed over something, but not as this version's root does."""


# Errors that may pass by themselves; for all others somebody must do something.
_EXHAUSTED = {errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOLCK, errno.ENOMEM, errno.ENOSPC}
_TEMPORARY = {errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT} | _EXHAUSTED


def main() -> "NoReturn":
    """Serve the client on descriptors 0 and 1, as the record on descriptor 3 says. Never returns."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # as for any other program; Python would raise an exception
    handover, status = None, 1
    try:
        bytes(KEPT_OCTETS)  # freed at once, so that the C library keeps such blocks from now on (see limits)
        handover = _read_handover()
        if handover is None:
            _complain("popa3d-session is started by popa3d only, never as root")
        else:
            log.choose(handover.log)
            log.choose_facility(handover.facility)
            log.start()
    except _Malformed as malformed:
        log.start()
        log.write(log.ERROR, malformed.reason)
        os.write(1, replies.UNAVAILABLE)
    except BaseException as error:
        log.crash(error)
        status = EX_SOFTWARE
    if handover is not None:
        serve(handover)
    os._exit(status)


def serve(handover: record.Handover) -> "NoReturn":
    """Serve the client on descriptors 0 and 1, or run an errand without one. The log must be open. Never returns."""
    try:
        if _has_ids_of_roots() or handover.uid != os.getuid():
            raise PermissionError
        if handover.recovery or handover.migration:
            status = _run_errand(handover)
        else:
            connection = Connection(handover.ahead, handover.timeout_s)
            status = _serve(connection, handover)
            connection.flush()
    except BaseException as error:
        log.crash(error)
        status = EX_SOFTWARE
    os._exit(status)  # interpreters take milliseconds to tidy up, and there is nothing to tidy


def _read_handover() -> record.Handover | None:
    """Root's record from HANDOVER_FD, or None: there is none, it is not for this user, or an id of this process is root's.

    Raises _Malformed.
    """
    if _has_ids_of_roots():
        return None
    data = b""
    try:
        while len(data) <= record.HANDOVER_RECORD_OCTETS:
            more = os.read(HANDOVER_FD, record.HANDOVER_RECORD_OCTETS + 1)
            if not more:
                break
            data += more
        os.close(HANDOVER_FD)
    except OSError:
        return None
    if not data:
        return None
    handover = record.decode_handover(data)
    if handover is None:
        raise _Malformed("The handover record is malformed; a popa3d -D that is older than an upgrade must be restarted")
    return handover if handover.uid == os.getuid() else None


def _has_ids_of_roots() -> bool:
    return 0 in os.getresuid() + os.getresgid() + tuple(os.getgroups())


def _complain(text: str) -> None:
    """Tell whoever started the program by hand, on standard error; if that is a socket, it may be a client's."""
    try:
        if not stat.S_ISSOCK(os.fstat(2).st_mode):
            os.write(2, f"{text}\n".encode())
    except OSError:
        pass


# What is loaded late, in the order of a session:
#   the mailbox needs it        loading (an unfinished update), mailbox.locks (dot-locks), mailbox.maildrop (a large mailbox) and
#                               mailbox.scan (also messages with equal unique-ids): all before the login is answered
#   the login is answered       _load_transaction: owner.pop3, while the client reads the reply
#   the first DELE              _load_removal: owner.update, so that nothing is missing at QUIT
# Modules of two versions do not fit together: if popa3d was replaced or removed since the session began, the last two refuse.
# A process that was forked with all of it (owner.forked) need not care.


def _load_transaction() -> bool:
    """Load what serves the TRANSACTION state. False: popa3d was replaced."""
    if not is_complete and _installed() != _BEGAN_WITH:
        return False
    try:
        from .pop3 import loop, transaction  # noqa: F401 - _transact imports them again
    except ImportError:
        return False
    return True


def _load_removal(owner: str) -> bool:
    """Load what removes messages. False (logged): popa3d was replaced, before that or meanwhile."""
    if is_complete:
        return True
    if _installed() == _BEGAN_WITH:
        try:
            from .mailbox import kept_index  # noqa: F401 - _update imports them again
            from .update import removal  # noqa: F401

            if _installed() == _BEGAN_WITH:
                return True
        except ImportError:
            pass
    log.write(log.WARNING, f"popa3d was upgraded or removed meanwhile: the session of {owner} deletes nothing")
    return False


def _run_errand(handover: record.Handover) -> int:
    """Do what popa3d-recover or popa3d-migrate want. Returns the exit status."""
    from . import errands  # for these programs alone

    return errands.run(handover)


def _serve(connection: Connection, handover: record.Handover) -> int:
    """The session. Returns the exit status: 0 for all that is the client's doing, 1 for what the host should know."""
    path, owner = log.name(handover.path), log.name(handover.owner)
    try:
        maildrop = _load(handover)
    except (Refused, OSError) as error:
        log.write(log.WARNING, f"Failed or refused to load {path}: {reason_of(error)}")
        connection.put(_reply(error, replies.NOT_LOADED_NOW, replies.NOT_LOADED))
        return 1
    try:
        return _transact(connection, maildrop, path, owner, handover.started_ms)
    except Changed:
        log.write(log.INFO, f"Another MUA active, giving up for {owner}")
    except (Refused, OSError) as error:
        log.write(log.ERROR, f"Server failure accessing {path}: {reason_of(error)}")
    finally:
        maildrop.file.close()  # a dot-lock would stay
    return 1


def _load(handover: record.Handover) -> Maildrop:
    """The maildrop. Raises Refused, InUse or OSError if it cannot be served."""
    file = open_file(handover)
    try:
        return load(file, State(handover.state, handover.owner, handover.path), handover.max_messages, handover.max_octets)
    except (Refused, OSError):
        file.close()
        raise


def _reply(error: Refused | OSError, temporary: bytes, permanent: bytes) -> bytes:
    """Which of two replies an error deserves, or IN_USE: will it pass by itself, or must somebody do something?"""
    if isinstance(error, InUse):
        return replies.IN_USE
    return temporary if isinstance(error, OSError) and error.errno in _TEMPORARY else permanent


def _transact(connection: Connection, maildrop: Maildrop, path: str, owner: str, started_ms: int) -> int:
    """Reply to the login, then TRANSACTION and UPDATE. Returns the exit status; raises Changed, Refused, InUse or OSError.

    started_ms: see record.Handover.
    """
    octets = sum(maildrop.index.octets)
    if maildrop.file.read_only:
        log.write(log.WARNING, f"{path} is on a file system that can only be read: no message can be deleted")
    log.write(log.INFO, f"{_count(len(maildrop.index), 'message')} ({_count(octets, 'byte')}) loaded for {owner}")
    connection.put(replies.OK)
    connection.flush()
    if not _load_transaction():
        log.write(log.WARNING, f"popa3d was upgraded or removed meanwhile: the session of {owner} ends")
        return 1
    from .pop3 import loop
    from .pop3.transaction import Transaction

    transaction = Transaction(maildrop, octets, lambda: _load_removal(owner))
    if maildrop.is_large():
        from .mailbox import indexing  # loaded with the mailbox

        indexing.keep(maildrop)
    quit_came = loop.serve(connection, transaction)
    connection.flush()  # what is deleted next must have been sent before: clients send RETR, DELE and QUIT in one go
    if not quit_came or connection.ended:
        log.write(log.INFO, f"{'Connection timed out' if connection.ended == EXPIRED else 'Premature disconnect'} for {owner}")
        return 0
    return _update(connection, maildrop, transaction, path, owner, started_ms)


def _update(
    connection: Connection, maildrop: Maildrop, transaction: "Transaction", path: str, owner: str, started_ms: int
) -> int:
    """The UPDATE state, RFC 1939 section 6, and the reply to QUIT. Returns and raises what _transact does."""
    deletes = 1 in transaction.deleted
    if deletes:
        from .mailbox import kept_index
        from .update import removal

        try:
            kept_index.drop(maildrop.state)
            removal.remove(maildrop, transaction.deleted)
        except InUse as error:
            log.write(log.WARNING, f"Failed to update {path}: {error.reason}")
            connection.put(replies.IN_USE)
            return 1
        except (Refused, OSError) as error:
            log.write(log.ERROR, f"Failed to update {path}: {reason_of(error)}{_later(maildrop)}")
            connection.put(_reply(error, replies.NOT_UPDATED_NOW, replies.NOT_UPDATED))
            return 1
        maildrop.unlock_after_update()
    log.write(
        log.INFO,
        f"{len(transaction.deleted) - transaction.left} ({transaction.octets - transaction.left_octets}) deleted, "
        f"{transaction.left} ({transaction.left_octets}) left for {owner} "
        f"messages={transaction.retrieved} octets={connection.sent_octets} seconds={_seconds(started_ms)}",
    )
    connection.put(replies.OK)
    if deletes:
        connection.flush()
        if maildrop.is_large():
            from .mailbox import indexing  # loaded with the mailbox

            indexing.keep_rest(maildrop, transaction.deleted)
    return 0


def _later(maildrop: Maildrop) -> str:
    """What the log adds to an update that failed half-way."""
    try:
        return ": the next session will finish it" if maildrop.state.has_journal() else ""
    except OSError:
        return ""


def _seconds(started_ms: int) -> int:
    """The whole seconds since then."""
    return max(0, int(time.monotonic() * 1000) - started_ms) // 1000


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"
