"""Make this process a known one, whoever started it: its session, directory, descriptors, signals, environment, log.

Runs as: root, before anything is read of the client.
Trusts: nothing that was inherited.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import _socket
import _stat as stat
import posix as os  # as os, without its start-up time
import sys

from ..shared import log
from . import libc, privileges


def is_connection(fd: int) -> bool:
    """Whether `fd` must not be written on: it is a socket (as 2 is under inetd), or closed."""
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return True


def secure_daemon() -> None:
    """As `secure`, for the listener and popa3d-recover: they keep 0 to 2, and sockets that were passed (listen.sockets)."""
    _fill()
    count = os.environ.get(b"LISTEN_FDS", b"").decode("ascii", "replace")
    ours = os.environ.get(b"LISTEN_PID") == b"%d" % os.getpid() and count.isascii() and count.isdigit() and len(count) < 5
    close_from(3 + (int(count) if ours else 0))
    os.umask(0o077)
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    privileges.secure()
    log.start()


def send_to_null(*fds: int) -> None:
    """Make these descriptors /dev/null. All of 0 to 2 must be open."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def _fill() -> int:
    """Open descriptors 0 to 2 where they are closed, so that nothing else gets these numbers. One for /dev/null above 2."""
    null = os.open("/dev/null", os.O_RDWR)
    while null < 3:
        os.set_inheritable(null, True)
        null = os.open("/dev/null", os.O_RDWR)
    return null


def secure_forked(first_closed: int) -> None:
    """A process for one session, forked from a listener that is secure, and leading a session of its own.

    It keeps the descriptors below `first_closed`. Raises OSError.
    """
    log.stop()
    close_from(first_closed)
    log.start()  # a connection of its own: who has another's could shut it down


def secure(first_closed: int = 3) -> None:
    """A process for one session. It keeps the descriptors below `first_closed`; 2 is /dev/null, unless it is the log.

    Raises OSError.
    """
    lead_session()
    os.chdir("/")  # through /proc/PID/cwd the owner could read a directory that only root can reach
    null = _fill()
    if log.target() == log.SYSTEM:
        os.dup2(null, 2)
    log.stop()  # else syslog(3) would write to whatever gets its descriptor's number next
    close_from(first_closed)
    os.umask(0o077)
    forget_environment()
    for number in (_signal.SIGALRM, _signal.SIGCHLD, _signal.SIGINT, _signal.SIGHUP, _signal.SIGTERM):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    privileges.secure()
    log.start()


def lead_session() -> None:
    """Lead a session without a controlling terminal: on one, the owner could type commands (TIOCSTI). Raises OSError."""
    if os.getsid(0) != os.getpid():
        try:
            os.setsid()
            return
        except PermissionError:
            pass  # this process leads a group: a shell started it
        try:
            os.setpgid(0, os.getsid(0))
            os.setsid()
            return
        except OSError:
            pass  # others are in its group, or there is no other to join
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # the usual case: a service manager has already done all this
    from fcntl import ioctl
    from termios import TIOCNOTTY

    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)  # it goes to whoever leaves the terminal
    try:
        ioctl(terminal, TIOCNOTTY)
    finally:
        os.close(terminal)


def forget_environment() -> None:
    """Remove the whole environment, for PAM's modules and the programs that this process becomes."""
    os.environ.clear()
    try:
        libc.clearenv()
    except libc.Missing:
        pass  # PAM's modules may see the super-server's environment; exec passes none on


def encode(text: str) -> bytes:
    """A path or name as the system has it: os.fsencode, without that module."""
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")


def decode(data: bytes) -> str:
    """A path or name as text: os.fsdecode."""
    return data.decode(sys.getfilesystemencoding(), "surrogateescape")


def reserve(fds: range) -> None:
    """Have /dev/null under these numbers, which must be free or the log's, so that `place` can put descriptors there."""
    log.stop()
    for fd in fds:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        if null != fd:
            os.dup2(null, fd, False)
            os.close(null)
    log.start()


def place(fd: int, number: int) -> int:
    """Move the descriptor `fd` to the number `number`, which is returned."""
    os.dup2(fd, number, False)
    os.close(fd)
    return number


def place_null(number: int) -> None:
    """Have /dev/null, which descriptor 0 must be, under the number. It needs no further descriptor: there may be none."""
    os.dup2(0, number, False)


def copy_above(highest: int, fd: int) -> int:
    """A copy of a descriptor with a number above `highest`, so that it stays when those up to that are given out anew."""
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    return fcntl(fd, F_DUPFD_CLOEXEC, highest + 1)


def received(control: "list[tuple[int, int, bytes]]") -> list[int]:
    """The descriptors in the ancillary data of a message (SCM_RIGHTS, unix(7))."""
    return [
        int.from_bytes(data[i : i + 4], sys.byteorder)
        for level, kind, data in control
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        for i in range(0, len(data), 4)
    ]


def rights(fds: "tuple[int, ...]") -> "list[tuple[int, int, bytes]]":
    """The ancillary data of a message with which these descriptors are sent."""
    return [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds))]


def send_client(socket: _socket.socket, message: bytes, fd: int) -> bool:
    """Send a message and a client's connection. False: the other end is closed, or the kernel cannot do it now."""
    try:
        socket.sendmsg([message], rights((fd,)), _socket.MSG_DONTWAIT)
    except OSError:
        return False
    return True


def receive_client(socket: _socket.socket, octets: int) -> bytes:
    """Wait for a message of `send_client`, and have the client as descriptors 0 and 1. If none comes, the process ends."""
    message, control, _, _ = socket.recvmsg(octets, _socket.CMSG_SPACE(4))
    if not message:
        os._exit(0)
    (client,) = received(control)
    os.dup2(client, 0)
    os.dup2(client, 1)
    os.close(client)
    return message


def close_from(low: int, kept: int = -1) -> None:
    """Close all descriptors from `low` on, also those beyond a limit that was lowered after they were opened.

    kept: but not this one, if it is given.
    """
    if kept >= low:
        os.closerange(low, kept)
        low = kept + 1
    if libc.close_from(low):
        return
    try:
        fds = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        os.closerange(low, os.sysconf("SC_OPEN_MAX"))  # without /proc, those below the limit
        return
    for fd in fds:
        if fd >= low:
            os.closerange(fd, fd + 1)  # unlike close, it ignores the closed one that listed them
