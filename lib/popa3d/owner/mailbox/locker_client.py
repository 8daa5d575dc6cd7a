"""The dot-lock of a mailbox in a spool where its owner cannot make files: root's locker makes it (root/locker.py).

Runs as: the mailbox owner.
Trusts: root's locker, but not that it answers.
"""

import errno
import posix as os  # as os, without its start-up time
import select
import time

from ...shared import locker_messages
from ...shared.limits import DOTLOCK_TOUCH_S, LOCK_TIMEOUT_S, LOCKER_OCTETS
from . import LockerFailed


class Locker:
    """The same interface as dotlock.Dotlock; the work is done at the other end of a socket."""

    def __init__(self, fd: int) -> None:
        """fd: the socket."""
        self._fd = fd
        self._is_taken = False
        self._touched = 0.0  # time.monotonic

    def take(self) -> bool:
        """Have the dot-lock made; False if another program's is there. Raises OSError (the locker's, too) or LockerFailed."""
        if not self._is_taken:
            answer = self._ask(locker_messages.TAKE)
            if answer not in (locker_messages.TAKEN, locker_messages.BUSY):
                number = locker_messages.decode_error(answer)
                if number:
                    raise OSError(number, os.strerror(number))
                raise LockerFailed("the process that makes it has failed")
            self._is_taken = answer == locker_messages.TAKEN
            self._touched = time.monotonic()
        return self._is_taken

    def touch(self) -> None:
        """Have the dot-lock's time renewed, at most every DOTLOCK_TOUCH_S. Other programs remove a lock that looks old."""
        if self._is_taken and time.monotonic() >= self._touched + DOTLOCK_TOUCH_S:
            self._touched = time.monotonic()
            try:
                os.write(self._fd, locker_messages.TOUCH)
            except OSError:
                pass  # the lock is no worse than before

    def remove(self) -> None:
        """Have the dot-lock removed, if it was made."""
        if self._is_taken:
            self._is_taken = False
            try:
                self._ask(locker_messages.LET_GO)
            except OSError:
                pass  # the locker has ended, and has removed the lock, unless it was killed

    def _ask(self, question: bytes) -> bytes:
        """The answer; empty if none comes in time, or the locker has ended. Raises OSError.

        After that nothing more is asked: a late answer must not be taken for the next one.
        """
        if self._fd < 0:
            raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        os.write(self._fd, question)
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if poll.poll(LOCK_TIMEOUT_S * 1000):
            return os.read(self._fd, LOCKER_OCTETS)
        os.close(self._fd)
        self._fd = -1
        return b""
