"""The listener's signals: they wake its loop up, which then does what they ask for.

SIGTERM and SIGINT stop it once its sessions have ended, a second one at once; SIGHUP reads the configuration again; SIGCHLD
says that a child has ended.

Runs as: root, only with -D.
Trusts: the kernel and the administrator.
"""

import _signal as signal  # signal(7)'s numbers as they are: enums would cost each session time
import contextlib
import os

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def block() -> "set[int]":
    """Hold the signals back, until `restore` or `Signals.take_over`. Returns the mask that was."""
    mask: "set[int]" = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    return mask


def restore(mask: "set[int]") -> None:
    """Have the mask that `block` has returned."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def forget() -> None:
    """In a child: nothing of the listener's handlers, and no signal held back."""
    signal.set_wakeup_fd(-1)
    for number in (*NUMBERS, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class Signals:
    """What signals have asked for. stopping: to end. reloading: to read the configuration again; the loop sets it back.

    fd: readable after a signal, until `clear`.
    """

    def __init__(self) -> None:
        self.stopping = self.reloading = False
        self.fd = -1

    def take_over(self) -> None:
        """Handle the signals from now on, those that were held back first."""
        self.fd, writing = nonblocking_pipe()
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in NUMBERS:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def clear(self) -> None:
        """Have `fd` wait for the next signal."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)

    def _note(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self.reloading = True
        elif number != signal.SIGCHLD:
            if self.stopping:
                os._exit(0)  # asked twice: the sessions live on without the listener
            self.stopping = True


def nonblocking_pipe() -> tuple[int, int]:
    """A pipe, neither end of which blocks: the end to read, and the one to write."""
    ends = os.pipe()
    for fd in ends:
        os.set_blocking(fd, False)
    return ends
