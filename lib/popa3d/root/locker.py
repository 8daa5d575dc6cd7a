"""The process that makes the dot-lock for a session where the spool lets only a group make files (Debian's: root:mail, 2775).

It is forked before the client's password arrives, so it never has one. After the login root names the owner, and the
process becomes that user with the spool's group. The session does not have that group; it asks this process to make, renew
and remove one file with one name. However the session ends, the lock goes with it.

Runs as: root, until it knows the owner; then as the owner with the spool's group alone.
Trusts: root for the owner's name; the session only for when to make and remove the lock.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import _socket
import posix as os  # as os, without its start-up time

from ..shared import locker_messages, log
from ..shared.dotlock import Dotlock
from ..shared.limits import LOCKER_OCTETS
from . import privileges, process, sandbox

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from typing import NoReturn

_FD = 3


def start(spool: str, group: int) -> int:
    """Start a locker for the session that this process will become. A descriptor: for `assign`, then for the session."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    sandbox.prepare()  # as root, who can read it wherever it is
    if os.fork():
        theirs.close()
        return ours.detach()
    try:
        ours.close()
        _run(theirs.detach(), process.encode(spool), group)
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(1)


def assign(locker: int, owner: "pwd.struct_passwd", session: int) -> None:
    """Say whose mailbox it is, and which process will ask for its lock. If the locker is gone, the session will notice."""
    try:
        os.write(locker, locker_messages.encode_owner(session, owner.pw_uid, process.encode(owner.pw_name)))
    except OSError:
        pass


def _run(connection: int, spool: bytes, group: int) -> "NoReturn":
    """Wait for the owner's name, become the owner, and do what the session asks for, until the session has gone."""
    # A signal to both must not end this process before it has removed the lock. Nor must it keep the client's connection open.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    log.stop()  # as its descriptor is about to be closed or replaced
    process.send_to_null(0, 1)
    os.dup2(connection, _FD)
    process.close_from(_FD + 1)
    privileges.undumpable()  # `become` does it again, where it counts; here the client types while its code is loaded
    message = os.read(_FD, LOCKER_OCTETS)
    if not message:
        os._exit(0)  # nobody has logged in
    session, uid, name = locker_messages.decode_owner(message)
    privileges.become(uid, group)  # undumpable: the user's other processes must not get at the group
    privileges.no_new_privileges()
    sandbox.locker(process.decode(spool))
    lock = Dotlock(spool + b"/" + name, session)
    try:
        while _answer(lock, os.read(_FD, LOCKER_OCTETS)):
            pass
    finally:
        lock.remove()
    os._exit(0)


def _answer(lock: Dotlock, request: bytes) -> bool:
    """Do what the session asks for. False if nothing more can follow."""
    if request == locker_messages.TOUCH:
        lock.touch()
        return True
    if request == locker_messages.TAKE:
        try:
            answer = locker_messages.TAKEN if lock.take() else locker_messages.BUSY
        except OSError as error:
            answer = locker_messages.encode_error(error.errno or 0)
    elif request == locker_messages.LET_GO:
        lock.remove()
        answer = locker_messages.FREE
    else:
        return False
    try:
        os.write(_FD, answer)
    except OSError:
        return False
    return True
