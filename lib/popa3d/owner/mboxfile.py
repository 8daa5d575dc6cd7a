"""The mailbox file: the only module that opens, locks, writes or cuts mailboxes.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it (they may ignore locks).
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import _stat as stat
import errno
import fcntl
import posix as os  # as os, without its start-up time
import time

from ..params import DOTLOCK_STALE_S, LOCK_TIMEOUT_S

_LOCK_STEP_S = 0.05
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)  # what POSIX lets a taken lock say


class Refused(Exception):
    """The mailbox cannot be served; the text says why, for the log."""


class InUse(Refused):
    """Another program has kept its lock for LOCK_TIMEOUT_S."""


class MboxFile:
    """An open mailbox. `absent`: there is none, in a directory that is there. `read_only`: its file system is. `written`: by us.

    locks: of params.LOCKS, taken in this order.
    """

    def __init__(self, path: bytes, locks: tuple[str, ...]) -> None:
        """Open the file. Raises Refused or OSError."""
        self.path = path
        self.absent = False
        self.read_only = False
        self.written = False
        self._fd = -1
        self._locks = locks
        self._dotlock = -1  # a descriptor of MAILBOX.lock while it is ours: its inode cannot become another file's
        self._mask: set[int] = set()
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            if not _is_directory(path.rpartition(b"/")[0]):
                raise Refused("its directory is missing") from None
            self.absent = True
            return
        # A device or a pipe would do something when opened. The check is repeated on what was opened: it may have become
        # something else meanwhile.
        _only_regular(status)
        flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            self._fd = os.open(path, os.O_RDWR | flags)
        except OSError as error:
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
        self._touch_dotlock()
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

    def lock(self, exclusive: bool) -> None:
        """Take all locks, waiting for others at most LOCK_TIMEOUT_S. Raises InUse, Refused or OSError.

        One that is taken lets all go again before the next attempt: who takes them in another order is not held up.
        """
        end = time.monotonic() + LOCK_TIMEOUT_S
        while not self._try(exclusive):
            if time.monotonic() >= end:
                raise InUse("locked by another program")
            time.sleep(_LOCK_STEP_S)

    def unlock(self) -> None:
        """Let go of all locks."""
        if "dotlock" in self._locks:
            self._remove_dotlock()
        if "flock" in self._locks:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        if "fcntl" in self._locks:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def _try(self, exclusive: bool) -> bool:
        kind = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
        try:
            for name in self._locks:
                if name == "dotlock":
                    taken = self._dotlock >= 0 or self._make_dotlock()
                else:
                    taken = _taken(fcntl.lockf if name == "fcntl" else fcntl.flock, self._fd, kind)
                if not taken:
                    self.unlock()
                    return False
        except BaseException:
            self.unlock()
            raise
        return True

    def _dotlock_path(self) -> bytes:
        return self.path + b".lock"

    def _make_dotlock(self) -> bool:
        """Make MAILBOX.lock, as Debian policy 11.6 has it; False if another one is there. Raises OSError.

        On a file system that nobody can write there is none, and no need for one.
        """
        # Whoever is told to end while the file is there would leave it behind.
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._dotlock = os.open(self._dotlock_path(), flags, 0o444)
        except OSError as error:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
            if error.errno == errno.EEXIST:
                self._remove_stale()
                return False
            if error.errno == errno.EROFS and self.read_only:
                return True
            why = error.strerror
            if error.errno in (errno.EACCES, errno.EPERM):
                why = "its directory does not let the owner make one (mailbox.locks)"
            raise OSError(error.errno, f"cannot make its dot-lock: {why}") from None
        self._mask = mask
        try:
            os.write(self._dotlock, b"%d\n" % os.getpid())
            os.fchmod(self._dotlock, 0o444)
        except OSError:
            pass  # a full disk, say: it locks as well without the number
        return True

    def _touch_dotlock(self) -> None:
        """Programs that do not look at the number go by the time, whether somebody is still at work."""
        if self._dotlock >= 0:
            try:
                os.utime(self._dotlock)
            except OSError:
                pass  # it is no worse than it was

    def _remove_dotlock(self) -> None:
        if self._dotlock < 0:
            return
        try:
            if _same_file(os.lstat(self._dotlock_path()), os.fstat(self._dotlock)):
                os.unlink(self._dotlock_path())
        except OSError:
            pass  # somebody took it for a stale one
        os.close(self._dotlock)
        self._dotlock = -1
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)

    def _remove_stale(self) -> None:
        """Remove a dot-lock whose process is dead; or that is old, and whose process cannot be told.

        Nothing but a regular file is one: all else stays, and is waited for.
        """
        path = self._dotlock_path()
        try:
            _only_regular(os.lstat(path))
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except (Refused, OSError):
            return  # gone, or nothing that we could judge
        try:
            # Two of us must not remove one each: the second would be the first's new one. While this is open its inode
            # cannot become another file's.
            try:
                if not _taken(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    return
            except OSError:
                pass  # NFS does not take this lock on a file that is open for reading: there the check below must do
            status = os.fstat(fd)
            _only_regular(status)
            words = os.read(fd, 256).split()
            alive = _alive(int(words[0])) if words and words[0].isdigit() else None
            if alive is False and len(words) > 1:
                alive = None  # a host's name may follow: it need not be ours
            if alive and status.st_mtime < _booted():
                alive = False  # a number that another process has got since
            if alive or (alive is None and time.time() - status.st_mtime < DOTLOCK_STALE_S):
                return
            if _same_file(os.lstat(path), status):
                os.unlink(path)
        except (Refused, OSError):
            pass  # gone, or not ours to remove: it is waited for
        finally:
            os.close(fd)


def _taken(lock: object, fd: int, kind: int) -> bool:
    try:
        lock(fd, kind)  # type: ignore[operator]
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def _alive(pid: int) -> bool | None:
    """Whether a process lives; None if `pid` says nothing."""
    if not 0 < pid < 2**31:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _booted() -> float:
    """When the system was started; the beginning of time where that is not known."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if clock is None else time.time() - time.clock_gettime(clock) - 1


def _same_file(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _is_directory(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False


def _only_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not a regular file")
