"""A known process, whoever started it: session, directory, descriptors, signals, environment, log.

Runs as: root, before anything is read of the client.
Trusts: nothing that was inherited.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import _stat as stat
import posix as os  # as os, without its start-up time
import sys

from ..shared import log
from . import libc, privileges


def is_connection(fd: int) -> bool:
    """Whether `fd` is a socket (as 2 is under inetd) or cannot be used: then nothing may be written on it."""
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return True


def secure_daemon() -> None:
    """The same for the listener, which keeps standard error, and sockets that it is passed (see listen.sockets)."""
    _fill()
    passed = os.environ.get(b"LISTEN_FDS", b"").decode("ascii", "replace")
    ours = os.environ.get(b"LISTEN_PID") == b"%d" % os.getpid() and passed.isascii() and passed.isdigit() and len(passed) < 5
    close_from(3 + (int(passed) if ours else 0))
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


def secure(first_closed: int = 3) -> None:
    """A known process: nothing inherited but descriptors 0, 1 and what is below `first_closed`; standard error goes nowhere.

    Raises OSError if it cannot be had.
    """
    lead_session()
    os.chdir("/")  # the owner could read a directory that only root can reach through /proc/PID/cwd
    os.dup2(_fill(), 2)
    log.stop()  # else syslog(3) would take what gets its descriptor's number for its own
    close_from(first_closed)
    os.umask(0o077)
    forget_environment()
    for number in (_signal.SIGALRM, _signal.SIGCHLD, _signal.SIGINT, _signal.SIGHUP, _signal.SIGTERM):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    privileges.secure()
    log.start()


def lead_session() -> None:
    """Have a session of one's own without a controlling terminal: the owner could type on it (TIOCSTI). Raises OSError."""
    if os.getsid(0) != os.getpid():
        try:
            os.setsid()
            return
        except PermissionError:
            pass  # a shell made it the leader of a group
        try:
            os.setpgid(0, os.getsid(0))
            os.setsid()
            return
        except OSError:
            pass  # others are in its group, or there is no other to join
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # mostly: a service manager has done it already
    from fcntl import ioctl
    from termios import TIOCNOTTY

    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)  # it goes to whoever leaves the terminal
    try:
        ioctl(terminal, TIOCNOTTY)
    finally:
        os.close(terminal)


def forget_environment() -> None:
    """No variable for this process and those it becomes."""
    os.environ.clear()
    try:
        libc.clearenv()
    except libc.Missing:
        pass  # what PAM may see is the super-server's; exec passes none on


def octets(text: str) -> bytes:
    """A path or name as the system has it (os.fsencode)."""
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")


def text(octets: bytes) -> str:
    """The contrary."""
    return octets.decode(sys.getfilesystemencoding(), "surrogateescape")


def close_from(low: int) -> None:
    """Close all descriptors from `low` on. The limit does not bound them: it may have been lowered after they were opened."""
    try:
        found = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        os.closerange(low, os.sysconf("SC_OPEN_MAX"))  # no /proc: the best that can be had everywhere
        return
    for fd in found:
        if fd >= low:
            os.closerange(fd, fd + 1)  # which does not mind the one that listed them
