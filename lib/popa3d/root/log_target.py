"""Where the log goes: to the system log, or to standard error, if that is the administrator's and no client's.

Loaded only where the configuration wants standard error, or for a listener in the foreground.

Runs as: root, before anything is read of the client.
Trusts: the administrator; what started popa3d, for its environment and descriptor 2.
"""

import _socket
import _stat as stat
import errno
import posix as os  # as os, without its start-up time

from ..shared import log
from ..shared.limits import LOG_SOCKET
from ..shared.settings import STDERR

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..shared.settings import Settings


def of_listener(settings: "Settings") -> int:
    """The target (log.SYSTEM and so on) of a listener in the foreground, and of its sessions.

    Standard error if the configuration says so, or if it says nothing and there is no system log.
    """
    if settings.to == STDERR or (not settings.to and not has_system_log()):
        return log.JOURNAL if _is_journal() else log.STDERR
    return log.SYSTEM


def of_program(settings: "Settings") -> int:
    """The target of a session behind a super-server, or of popa3d-recover and popa3d-migrate.

    Standard error if the configuration says so, and it is a pipe or systemd's journal, but not what 0 or 1 is: a socket may be
    the client's connection, and on a terminal or in a file the owner's program could do more than write lines.
    """
    if settings.to != STDERR:
        return log.SYSTEM
    if _is_journal():
        return log.JOURNAL
    try:
        own, *others = (os.fstat(fd) for fd in (2, 0, 1))
    except OSError:
        return log.SYSTEM
    same = [other for other in others if (other.st_dev, other.st_ino) == (own.st_dev, own.st_ino)]
    return log.STDERR if stat.S_ISFIFO(own.st_mode) and not same else log.SYSTEM


def has_system_log() -> bool:
    """Whether anybody listens on LOG_SOCKET."""
    endpoint = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        endpoint.connect(LOG_SOCKET)
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED)  # others: it is of another type
    finally:
        endpoint.close()
    return True


def _is_journal() -> bool:
    """Whether descriptor 2 is the journal's socket that systemd has named (JOURNAL_STREAM in systemd.exec(5))."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get(b"JOURNAL_STREAM") == b"%d:%d" % (status.st_dev, status.st_ino)
