"""The mailbox owner's side of a session: load the mailbox, answer PASS, TRANSACTION, UPDATE, and the end.

Runs as: the mailbox owner; refuses to run as uid 0.
Trusts: root's record on descriptor 3.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import _stat as stat
import posix as os  # as os, without its start-up time

from ..shared import log, record, replies
from ..shared.connection import EXPIRED, Client
from ..shared.limits import HANDOVER_FD, KEPT_OCTETS, LOCKER_FD
from .mailbox.file import InUse, MboxFile, Refused
from .mailbox.maildrop import Changed, Maildrop, finish_update
from .mailbox.state_directory import State

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from typing import NoReturn

    from .pop3.transaction import Transaction

_EX_SOFTWARE = 70  # sysexits.h: an internal error


def _installed() -> "tuple[int, ...] | None":
    """What tells one installation of popa3d from the next, which makes all files anew, this one first. None: it was removed."""
    try:
        status = os.stat(__file__.rpartition("/owner/")[0] + "/__init__.py")
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


_BEGAN_WITH = _installed()


def main() -> "NoReturn":
    """Serve the client on descriptors 0 and 1, as the record on descriptor 3 says. Never returns."""
    status = 1
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # as for any other program; Python would raise an exception
    try:
        bytes(KEPT_OCTETS)  # see there
        told = _handover()
        if told is None:
            _complain("popa3d-session is started by popa3d only, never as root")
        else:
            log.start()
            client = Client(told.ahead, told.timeout_s)
            status = _recover(told) if told.recovery else _serve(client, told)
            client.flush()
    except BaseException as error:
        log.crash(error)
        status = _EX_SOFTWARE
    os._exit(status)  # interpreters take milliseconds to tidy up, and there is nothing to tidy


def _handover() -> record.Handover | None:
    """Root's record, if this process is what it is meant for."""
    if 0 in os.getresuid() + os.getresgid() + tuple(os.getgroups()):
        return None
    got = b""
    try:
        while len(got) <= record.HANDOVER_RECORD_OCTETS:
            more = os.read(HANDOVER_FD, record.HANDOVER_RECORD_OCTETS + 1)
            if not more:
                break
            got += more
        os.close(HANDOVER_FD)
    except OSError:
        return None
    told = record.decode_handover(got)
    return told if told is not None and told.uid == os.getuid() else None


def _complain(text: str) -> None:
    """Tell who started us by hand; never on the client's connection."""
    try:
        if not stat.S_ISSOCK(os.fstat(2).st_mode):
            os.write(2, f"{text}\n".encode())
    except OSError:
        pass


def _serve(client: Client, told: record.Handover) -> int:
    """The session. Returns the exit status: 0 for all that is the client's doing, 1 for what the host should know."""
    path, owner = log.name(told.path), log.name(told.owner)
    maildrop = _load(told)
    if not isinstance(maildrop, Maildrop):
        client.put(maildrop)
        return 1
    octets = sum(maildrop.index.octets)
    if maildrop.file.read_only:
        log.write(log.WARNING, f"{path} is on a file system that can only be read: no message can be deleted")
    log.write(log.INFO, f"{_count(len(maildrop.index), 'message')} ({_count(octets, 'byte')}) loaded for {owner}")
    client.put(replies.OK)
    try:
        client.flush()
        transaction = _transaction(client, maildrop, octets, owner)
        if transaction is None:
            return 1
        maildrop.save_index()
        transaction.serve()
        client.flush()  # what is deleted next must have been sent before: clients send RETR, DELE and QUIT in one go
        if not transaction.quit or client.ended:
            log.write(log.INFO, f"{'Connection timed out' if client.ended == EXPIRED else 'Premature disconnect'} for {owner}")
            return 0
        return _update(transaction, path, owner)
    except Changed:
        log.write(log.INFO, f"Another MUA active, giving up for {owner}")
    except (Refused, OSError) as why:
        log.write(log.ERROR, f"Server failure accessing {path}: {_reason(why)}")
    finally:
        maildrop.file.close()  # a dot-lock would stay
    return 1


