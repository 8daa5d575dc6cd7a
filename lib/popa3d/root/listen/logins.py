"""The pipe by which sessions say that their clients have logged in: each writes its process id, then execs.

Runs as: root, only with -D.
Trusts: the sessions as long as they are root's; the end to write is closed by the exec.
"""

import contextlib
import os

from ...shared.limits import LOGIN_OCTETS, LOGINS_FD
from .signals import nonblocking_pipe

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Iterator


class Logins:
    """The pipe. fd: readable when there are logins."""

    def __init__(self) -> None:
        self.fd, self._writing = nonblocking_pipe()

    def read(self) -> "Iterator[int]":
        """The process ids that have been written: all of them, so that none is taken for a later process with the same id."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = os.read(self.fd, 1024 * LOGIN_OCTETS)
                for offset in range(0, len(data), LOGIN_OCTETS):
                    yield int.from_bytes(data[offset : offset + LOGIN_OCTETS], "big")

    def leave_to_session(self) -> None:
        """In a session's process: have the end to write as LOGINS_FD."""
        os.dup2(self._writing, LOGINS_FD)
