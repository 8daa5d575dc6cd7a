"""The starter, a process beside the listener that has the owner's program loaded, and forks it for clients that have logged in.

The listener executes it, so it has never shared memory with a process that had a password. It is root's, but keeps only the
capabilities to become somebody else. Root's process of a session sends it the handover record and the client's connection.
A child, which has waited for that, becomes the mailbox owner and says so, but touches neither client nor mailbox before
root's process has told it to go on. Until then that process may still execute the owner's program itself, so no client is
lost, and none is served twice.

Runs as: root, only with -D; each process that it forks becomes the mailbox owner.
Trusts: root's processes, which alone can ask; it reads nothing of a client.
"""

import _signal
import _socket
import gc
import posix as os  # as os, without its start-up time
import sys

from .. import VERSION
from ..shared import EX_SOFTWARE, log, process_name, record
from ..shared.limits import HANDOVER_FD, LOCKER_FD, NOTE_FD
from . import libc, privileges, process, reports, sandbox
from .handover import confine
from .prefork import Prefork

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .prefork import Take

    Serve = Callable[[record.Handover], NoReturn]  # owner.forked.serve

READY = b"+"
_ASKING_FD, _LOGINS_FD, _ANSWER_FD = 3, 4, 5  # the starter's own, besides /dev/null
_MESSAGE_OCTETS = record.HANDOVER_RECORD_OCTETS + 64
# The client's connection, the link to root's process of the session; and, if there are such, the locker's socket, and the note
# of the address of a client that comes through a proxy.
_FDS_MOST = 4
_IGNORED = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM)  # it ends when nobody can ask it any more


class Starter:
    """The process, as the listener sees it. fd: the socket on which sessions ask it. answer: see is_ready."""

    def __init__(self, pid: int, fd: int, answer: int) -> None:
        self.pid = pid
        self.fd = fd
        self.answer = answer

    def is_ready(self) -> bool:
        """Whether it can be asked; to be called once, when `answer` can be read. If not, it is about to end."""
        ready = os.read(self.answer, 1) == READY
        os.close(self.answer)
        self.answer = -1
        return ready

    def close(self) -> None:
        """The listener asks it no more. It ends when no session can ask it either."""
        os.close(self.fd)
        if self.answer >= 0:
            os.close(self.answer)


def start(program: str, spare: int, logins: int) -> Starter:
    """Execute the starter's program, and do not wait until it is ready. Raises OSError.

    spare: so many of its processes wait for logins. logins: the pipe for reports.
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    try:
        pid = os.fork()
        if not pid:
            _execute(program, spare, theirs.fileno(), logins, writing)
    except OSError:
        ours.close()
        os.close(reading)
        raise
    finally:
        theirs.close()
        os.close(writing)
    return Starter(pid, ours.detach(), reading)


def _execute(program: str, spare: int, *fds: int) -> "NoReturn":
    try:
        os.setsid()  # Ctrl-C on the listener's terminal is the listener's
        for number in _IGNORED:
            _signal.signal(number, _signal.SIG_IGN)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        log.stop()
        copies = [process.copy_above(_ANSWER_FD, fd) for fd in fds]
        process.send_to_null(*(0, 1) if log.target() != log.SYSTEM else (0, 1, 2))
        for copy, own in zip(copies, (_ASKING_FD, _LOGINS_FD, _ANSWER_FD), strict=True):
            os.dup2(copy, own)
        process.close_from(_ANSWER_FD + 1)  # the listener's sockets above all, which must not stay open when it ends
        os.execve(program, [program, VERSION, str(log.target()), str(spare)], {})
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(EX_SOFTWARE)


def main(serve: "Serve") -> "NoReturn":
    """Be the starter, as which popa3d -D has executed this program. serve: is loaded with all that it may need."""
    if os.getuid() != 0 or len(sys.argv) != 4 or sys.argv[1] != VERSION:
        # Without a word but for the listener's, which sees that it ends: after an upgrade that needs a restart.
        os._exit(1)
    try:
        log.choose(int(sys.argv[2]))
        log.start()
        sandbox.prepare()
        privileges.keep_identity_alone()
        gc.collect()
        gc.freeze()  # else the first collection of each child writes to every page with objects, and so copies it
        # A child's end is reported before it is collected: if the starter is killed in between, the listener collects it.
        processes = Prefork(
            _ASKING_FD,
            int(sys.argv[3]),
            _MESSAGE_OCTETS,
            _FDS_MOST,
            lambda take: _be(serve, take),
            lambda error: log.write(log.ERROR, f"The starter cannot fork: {log.reason(error)}"),
            lambda pid: reports.ended(pid, _LOGINS_FD),
        )
        sandbox.starter()
        os.write(_ANSWER_FD, READY)
        os.close(_ANSWER_FD)
        processes.run()
    except BaseException as error:
        log.crash(error)
        os._exit(EX_SOFTWARE)
    os._exit(0)


def encode(session: int, gid: int, has_note: bool, handover: bytes) -> bytes:
    """What the starter is asked: the session's process, the owner's group, whether there is a note of the client's address, and
    the handover record."""
    return b"%d %d %d " % (session, gid, has_note) + handover


def decode(message: bytes) -> tuple[int, int, bool, record.Handover]:
    """The other way round. Raises ValueError."""
    session, gid, has_note, data = message.split(b" ", 3)
    handover = record.decode_handover(data)
    if handover is None:
        raise ValueError("the handover record")
    if encode(int(session), int(gid), has_note == b"1", data) != message:
        raise ValueError("the numbers before it")
    return int(session), int(gid), has_note == b"1", handover


def _be(serve: "Serve", take: "Take") -> "NoReturn":
    """The process: wait for a login, become the owner, and serve the client once it is ours."""
    status = EX_SOFTWARE
    try:
        libc.set_name(process_name.SPARE)
        os.setsid()
        message, fds = take()
        for number in _IGNORED:
            _signal.signal(number, _signal.SIG_DFL)
        session, gid, has_note, handover = decode(message)
        if len(fds) != 2 + handover.locker + has_note:
            raise ValueError("the descriptors")
        reports.logged_in(session, os.getpid(), _LOGINS_FD)
        log.stop()
        if has_note:
            os.dup2(fds.pop(), NOTE_FD, False)
        client, link, *locker = fds
        for fd, own in ((client, 0), (client, 1), (link, HANDOVER_FD), *((fd, LOCKER_FD) for fd in locker)):
            os.dup2(fd, own)
        process.close_from(HANDOVER_FD + 1 + len(locker), NOTE_FD if has_note else -1)
        log.choose(handover.log)
        log.choose_facility(handover.facility)
        log.start()
        libc.set_name(process_name.encode_session(session))
        privileges.become(handover.uid, gid)
        confine(handover)
        if _is_ours():
            os.close(HANDOVER_FD)
            serve(handover)
        status = 0
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(status)


def _is_ours() -> bool:
    """Tell root's process who will serve the client; whether it agrees. Otherwise it serves the client, or has ended."""
    try:
        os.write(HANDOVER_FD, b"%d" % os.getpid())
        return os.read(HANDOVER_FD, 1) == READY
    except OSError:
        return False