def _transaction(client: Client, maildrop: Maildrop, octets: int, owner: str) -> "Transaction | None":
    """The TRANSACTION state, loaded while the client reads the reply to PASS. None (logged) if popa3d was replaced."""
    if _installed() == _BEGAN_WITH:
        try:
            from .pop3.transaction import Transaction

            return Transaction(client, maildrop, octets, lambda: _load_removal(owner))
        except ImportError:
            pass
    log.write(log.WARNING, f"popa3d was upgraded or removed meanwhile: the session of {owner} ends")
    return None


def _load_removal(owner: str) -> bool:
    """Load what removes messages, but nothing of another version than what this session has loaded so far: False (logged)."""
    if _installed() == _BEGAN_WITH:
        try:
            from .mailbox import kept_index  # noqa: F401 - their modules are for those who delete
            from .update import removal  # noqa: F401

            if _installed() == _BEGAN_WITH:
                return True
        except ImportError:
            pass
    log.write(log.WARNING, f"popa3d was upgraded or removed meanwhile: the session of {owner} deletes nothing")
    return False


def _load(told: record.Handover) -> Maildrop | bytes:
    """The maildrop, or a reply for why (logged) it cannot be served."""
    file = None
    try:
        file = _file(told)
        return Maildrop(file, State(told.state, told.owner, told.path), told.max_messages, told.max_octets)
    except (Refused, OSError) as why:
        if file is not None:
            file.close()
        log.write(log.WARNING, f"Failed or refused to load {log.name(told.path)}: {_reason(why)}")
        return replies.IN_USE if isinstance(why, InUse) else replies.NOT_LOADED


def _file(told: record.Handover) -> MboxFile:
    return MboxFile(told.path, told.locks, LOCKER_FD if told.locker else -1)


def _reason(why: Refused | OSError) -> str:
    return why.strerror or "" if isinstance(why, OSError) else str(why)


def _recover(told: record.Handover) -> int:
    """Only finish an update, if there is one to finish. Returns 1 if the mailbox is not what it is to be, or may not be."""
    try:
        state = State(told.state, told.owner, told.path)
        file = _file(told)
        try:
            if file.absent and state.has_journal():
                raise Refused("there is a journal of it, but no mailbox")
            if file.absent:
                return 0
            file.lock(exclusive=not file.read_only)
            return 0 if finish_update(file, state) else 1
        finally:
            file.close()
    except (Refused, OSError) as why:
        log.write(log.WARNING, f"Failed or refused to recover {log.name(told.path)}: {_reason(why)}")
        return 1


def _update(transaction: "Transaction", path: str, owner: str) -> int:
    """The UPDATE state, and QUIT's reply."""
    if 1 in transaction.deleted:
        from .mailbox import kept_index
        from .update import removal  # loaded by DELE

        try:
            kept_index.drop(transaction.maildrop.state)
            removal.remove(transaction.maildrop, transaction.deleted)
        except InUse as why:
            log.write(log.WARNING, f"Failed to update {path}: {why}")
            transaction.client.put(replies.IN_USE)
            return 1
        except OSError as why:
            log.write(log.ERROR, f"Failed to update {path}: {why.strerror}{_later(transaction.maildrop)}")
            transaction.client.put(replies.NOT_UPDATED)
            return 1
        transaction.maildrop.unlock_after_update()
    log.write(
        log.INFO,
        f"{len(transaction.deleted) - transaction.left} ({transaction.octets - transaction.left_octets}) deleted, "
        f"{transaction.left} ({transaction.left_octets}) left for {owner}",
    )
    transaction.client.put(replies.OK)
    if 1 in transaction.deleted:
        transaction.client.flush()
        transaction.maildrop.save_index_without(transaction.deleted)
    return 0


def _later(maildrop: Maildrop) -> str:
    """What the log says of an update that failed half-way."""
    try:
        return ": the next session will finish it" if maildrop.state.has_journal() else ""
    except OSError:
        return ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
