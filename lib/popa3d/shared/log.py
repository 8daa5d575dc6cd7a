"""The system log: facility daemon, ident popa3d with the process id, as in C popa3d.

Runs as: any uid, but never inside the chroot.
Trusts: nobody; before syslog(3) gets a text, it is cut, and whatever could break or forge a line is replaced.
"""

import syslog

from .limits import LOG_TEXT_OCTETS

INFO = syslog.LOG_INFO
NOTICE = syslog.LOG_NOTICE
WARNING = syslog.LOG_WARNING
ERROR = syslog.LOG_ERR

# A system call that the sandbox refuses fails with this error number and its own (root/sandbox). errno(3) has no such numbers;
# the kernel allows up to 4095.
REFUSED_ERROR = 1024


def start() -> None:
    """Connect to the log now: without privileges it may not be possible."""
    syslog.openlog("popa3d", syslog.LOG_PID | syslog.LOG_NDELAY, syslog.LOG_DAEMON)


def stop() -> None:
    """Close the log's descriptor."""
    syslog.closelog()


def write(priority: int, text: str) -> None:
    """One line. Anything but printable ASCII becomes "?"."""
    syslog.syslog(priority, "".join(c if " " <= c <= "~" else "?" for c in text[:LOG_TEXT_OCTETS]))


def name(data: bytes) -> str:
    """A path or user name as text for `write`, whatever it contains."""
    return data.decode("ascii", "replace")


def reason(error: OSError) -> str:
    """What an error of the system says; of a system call that the sandbox refuses, which one it was."""
    number = (error.errno or 0) - REFUSED_ERROR
    if number < 0:
        return error.strerror or ""
    import posix  # this should never happen, and the names are many

    from . import system_calls

    return f"the sandbox does not allow the system call {system_calls.name(number, posix.uname().machine)}"


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
