"""A dot-lock: the file MAILBOX.lock, made, kept young and removed again; and one that somebody left behind.

Runs as: the mailbox owner, or root's process that has become him with the spool's group.
Trusts: the kernel; not what is in the file's place, nor the programs that put it there.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import _stat as stat
import errno
import fcntl
import posix as os  # as os, without its start-up time
import time

from .limits import DOTLOCK_STALE_S

_TEXT_OCTETS = 80


class Dotlock:
    """The dot-lock of one mailbox. Signals wait while it is there: who is told to end then would leave it behind."""

    def __init__(self, path: bytes, pid: int) -> None:
        """path: of the mailbox. pid: whose lock it is, for other programs."""
        self._path = path + b".lock"
        self._pid = pid
        self._fd = -1  # of the file while it is ours: its inode cannot become another file's
        self._mask: set[int] = set()

    def take(self) -> bool:
        """Make the file, as Debian policy 11.6 has it; False if another one is there. Raises OSError."""
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
            pass  # a full disk, say: it locks as well without the number
        return True

    def touch(self) -> None:
        """Programs that do not look at the number go by the time, whether somebody is still at work."""
        if self._fd >= 0:
            try:
                os.utime(self._fd)
            except OSError:
                pass  # it is no worse than it was

    def remove(self) -> None:
        """Remove the file, if it is there and still ours."""
        if self._fd < 0:
            return
        try:
            if _same_file(os.lstat(self._path), os.fstat(self._fd)):
                os.unlink(self._path)
        except OSError:
            pass  # somebody took it for a stale one
        os.close(self._fd)
        self._fd = -1
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)

    def _remove_stale(self) -> None:
        """Remove a dot-lock whose process is dead; or that is old, and whose process cannot be told.

        Nothing but a regular file is one: all else stays, and is waited for.
        """
        try:
            status = os.lstat(self._path)
            if not stat.S_ISREG(status.st_mode):
                return
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except PermissionError:
            # Its process cannot be told: OpenSMTPD's is root's own, and empty. What is longer than a number and a host's name
            # may be anything, such as the mailbox of a user whose name ends in ".lock".
            if status.st_size <= _TEXT_OCTETS and _is_stale([], status.st_mtime):
                self._remove_this(status)
            return
        except OSError:
            return  # gone, or nothing that we could judge
        try:
            # Two of us must not remove one each: the second would be the first's new one. While this is open its inode
            # cannot become another file's.
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            except OSError:
                pass  # NFS does not take this lock on a file that is open for reading: there the check below must do
            status = os.fstat(fd)
            text = os.read(fd, 256)
            is_mailbox = text != b"" and b"From ".startswith(text.lstrip(b"\r\n")[:5])  # or more empty lines than were read
            if stat.S_ISREG(status.st_mode) and not is_mailbox and _is_stale(text.split(), status.st_mtime):
                self._remove_this(status)
        except OSError:
            pass  # gone, or it cannot be read: it is waited for
        finally:
            os.close(fd)

    def _remove_this(self, status: os.stat_result) -> None:
        """Remove the file that has this status, and none that another program has made since. Its inode may be the same."""
        try:
            now = os.lstat(self._path)
            if _same_file(now, status) and now.st_mtime_ns == status.st_mtime_ns:
                os.unlink(self._path)
        except OSError:
            pass  # gone, or not ours to remove: it is waited for


def _is_stale(words: list[bytes], written: float) -> bool:
    """Whether a dot-lock with these words in it, last `written` at that time, was left behind."""
    alive = _alive(int(words[0])) if words and words[0].isdigit() else None
    if alive is False and len(words) > 1:
        alive = None  # a host's name may follow: it need not be ours
    if alive and written < _booted():
        alive = False  # a number that another process has got since
    return not alive if alive is not None else time.time() - written >= DOTLOCK_STALE_S


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
