"""The mailbox file: the only module that opens, locks, reads, moves or truncates it.

Locks (fcntl, as C popa3d's default) are held while the file is parsed and while it is updated, not in between. In
between every block that is read is checked before anybody sees it: only growth by appending is fine.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import fcntl
import os
import stat
import time

from ..params import CLOCK_TICK_NS, LOCK_TIMEOUT_S, PARSE_OCTETS, WRITE_OCTETS
from .mbox import Index, Parser

_LOCK_STEP_S = 0.05


class Refused(Exception):
    """The mailbox cannot be served; the text says why, for the log."""


class InUse(Refused):
    """Another program has kept its lock for LOCK_TIMEOUT_S."""


class Changed(Exception):
    """The mailbox is not what it was, and not just longer: whatever is known of it is worth nothing now."""


class Maildrop:
    """A mailbox that was loaded: its index stays true, or Changed is raised."""

    def __init__(self, path: bytes, max_messages: int, max_octets: int) -> None:
        """Open and parse the mailbox; one that is absent is empty. Raises Refused, InUse or OSError."""
        self.index = Index()
        self._path = path
        self._max_messages = max_messages
        self._fd = -1
        self._seen: tuple[int, ...] = ()
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            if not os.path.isdir(os.path.dirname(path)):
                raise Refused("its directory is missing") from None
            return
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not a regular file")
        # The checks are repeated on what was opened: it may have become something else meanwhile.
        self._fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._lock(fcntl.LOCK_SH)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not a regular file")
        if status.st_size > max_octets:
            raise Refused(f"larger than {max_octets} octets")
        self.index = self._parse(status.st_size)
        self._seen = _identity(os.fstat(self._fd))
        if self._seen != _identity(status):
            raise Refused("written to in spite of its lock")
        _settle(status)
        self._lock(fcntl.LOCK_UN)

    def content(self, i: int, first: int = 0) -> "bytes":
        """At most WRITE_OCTETS of message `i` (from 0) as they are in the file, from `first` on; empty at its end.

        Raises Changed before a wrong octet is returned, InUse if that cannot be told, and OSError.
        """
        start = self.index.content[i] + first
        block = os.pread(self._fd, min(WRITE_OCTETS, self.index.end[i] - start), start)
        # What was read is right if the file is as it was *afterwards*: a write shows in the times before its octets do.
        if not self._unchanged() or (not block and start < self.index.end[i]):
            raise Changed
        return block

    def lock_for_update(self) -> None:
        """Lock the mailbox exclusively until `close` and check it once more. Raises InUse, Changed or OSError."""
        self._lock(fcntl.LOCK_EX)
        if not self._unchanged(locked=True):
            raise Changed
        place = self.index.size
        start = b""
        while len(start) < len(b"From ") and (block := os.pread(self._fd, PARSE_OCTETS, place)):
            start = (start + block).lstrip(b"\r\n")
            place += len(block)
        if start and not start.startswith(b"From "):
            raise Changed  # not a message: it could not stand at the start of a mailbox

    def size(self) -> int:
        """The file's size now, in octets."""
        return os.fstat(self._fd).st_size

    def move(self, source: int, target: int, octets: int) -> None:
        """Copy a span of the file towards its start. Raises OSError, also when the file ends too early."""
        while octets:
            block = os.pread(self._fd, min(octets, PARSE_OCTETS), source)
            if not block:
                raise OSError(5, "the mailbox ended early")
            left = memoryview(block)
            while left:
                written = os.pwrite(self._fd, left, target)
                target += written
                left = left[written:]
            source += len(block)
            octets -= len(block)

    def cut(self, size: int) -> None:
        """Cut the file, and see it on the disk."""
        os.ftruncate(self._fd, size)
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of file and lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _parse(self, size: int) -> Index:
        """The index of the file's first `size` octets."""
        parser = Parser(self._max_messages)
        place = 0
        while place < size and not parser.refused:
            block = os.pread(self._fd, min(PARSE_OCTETS, size - place), place)
            if not block:
                raise Refused("became shorter while it was read")
            parser.feed(block)
            place += len(block)
        parser.finish()
        if parser.refused:
            raise Refused(parser.refused)
        return parser.index

    def _unchanged(self, locked: bool = False) -> bool:
        """Whether the index is still true of the file that the path names; new mail behind it is fine."""
        try:
            status = os.lstat(self._path)
        except FileNotFoundError:
            return False
        if _identity(status) == self._seen:
            return True
        if (status.st_dev, status.st_ino) != self._seen[:2]:
            return False
        if not locked:
            self._lock(fcntl.LOCK_SH)
        try:
            status = os.fstat(self._fd)
            if status.st_size < self.index.size or not self._parse(self.index.size).same(self.index):
                return False
            self._seen = _identity(status)
            _settle(status)
            return True
        except Refused:
            return False
        finally:
            if not locked:
                self._lock(fcntl.LOCK_UN)

    def _lock(self, kind: int) -> None:
        """Set the lock to `kind`, waiting for others at most LOCK_TIMEOUT_S. Raises InUse or OSError."""
        if kind == fcntl.LOCK_UN:
            fcntl.lockf(self._fd, kind)
            return
        end = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.lockf(self._fd, kind | fcntl.LOCK_NB)
                return
            except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: POSIX allows both
                if time.monotonic() >= end:
                    raise InUse("locked by another program") from None
            time.sleep(_LOCK_STEP_S)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What tells one state of a mailbox from another."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _settle(status: os.stat_result) -> None:
    """Wait, with the lock held, until a further change must show in the file's times.

    A file system's clock ticks every few milliseconds, or every second where the times have no fraction (then this
    waits as C popa3d does on any file system).
    """
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    tick = CLOCK_TICK_NS if status.st_mtime_ns % 1_000_000_000 or status.st_ctime_ns % 1_000_000_000 else 1_000_000_000
    left = changed + tick - time.time_ns()
    if 0 < left <= tick:
        time.sleep(left / 1e9)
