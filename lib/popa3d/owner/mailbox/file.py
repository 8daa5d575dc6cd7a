"""The mailbox file: the only module that opens, writes or shortens mailboxes.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import _stat as stat
import errno
import fcntl
import posix as os  # as os, without its start-up time

from . import InUse, Refused
from .locks import Locks, make_dotlock

_DOTLOCK_OCTETS = 80

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


class MboxFile:
    """An open mailbox.

    absent: there is no file, in a directory that exists. read_only: the file system is. has_written: `write` has changed it.
    """

    def __init__(self, path: bytes, lock_names: tuple[str, ...], locker_fd: int = -1) -> None:
        """Open the file. Raises Refused or OSError.

        lock_names: of limits.LOCKS, in the order in which they are taken. locker_fd: the descriptor of root's locker, which
        makes the dot-lock; negative if there is none.
        """
        self.path = path
        self.has_written = False
        self._fd = -1
        self._lock_names = lock_names
        self._dotlock = make_dotlock(path, lock_names, locker_fd)
        self.reopen()

    def reopen(self) -> None:
        """Open the file that the path names now. Raises Refused, InUse or OSError."""
        self.close()
        self.absent = False
        self.read_only = False
        directory = self.path.rpartition(b"/")[0]
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            if not _is_directory(directory):
                raise Refused("its directory is missing") from None
            self.absent = True
            return
        except PermissionError:
            _refuse_if_only_group_may(directory, stat.S_IXGRP, "enter its directory")
            raise
        # Opening a device or a pipe could do something. The check is repeated on the open file, which may be another one.
        _refuse_unless_regular(status)
        try:
            self._open()
        except PermissionError:
            if status.st_uid == os.getuid() and status.st_mode & 0o600 == 0o600:
                # The sandbox knows the file that was there when the session began (sandbox.session).
                raise InUse("it was replaced meanwhile, or a security module denies access") from None
            raise
        self._locks = Locks(self._fd, self._lock_names, self._dotlock, self.read_only)
        _refuse_unless_regular(self.status())

    def _open(self) -> None:
        flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            self._fd = os.open(self.path, os.O_RDWR | flags)
        except OSError as error:
            if error.errno == errno.EACCES:
                _refuse_if_only_group_may(self.path, stat.S_IRGRP, "read it")
            if error.errno != errno.EROFS:
                raise
            self._fd = os.open(self.path, os.O_RDONLY | flags)
            self.read_only = True

    def close(self) -> None:
        """Release the locks and close the file."""
        if self._fd >= 0:
            self.unlock()
            os.close(self._fd)
            self._fd = -1

    def lock(self, exclusive: bool, deadline: float | None = None) -> None:
        """Take all locks, waiting for other programs until `deadline`: see Locks.take. Raises InUse, Refused or OSError."""
        self._locks.take(exclusive, deadline)

    def try_to_lock(self) -> bool:
        """Take all locks to read it, or none (False) if another program has one. Raises Refused or OSError."""
        return self._locks.try_to_take(exclusive=False)

    def unlock(self) -> None:
        """Release all locks."""
        self._locks.release()

    def blocking_lock(self, request: bytes) -> bytes:
        """What fcntl(2) says to F_GETLK. Raises OSError."""
        return fcntl.fcntl(self._fd, fcntl.F_GETLK, request)

    def dotlock(self) -> bytes | None:
        """The beginning of the file MAILBOX.lock; empty if it cannot be read, None if there is none."""
        path = self.path + b".lock"
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode):
                return None
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError:
            return b""
        try:
            return os.read(fd, _DOTLOCK_OCTETS)
        finally:
            os.close(fd)

    def status(self) -> os.stat_result:
        """fstat(2) of the open file."""
        return os.fstat(self._fd)

    def path_status(self) -> os.stat_result | None:
        """lstat(2) of the path, which may name another file by now; None if it names nothing."""
        try:
            return os.lstat(self.path)
        except FileNotFoundError:
            return None

    def identity(self) -> tuple[int, int, int]:
        """Device, volume and inode: which file this is, even after a reboot (see `matches`)."""
        status = self.status()
        return status.st_dev, os.fstatvfs(self._fd).f_fsid, status.st_ino

    def matches(self, device: int, volume: int, inode: int) -> bool:
        """Whether an earlier `identity` is this file's. A reboot may change the device, other events the volume, but not both."""
        now = self.identity()
        return inode == now[2] and (device == now[0] or volume == now[1])

    def read(self, count: int, offset: int) -> bytes:
        """At most `count` octets from `offset` on; fewer at the end of the file. Raises OSError."""
        if self._dotlock is not None:
            self._dotlock.touch()
        return os.pread(self._fd, count, offset)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data`. Raises OSError; then some of it may have been written."""
        rest = memoryview(data)
        while rest:
            count = os.pwrite(self._fd, rest, offset)
            self.has_written = True
            offset += count
            rest = rest[count:]

    def reserve(self, offset: int, count: int) -> None:
        """Have the file system allocate blocks for this range, so that writing there cannot fill the disk. Raises OSError."""
        os.posix_fallocate(self._fd, offset, count)

    def sync(self) -> None:
        """Return when the disk has what was written. Raises OSError."""
        os.fdatasync(self._fd)

    def shorten(self, size: int) -> None:
        """Truncate the file to `size` octets, and return when the disk has that. Raises OSError."""
        os.ftruncate(self._fd, size)
        os.fsync(self._fd)


def _is_directory(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False


def _refuse_unless_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"not a regular file but {_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}")


def _refuse_if_only_group_may(path: bytes, permission: int, action: str) -> None:
    """Raise Refused if a group has the permission bit `permission` for `path`, and neither the owner nor others have it.

    The user may be in that group, so their other programs can do this; but a session has only their primary group.
    """
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return
    is_of_others = status.st_uid != os.getuid() and status.st_gid != os.getgid()
    if is_of_others and status.st_mode & permission and not status.st_mode & permission >> 3:
        raise Refused(f"only its group, {status.st_gid}, may {action}, which is not the user's primary one")
