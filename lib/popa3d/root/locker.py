"""The process that makes the dot-lock for a session where the spool lets only a group make files (Debian's: root:mail, 2775).

It is forked before anything is heard of the client, so it never has a password. When the client has logged in, it is told
who that is and becomes him with the spool's group. The session, which has not got that group, asks it to make and to
remove one file of one name. When the session ends, however, the lock goes too.

Runs as: root, until it knows the owner; then as the owner with the spool's group alone.
Trusts: root, who it is for; the session for nothing but when.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import _socket
import posix as os  # as os, without its start-up time

from ..shared import locker_messages, log
from ..shared.dotlock import Dotlock
from ..shared.limits import LOCKER_OCTETS
from . import privileges, process

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from typing import NoReturn

_FD = 3


def start(spool: str, group: int) -> int:
    """Start one for a session, which this process is, or will become. A descriptor for `tell`, then for the session."""
    ours, its = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    session = os.getpid()
    if os.fork():
        its.close()
        return ours.detach()
    try:
        ours.close()
        _run(its.detach(), process.octets(spool), group, session)
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(1)


def assign(locker: int, owner: "pwd.struct_passwd") -> None:
    """Say whose mailbox it is. If the locker has gone, the session will see that."""
    try:
        os.write(locker, locker_messages.encode_owner(owner.pw_uid, process.octets(owner.pw_name)))
    except OSError:
        pass


def _run(asked: int, spool: bytes, group: int, session: int) -> "NoReturn":
    """Wait for the owner, become him, and do what the session asks for. Ends when nobody can ask any more."""
    # It must outlive the session for a moment, whoever ends both. The client's connection must not live as long.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    log.stop()  # as its descriptor is about to be closed or replaced
    for fd in (0, 1):
        os.dup2(2, fd)
    os.dup2(asked, _FD)
    process.close_from(_FD + 1)
    privileges.undumpable()  # once more below, where it counts; what it needs is loaded now, while the client types
    told = os.read(_FD, LOCKER_OCTETS)
    if not told:
        os._exit(0)  # nobody has logged in
    uid, name = locker_messages.decode_owner(told)
    privileges.become(uid, group)  # undumpable: the user's other processes have not got the group, and must not get it here
    privileges.no_new_privileges()
    lock = Dotlock(spool + b"/" + name, session)
    try:
        while _answer(lock, os.read(_FD, LOCKER_OCTETS)):
            pass
    finally:
        lock.remove()
    os._exit(0)


def _answer(lock: Dotlock, asked: bytes) -> bool:
    """Do what is asked for. False if that was the last thing."""
    if asked == locker_messages.TOUCH:
        lock.touch()
        return True
    if asked == locker_messages.TAKE:
        try:
            answer = locker_messages.TAKEN if lock.take() else locker_messages.BUSY
        except OSError as error:
            answer = locker_messages.encode_error(error.errno or 0)
    elif asked == locker_messages.LET_GO:
        lock.remove()
        answer = locker_messages.FREE
    else:
        return False
    try:
        os.write(_FD, answer)
    except OSError:
        return False
    return True
