"""The mailbox file: the only module that opens, locks, writes or cuts mailboxes.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import _stat as stat
import errno
import fcntl
import posix as os  # as os, without its start-up time
import time

from ...shared.limits import LOCK_TIMEOUT_S

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ...shared.dotlock import Dotlock
    from .locker_client import Locker

_LOCK_STEP_S = 0.05
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)  # what POSIX lets a taken lock say


class Refused(Exception):
    """The mailbox cannot be served; the text says why, for the log."""


class InUse(Refused):
    """Another program has kept its lock for LOCK_TIMEOUT_S, or is at work without one."""


class Unfinished(Refused):
    """What is there is no mailbox, but may be the beginning of one: if somebody is writing it, it is worth another look."""


class MboxFile:
    """An open mailbox. `absent`: there is none, in a directory that is there. `read_only`: its file system is. `written`: by us.

    locks: of params.LOCKS, taken in this order. locker: the descriptor of root's locker, which makes the dot-lock, if any.
    """

    def __init__(self, path: bytes, locks: tuple[str, ...], locker: int = -1) -> None:
        """Open the file. Raises Refused or OSError."""
        self.path = path
        self.written = False
        self._fd = -1
        self._locks = locks
        self._dotlock: "Dotlock | Locker | None" = None
        if locker >= 0:
            from .locker_client import Locker

            self._dotlock = Locker(locker)
        elif "dotlock" in locks:
            from ...shared.dotlock import Dotlock  # for those who use it

            self._dotlock = Dotlock(path, os.getpid())
        self.reopen()

    def reopen(self) -> None:
        """Open what the path names now. Raises Refused or OSError."""
        self.close()
        self.absent = False
        self.read_only = False
        path = self.path
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            if not _is_directory(path.rpartition(b"/")[0]):
                raise Refused("its directory is missing") from None
            self.absent = True
            return
        except PermissionError:
            _not_of_that_group(path.rpartition(b"/")[0], stat.S_IXGRP, "enter its directory")
            raise
        # A device or a pipe would do something when opened. The check is repeated on what was opened: it may have become
        # something else meanwhile.
        _only_regular(status)
        flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            self._fd = os.open(path, os.O_RDWR | flags)
        except OSError as error:
            if error.errno == errno.EACCES:
                _not_of_that_group(path, stat.S_IRGRP, "read it")
            if error.errno != errno.EROFS:
                raise
            self._fd = os.open(path, os.O_RDONLY | flags)
            self.read_only = True
        _only_regular(self.status())

    def status(self) -> os.stat_result:
        """What was opened is now."""
        return os.fstat(self._fd)

    def named(self) -> os.stat_result | None:
        """What the path names now, or None."""
        try:
            return os.lstat(self.path)
        except FileNotFoundError:
            return None

    def identity(self) -> tuple[int, int, int]:
        """Device, volume and inode: which file this is, also when the machine was started again (see `is_it`)."""
        status = self.status()
        return status.st_dev, os.fstatvfs(self._fd).f_fsid, status.st_ino

    def is_it(self, device: int, volume: int, inode: int) -> bool:
        """Whether that is this file. Starting the machine may change the device, other things the volume, but not both."""
        mine = self.identity()
        return inode == mine[2] and (device == mine[0] or volume == mine[1])

    def read(self, octets: int, place: int) -> bytes:
        """At most that many octets from `place` on; none at the end. Raises OSError."""
        if self._dotlock is not None:
            self._dotlock.touch()
        return os.pread(self._fd, octets, place)

    def write(self, octets: bytes | memoryview, place: int) -> None:
        """Write all of them. Raises OSError, when some may have been written."""
        left = memoryview(octets)
        while left:
            written = os.pwrite(self._fd, left, place)
            self.written = True
            place += written
            left = left[written:]

    def allocate(self, start: int, octets: int) -> None:
        """See that writing there needs no room on the disk any more. Raises OSError."""
        os.posix_fallocate(self._fd, start, octets)

    def sync(self) -> None:
        """See what was written on the disk."""
        os.fdatasync(self._fd)

    def cut(self, size: int) -> None:
        """Cut the file, and see it on the disk."""
        os.ftruncate(self._fd, size)
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of file and locks."""
        if self._fd >= 0:
            self.unlock()
            os.close(self._fd)
            self._fd = -1

    # Locks

    def lock(self, exclusive: bool, end: float | None = None) -> None:
        """Take all locks, waiting for others until `end` (time.monotonic), or for LOCK_TIMEOUT_S. Raises InUse or OSError.

        One that is taken lets all go again before the next attempt: who takes them in another order is not held up.
        """
        end = time.monotonic() + LOCK_TIMEOUT_S if end is None else end
        while not self._try(exclusive):
            if time.monotonic() >= end:
                raise InUse("locked by another program")
            time.sleep(_LOCK_STEP_S)

    def unlock(self) -> None:
        """Let go of all locks."""
        if self._dotlock is not None:
            self._dotlock.remove()
        if "flock" in self._locks:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        if "fcntl" in self._locks:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def _try(self, exclusive: bool) -> bool:
        kind = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
        try:
            for name in self._locks:
                if name == "dotlock":
                    taken = self._take_dotlock()
                else:
                    taken = _taken(fcntl.lockf if name == "fcntl" else fcntl.flock, self._fd, kind)
                if not taken:
                    self.unlock()
                    return False
        except BaseException:
            self.unlock()
            raise
        return True

    def _take_dotlock(self) -> bool:
        """Whether the dot-lock is ours. On a file system that nobody can write there is none, and no need for one."""
        if self._dotlock is None:
            return True
        try:
            return self._dotlock.take()
        except OSError as error:
            if error.errno == errno.EROFS and self.read_only:
                return True
            why = error.strerror
            if error.errno in (errno.EACCES, errno.EPERM):
                why = "its directory does not let the owner make one (mailbox.locks)"
            raise OSError(error.errno, f"cannot make its dot-lock: {why}") from None


def _taken(lock: object, fd: int, kind: int) -> bool:
    try:
        lock(fd, kind)  # type: ignore[operator]
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def _is_directory(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False


def _only_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"not a regular file but {_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}")


def _not_of_that_group(path: bytes, bit: int, may: str) -> None:
    """Raise Refused if a group has the permission `bit` for what may not be used, and neither the owner nor others have it.

    Such a group may be one of the user's, which is why it works for his other programs; a session has his primary one only.
    """
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return
    if status.st_uid != os.getuid() and status.st_gid != os.getgid() and status.st_mode & bit and not status.st_mode & bit >> 3:
        raise Refused(f"only its group, {status.st_gid}, may {may}, which is not the user's primary one")
