"""The log: the system log, with the ident popa3d and the process id, as in C popa3d; or standard error, if no client has that.

Runs as: any uid, but never inside the chroot.
Trusts: nobody; before anybody gets a text, it is cut, and whatever could break or forge a line is replaced.
"""

import posix as os  # as os, without its start-up time
import syslog
import time

from .limits import LOG_TEXT_OCTETS

INFO = syslog.LOG_INFO
NOTICE = syslog.LOG_NOTICE
WARNING = syslog.LOG_WARNING
ERROR = syslog.LOG_ERR

# A system call that the sandbox refuses fails with this error number and its own (root/sandbox). errno(3) has no such numbers;
# the kernel allows up to 4095.
REFUSED_ERROR = 1024
# Where lines go: to the system log; to descriptor 2, each with its time and the process id; or to descriptor 2, which is
# systemd's journal, each with its priority in the place of the time (sd-daemon(3)).
SYSTEM, STDERR, JOURNAL = range(3)
_MACHINE = os.uname().machine  # which the sandbox does not let a session ask


class _Log:
    """Where this process's lines go, and with which facility."""

    target = SYSTEM
    facility = syslog.LOG_DAEMON


def choose(target: int) -> None:
    """Where lines go from now on. With STDERR and JOURNAL descriptor 2 must not be a client's."""
    _Log.target = target


def choose_facility(name: str) -> None:
    """The facility of lines from now on, by its name in syslog.conf(5): one of settings.FACILITIES."""
    _Log.facility = getattr(syslog, f"LOG_{name.upper()}")


def target() -> int:
    """Where lines go: SYSTEM, STDERR or JOURNAL."""
    return _Log.target


def start() -> None:
    """Connect to the log now: without privileges it may not be possible."""
    if _Log.target == SYSTEM:
        syslog.openlog("popa3d", syslog.LOG_PID | syslog.LOG_NDELAY, _Log.facility)
    elif _Log.target == STDERR:  # PAM's modules call syslog(3): from now on that writes to descriptor 2 too
        syslog.openlog("popa3d", syslog.LOG_PID | syslog.LOG_PERROR)


def stop() -> None:
    """Close the system log's descriptor. Descriptor 2 stays."""
    syslog.closelog()


def write(priority: int, text: str) -> None:
    """One line. Anything but printable ASCII becomes "?"."""
    text = "".join(c if " " <= c <= "~" else "?" for c in text[:LOG_TEXT_OCTETS])
    if _Log.target == SYSTEM:
        syslog.syslog(_Log.facility | priority, text)
        return
    head = f"<{priority}>" if _Log.target == JOURNAL else time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())
    try:
        os.write(2, f"{head}popa3d[{os.getpid()}]: {text}\n".encode())  # a pipe takes so little as a whole
    except OSError:
        pass  # nobody reads it any more


def name(data: bytes) -> str:
    """A path or user name as text for `write`, whatever it contains."""
    return data.decode("ascii", "replace")


def reason(error: OSError) -> str:
    """What an error of the system says; of a system call that the sandbox refuses, which one it was."""
    number = (error.errno or 0) - REFUSED_ERROR
    if number < 0:
        return error.strerror or ""
    from . import system_calls  # this should never happen, and the names are many

    return f"the sandbox does not allow the system call {system_calls.name(number, _MACHINE)}"


def crash(error: BaseException) -> None:
    """One line for an exception that is a bug: its type, and the lines it passed. Never its text, which could quote a secret."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    refused = f": {reason(error)}" if isinstance(error, OSError) and (error.errno or 0) >= REFUSED_ERROR else ""
    write(ERROR, f"Internal error: {type(error).__name__} at {' '.join(lines)}{refused}")
