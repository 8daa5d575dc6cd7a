"""How a session ends that does not come to the owner's program: a line in the log, a reply if there is one, an exit status.

Runs as: root, then as user popa3d or the mailbox owner for the reply.
Trusts: nobody.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import posix as os  # as os, without its start-up time

from ..shared import Failure, log
from ..shared.limits import RECORD_GRACE_S
from . import privileges

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd


class End(Failure):
    """The session ends here: `reason`, if any, is logged with `priority`, and the client reads `reply`, if any."""

    def __init__(self, reason: str = "", reply: bytes = b"", priority: int = log.ERROR) -> None:
        super().__init__(reason)
        self.reply = reply
        self.priority = priority if reason else log.INFO


def refuse(end: End, nobody: "pwd.struct_passwd") -> int:
    """End a session from which root was not given up. Returns the exit status.

    It logs as root and replies as `nobody`: other processes of that user could end this one before it has logged.
    """
    _log(end)
    privileges.become(nobody.pw_uid, nobody.pw_gid)
    return _reply(end)


def finish(end: End) -> int:
    """End a session that is no longer root's, or that has no reply. Returns the exit status."""
    _log(end)
    return _reply(end)


def _log(end: End) -> None:
    _signal.alarm(RECORD_GRACE_S)  # for a log that is stuck, or a peer that does not read: then the process ends here
    if end.reason:
        log.write(end.priority, end.reason)


def _reply(end: End) -> int:
    """Send the reply. Returns the exit status: 0 for all that is the client's doing, 1 for what the host should know."""
    if end.reply:
        try:
            os.write(1, end.reply)
        except OSError:
            pass  # the peer has gone
    return 0 if end.priority != log.ERROR else 1
