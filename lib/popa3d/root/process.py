"""A known process, whoever started it: descriptors, signals, environment, log.

Runs as: root, before anything is read of the client.
Trusts: nothing that was inherited.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import _stat as stat
import posix as os  # as os, without its start-up time
import sys

from .. import log
from . import privileges


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
    close_from(3 + (int(passed) if passed.isascii() and passed.isdigit() else 0))
    os.umask(0o077)
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    privileges.secure()
    log.start()


def _fill() -> int:
    """Make sure that descriptors 0 to 2 are something, so that nothing else becomes them; one for /dev/null above."""
    null = os.open("/dev/null", os.O_RDWR)
    while null < 3:
        os.set_inheritable(null, True)
        null = os.open("/dev/null", os.O_RDWR)
    return null


def secure() -> None:
    """A known process: nothing inherited but descriptors 0 and 1, standard error and all else nowhere."""
    os.dup2(_fill(), 2)
    log.stop()  # else syslog(3) would take what gets its descriptor's number for its own
    close_from(3)
    os.umask(0o077)
    forget_environment()
    for number in (_signal.SIGALRM, _signal.SIGCHLD, _signal.SIGINT, _signal.SIGHUP, _signal.SIGTERM):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    privileges.secure()
    log.start()


def forget_environment() -> None:
    """No variable for this process and those it becomes."""
    for name in list(os.environ):
        os.unsetenv(name)
        del os.environ[name]


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
