"""The system log: facility daemon, ident popa3d with the process id, as C popa3d.

Runs as: any uid, but never inside the chroot.
Trusts: nobody; a text is cut and stripped of all that could forge or break a line before syslog(3) sees it.
"""

import syslog

_TEXT_OCTETS = 512

INFO = syslog.LOG_INFO
NOTICE = syslog.LOG_NOTICE
WARNING = syslog.LOG_WARNING
ERROR = syslog.LOG_ERR


def start() -> None:
    """Connect to the log now, so that the connection outlives the privileges."""
    syslog.openlog("popa3d", syslog.LOG_PID | syslog.LOG_NDELAY, syslog.LOG_DAEMON)


def stop() -> None:
    """Let go of the log's descriptor."""
    syslog.closelog()


def write(priority: int, text: str) -> None:
    """One line. Anything but printable ASCII becomes "?"."""
    syslog.syslog(priority, "".join(c if " " <= c <= "~" else "?" for c in text[:_TEXT_OCTETS]))


def name(octets: bytes) -> str:
    """A path or user name as text for `write`, whatever its octets."""
    return octets.decode("ascii", "replace")


def crash(error: BaseException) -> None:
    """One line for an exception that is a bug: its type and the places it passed, never its text, which could quote a secret."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    write(ERROR, f"Internal error: {type(error).__name__} at {' '.join(places)}")
