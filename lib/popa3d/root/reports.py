"""What processes of root's report to the listener on LOGINS_FD: who has logged in, and which process goes on with it.

A report is two process ids. Between a session and a process: the client of that session has logged in, and the process serves
it from now on (the session itself, if it becomes the owner's program). Between a process and 0: that process has ended; the
starter says so of its children.

Runs as: root, only with -D.
Trusts: the processes that can write into the pipe, all of which are root's.
"""

import posix as os  # as os, without its start-up time
import select

from ..shared.limits import LOGINS_FD

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterator

_PID_OCTETS = 4
OCTETS = 2 * _PID_OCTETS  # far less than PIPE_BUF: reports are never mixed
_PATIENCE_MS = 1000


def logged_in(session: int, process: int, pipe: int = LOGINS_FD) -> None:
    """The client of `session` has logged in, and `process` serves it."""
    _write(pipe, session, process)


def ended(process: int, pipe: int = LOGINS_FD) -> None:
    """`process`, which is not the listener's child, has ended."""
    _write(pipe, process, 0)


def decode(data: bytes) -> "Iterator[tuple[int, int]]":
    """The reports in what was read of the pipe; less than one at the end is none."""
    for offset in range(0, len(data) - OCTETS + 1, OCTETS):
        middle = offset + _PID_OCTETS
        yield int.from_bytes(data[offset:middle], "big"), int.from_bytes(data[middle : middle + _PID_OCTETS], "big")


def _write(pipe: int, first: int, second: int) -> None:
    """Write a report; if the listener has ended, nobody counts sessions any more. A full pipe is waited for, but not for ever."""
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    poll.poll(_PATIENCE_MS)
    try:
        os.write(pipe, first.to_bytes(_PID_OCTETS, "big") + second.to_bytes(_PID_OCTETS, "big"))
    except OSError:
        pass
