"""The pipe by which root's processes report logins to the listener (root.reports).

Runs as: root, only with -D.
Trusts: the processes that have the end to write, all of which are root's.
"""

import contextlib
import os

from ...shared.limits import LOGINS_FD
from .. import process, reports
from .signals import nonblocking_pipe

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Iterator


class Logins:
    """The pipe. fd: readable when there are reports. The other end is LOGINS_FD."""

    def __init__(self) -> None:
        self.fd, writing = nonblocking_pipe()
        process.place(writing, LOGINS_FD)

    def read(self) -> "Iterator[tuple[int, int]]":
        """The reports so far: all of them, so that none is taken for one of a later process with the same id."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield from reports.decode(os.read(self.fd, 1024 * reports.OCTETS))
