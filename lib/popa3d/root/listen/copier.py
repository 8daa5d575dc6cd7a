"""The log on the standard error of a listener in the foreground: sessions write into a pipe, and a process copies from that.

So a mailbox owner's program has a pipe and not root's terminal or a file, and a terminal that is stopped stops nobody but the
copier. Where standard error is a pipe or systemd's journal already, nothing has to be copied.

Runs as: root, only with -D.
Trusts: nobody; owners' programs write into the pipe, and what could move a terminal's cursor is replaced.
"""

import os
import select
import signal
import stat

from ...shared import log, process_name
from ...shared.limits import READ_OCTETS
from .. import libc, process
from .limits import LOG_S

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable

    RunAside = Callable[[Callable[[], None]], int]

_PRINTABLE = bytes(octet if octet == 0x0A or 0x20 <= octet <= 0x7E else ord("?") for octet in range(256))


class Copier:
    """The process, if there is one."""

    def __init__(self, run_aside: "RunAside") -> None:
        """run_aside: starts a process that calls a function and ends; its id. Raises OSError."""
        self._run_aside = run_aside
        self._pid = 0
        self._reading = self._stderr = -1

    def begin(self) -> None:
        """Make descriptor 2 the pipe, if it has to be one. If that fails, it is /dev/null."""
        if log.target() != log.STDERR or stat.S_ISFIFO(os.fstat(2).st_mode):
            return
        self._stderr = os.dup(2)
        self._reading, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
        self._start()

    def ended(self, pid: int) -> None:
        """A child of the listener has ended; if it is the copier, have another one, which goes on with the same pipe."""
        if self._pid and pid == self._pid:
            self._start()

    def finish(self) -> None:
        """Wait until all is copied that was logged, for LOG_S at most: a container's processes end with its first one."""
        if not self._pid:
            return
        os.close(self._reading)
        process.send_to_null(2)  # the last end to write on, unless sessions live on
        try:
            ended = os.pidfd_open(self._pid)
        except OSError:
            return
        select.select([ended], [], [], LOG_S)

    def _start(self) -> None:
        try:
            self._pid = self._run_aside(self._copy)
        except OSError:
            self._pid = 0
            os.dup2(self._stderr, 2)  # better than a pipe that fills up

    def _copy(self) -> None:
        """Copy until nobody can write any more. Whoever ends the listener does not end this before."""
        libc.set_name(process_name.COPIER)  # for the census it is no session
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.dup2(self._reading, 0)
        os.dup2(self._stderr, 2)
        process.send_to_null(1)
        process.close_from(3)
        while block := os.read(0, READ_OCTETS):
            rest = block.translate(_PRINTABLE)
            while rest:
                try:
                    rest = rest[os.write(2, rest) :]
                except OSError:
                    rest = b""  # nobody reads it any more; sessions must not wait for that
        os._exit(0)
