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


class Locker:
    """What dotlock.Dotlock is, by way of a socket."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._taken = False
        self._touched = 0.0

    def take(self) -> bool:
        """Have the file made; False if another one is there. Raises OSError."""
        if not self._taken:
            answer = self._ask(locker_messages.TAKE)
            if answer not in (locker_messages.TAKEN, locker_messages.BUSY):
                number = locker_messages.reason(answer)
                raise OSError(number, os.strerror(number) if number else "the process that makes it has failed")
            self._taken = answer == locker_messages.TAKEN
            self._touched = time.monotonic()
        return self._taken

    def touch(self) -> None:
        """Programs that do not look at the number in it go by the time, whether somebody is still at work."""
        if self._taken and time.monotonic() >= self._touched + DOTLOCK_TOUCH_S:
            self._touched = time.monotonic()
            try:
                os.write(self._fd, locker_messages.TOUCH)
            except OSError:
                pass  # it is no worse than it was

    def remove(self) -> None:
        """Have it removed, if it was made."""
        if self._taken:
            self._taken = False
            try:
                self._ask(locker_messages.LET_GO)
            except OSError:
                pass  # then it has gone, and the lock with it, or it was killed

    def _ask(self, what: bytes) -> bytes:
        """The answer; empty if there is none. Raises OSError. One that is late must not be taken for another one's."""
        if self._fd < 0:
            raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        os.write(self._fd, what)
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if poll.poll(LOCK_TIMEOUT_S * 1000):
            return os.read(self._fd, LOCKER_OCTETS)
        os.close(self._fd)
        self._fd = -1
        return b""
