"""The locks of a mailbox: taken together, or none of them.

Runs as: the mailbox owner.
Trusts: the kernel; not the programs that lock the mailbox too.
"""

import errno
import fcntl
import posix as os  # as os, without its start-up time
import time

from ...shared.limits import LOCK_STEP_S, LOCK_TIMEOUT_S
from . import InUse, LockerFailed, Refused

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...shared.dotlock import Dotlock
    from .locker_client import Locker

_BUSY = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)  # POSIX allows each of them for a lock that another process holds


def make_dotlock(path: bytes, names: tuple[str, ...], locker_fd: int) -> "Dotlock | Locker | None":
    """Who makes the dot-lock of the mailbox at `path`: root's locker, this process, or nobody.

    names: of limits.LOCKS. locker_fd: the descriptor of root's locker; negative if there is none.
    """
    if locker_fd >= 0:
        from .locker_client import Locker  # few spools need it

        return Locker(locker_fd)
    if "dotlock" in names:
        from ...shared.dotlock import Dotlock  # few administrators configure it

        return Dotlock(path, os.getpid())
    return None


class Locks:
    """The locks of one open mailbox, taken in the order of `names` (of limits.LOCKS)."""

    def __init__(self, fd: int, names: tuple[str, ...], dotlock: "Dotlock | Locker | None", read_only: bool) -> None:
        """read_only: the file system is."""
        self._fd = fd
        self._names = names
        self._dotlock = dotlock
        self._read_only = read_only

    def take(self, exclusive: bool, deadline: float | None = None) -> None:
        """Take all locks, waiting for other programs until `deadline` (time.monotonic), by default for LOCK_TIMEOUT_S.

        Raises InUse, Refused (no dot-lock can be made) or OSError. While one lock is busy none is held, so programs that
        take them in another order cannot deadlock with this one.
        """
        deadline = time.monotonic() + LOCK_TIMEOUT_S if deadline is None else deadline
        while not self.try_to_take(exclusive):
            if time.monotonic() >= deadline:
                raise InUse("locked by another program")
            time.sleep(LOCK_STEP_S)

    def try_to_take(self, exclusive: bool) -> bool:
        """Take all locks, or none (False) if one is busy. Raises as `take` does."""
        operation = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
        try:
            for name in self._names:
                if name == "dotlock":
                    is_taken = self._take_dotlock()
                else:
                    is_taken = _take_kernel_lock(fcntl.lockf if name == "fcntl" else fcntl.flock, self._fd, operation)
                if not is_taken:
                    self.release()
                    return False
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        """Release all locks."""
        if self._dotlock is not None:
            self._dotlock.remove()
        if "flock" in self._names:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        if "fcntl" in self._names:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def _take_dotlock(self) -> bool:
        """Whether the dot-lock is ours. On a read-only file system there can be none, and none is needed."""
        if self._dotlock is None:
            return True
        try:
            return self._dotlock.take()
        except LockerFailed as failure:
            reason = failure.reason
        except OSError as error:
            if error.errno == errno.EROFS and self._read_only:
                return True
            reason = str(error.strerror)
            if error.errno in (errno.EACCES, errno.EPERM):
                reason = "its directory does not let the owner make one (mailbox.locks)"
        raise Refused(f"cannot make its dot-lock: {reason}")


def _take_kernel_lock(lock: "Callable[[int, int], object]", fd: int, operation: int) -> bool:
    """Whether the lock is ours: lock is fcntl.lockf or fcntl.flock. Raises OSError."""
    try:
        lock(fd, operation)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True
