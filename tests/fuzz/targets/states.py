"""A state directory with its mailbox, in which users can write any octets.

Most files there have checksums, behind which no mutation would get. So an input is what a file says, and gets the identity of
the mailbox and right checksums from its target, unless a flag in it says otherwise.
"""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
import zlib
from pathlib import Path

from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.state_directory import State
from tests.faults.cases import Case, close

WRONG_CHECKS = 1  # a flag


class Place:
    """A mailbox and a state directory, in memory where that can be."""

    def __init__(self) -> None:
        directory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._directory = tempfile.TemporaryDirectory(prefix="popa3d-fuzz-", dir=directory)
        atexit.register(self._directory.cleanup)
        self.base = Path(self._directory.name)
        self.case = Case(0, self.base)
        self.case.data, self.case.block = 64, 100

    def open(self, mailbox: bytes) -> tuple[MboxFile, State]:
        """The mailbox, with this content, and an empty state directory; to be closed by `shut`."""
        for path in self.case.directory.iterdir():
            path.unlink()
        with self.case.mailbox.open("r+b") as file:
            file.truncate(0)
            file.write(mailbox)
        os.utime(self.case.mailbox, (1, 1))
        return self.reopen()

    def reopen(self) -> tuple[MboxFile, State]:
        """Both as they are."""
        path = os.fsencode(self.case.mailbox)
        return MboxFile(path, ("fcntl",)), State(os.fsencode(self.case.directory), b"alice", path)


def shut(file: MboxFile, state: State) -> None:
    """The end of a session."""
    file.close()
    close(state)


@functools.cache
def the_place() -> Place:
    return Place()


def checked(octets: bytes, flags: int) -> bytes:
    """The octets, and their checksum."""
    return octets + (zlib.crc32(octets) ^ (flags & WRONG_CHECKS)).to_bytes(4, "big")
