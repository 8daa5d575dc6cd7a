"""A dot-lock: the file MAILBOX.lock, which is made, kept young and removed again; and a stale one that somebody left behind.

Runs as: the mailbox owner, or root's process that has become the owner, with the spool's group.
Trusts: the kernel; not what has the file's name, nor the programs that made it.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import _stat as stat
import errno
import fcntl
import posix as os  # as os, without its start-up time
import time

from .limits import DOTLOCK_STALE_S

# A dot-lock holds a process id, and may hold a host's name. Files with more than this are something else.
_DOTLOCK_OCTETS = 80
_READ_OCTETS = 256

# What a process id tells of its process.
_ALIVE, _DEAD, _UNKNOWN = range(3)


class Dotlock:
    """The dot-lock of one mailbox. While we have it, signals are blocked: a process that was told to end would leave it."""

    def __init__(self, path: bytes, pid: int) -> None:
        """path: of the mailbox. pid: of the process that other programs are to take for the lock's owner."""
        self._path = path + b".lock"
        self._pid = pid
        self._fd = -1  # of our own file; while it is open, no other file can have its inode
        self._mask: set[int] = set()

    def take(self) -> bool:
        """Make the file, as Debian policy 11.6 describes it; False if another program's is there. Raises OSError.

        If that one is stale, it is removed, and the next attempt may succeed.
        """
        if self._fd >= 0:
            return True
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o444)
        except OSError as error:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
            if error.errno != errno.EEXIST:
                raise
            self._remove_stale()
            return False
        self._mask = mask
        try:
            os.write(self._fd, b"%d\n" % self._pid)
            os.fchmod(self._fd, 0o444)
        except OSError:
            pass  # a full disk, for instance: the file is a lock without the process id, too
        return True

    def touch(self) -> None:
        """Renew the file's time: programs that do not look at the process id take an old file for a stale lock."""
        if self._fd >= 0:
            try:
                os.utime(self._fd)
            except OSError:
                pass  # the lock is no worse than before

    def remove(self) -> None:
        """Remove the file, if we made it and it is still ours."""
        if self._fd < 0:
            return
        try:
            if _is_same_file(os.lstat(self._path), os.fstat(self._fd)):
                os.unlink(self._path)
        except OSError:
            pass  # somebody took it for a stale one
        os.close(self._fd)
        self._fd = -1
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)

    def _remove_stale(self) -> None:
        """Remove another program's dot-lock, if it is stale. What is no regular file or cannot be judged is waited for."""
        try:
            status = os.lstat(self._path)
            if not stat.S_ISREG(status.st_mode):
                return
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except PermissionError:
            # Its process cannot be known: OpenSMTPD's files are root's own, and empty. A longer file may be anything, such as
            # the mailbox of a user whose name ends in ".lock".
            if status.st_size <= _DOTLOCK_OCTETS and _is_stale([], status.st_mtime):
                self._remove_if_unchanged(status)
            return
        except OSError:
            return  # it has gone, or cannot be judged
        try:
            self._remove_if_stale(fd)
        except OSError:
            pass  # it has gone, or cannot be read
        finally:
            os.close(fd)

    def _remove_if_stale(self, fd: int) -> None:
        """Remove the dot-lock that is open as `fd`, if it is stale. Raises OSError."""
        # Of two processes that find the same stale file only one may remove it: the other one would remove the first one's new
        # lock. While the file is open, no other file can have its inode.
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError:
            pass  # NFS refuses this lock on a file that is open for reading: there the check before the removal must do
        status = os.fstat(fd)
        text = os.read(fd, _READ_OCTETS)
        is_mailbox = text != b"" and b"From ".startswith(text.lstrip(b"\r\n")[:5])  # even if only empty lines were read
        if stat.S_ISREG(status.st_mode) and not is_mailbox and _is_stale(text.split(), status.st_mtime):
            self._remove_if_unchanged(status)

    def _remove_if_unchanged(self, status: os.stat_result) -> None:
        """Remove the file with this status, but not one that was made since, which may have the same inode."""
        try:
            now = os.lstat(self._path)
            if _is_same_file(now, status) and now.st_mtime_ns == status.st_mtime_ns:
                os.unlink(self._path)
        except OSError:
            pass  # it has gone, or we may not remove it: it is waited for


def _is_stale(words: list[bytes], written: float) -> bool:
    """Whether a dot-lock is stale that contains these words and was written at that time.

    It is if its process is dead; if that process was started after a reboot, and so is another one; or if the process is not
    known and the file is older than DOTLOCK_STALE_S.
    """
    process = _process_state(int(words[0])) if words and words[0].isdigit() else _UNKNOWN
    if process == _DEAD and len(words) > 1:
        process = _UNKNOWN  # a host's name may follow, and be another host's
    if process == _ALIVE and written < _boot_time():
        process = _DEAD  # another process has its number now
    return time.time() - written >= DOTLOCK_STALE_S if process == _UNKNOWN else process == _DEAD


def _process_state(pid: int) -> int:
    """_ALIVE or _DEAD; _UNKNOWN if `pid` is no process id."""
    if not 0 < pid < 2**31:
        return _UNKNOWN
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return _DEAD
    except OSError:
        pass
    return _ALIVE


def _boot_time() -> float:
    """When the system was started, in seconds of time.time; 0 where that is not known."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if clock is None else time.time() - time.clock_gettime(clock) - 1


def _is_same_file(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
