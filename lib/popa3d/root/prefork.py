"""Processes that are forked ahead of what they will be asked: owners' sessions by the starter, TLS processes by the keeper.

All wait on one socket, and the kernel gives each message to one of them, which says so. Then another one is forked. So neither
the fork nor what can be done before a question is known stands between it and its answer. If none waits, one is forked.

Runs as: root, only with -D; each process becomes somebody else.
Trusts: root's processes, which alone can ask.
"""

import _signal
import _socket
import posix as os  # as os, without its start-up time
import select
import time

from ..shared.limits import SPARE_LATER_S
from . import process

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Take = Callable[[], tuple[bytes, list[int]]]

AGAIN_S = 1.0  # after a process could not be forked, or has ended while it waited, no other one is forked ahead for so long
_PID_OCTETS = 4


class Prefork:
    """The processes that wait. The caller's process is the one that forks them."""

    def __init__(
        self,
        asking: int,
        count: int,
        octets: int,
        fds: int,
        be: "Callable[[Take], NoReturn]",
        failed: "Callable[[OSError], None]",
        ended: "Callable[[int], None]" = lambda _: None,
    ) -> None:
        """asking: the socket (SOCK_SEQPACKET). octets, fds: the most that a message has.

        count: how many should wait; with 0 one is forked for each message. be: what each process does; it calls `take` once,
        and never returns. failed: is told why a message is refused. ended: gets the process id of each that has ended, before
        that is collected.
        """
        self._asking = _socket.socket(fileno=asking)
        self._count = count
        self._octets = octets
        self._fds = fds
        self._be = be
        self._failed = failed
        self._ended = ended
        self._waiting: set[int] = set()
        self._not_before = 0.0  # for those forked ahead
        # Process ids of those that wait no more, and for each SIGCHLD an octet.
        self._news, self._says = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._says.setblocking(False)

    def run(self) -> None:
        """Fork until nobody can ask any more."""
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.set_wakeup_fd(self._says.fileno())
        asking, news = self._asking.fileno(), self._news.fileno()
        while True:
            self._fork_ahead()
            poll = select.poll()
            poll.register(news, select.POLLIN)
            poll.register(asking, 0 if self._waiting else select.POLLIN)
            wait_s = max(0.0, self._not_before - time.monotonic()) if len(self._waiting) < self._count else None
            events = dict(poll.poll(None if wait_s is None else wait_s * 1000))
            if news in events:
                self._hear()
            elif events.get(asking, 0) & select.POLLHUP:
                return  # who asks waits for the answer, so nobody does
            elif asking in events:
                self._answer()

    def _hear(self) -> None:
        """Who waits no more, and who has ended."""
        self._hear_who_is_busy()
        try:
            while (result := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                self._ended(result.si_pid)
                os.waitpid(result.si_pid, 0)
                self._hear_who_is_busy()  # it may have said so just before its end
                if result.si_pid in self._waiting:
                    self._waiting.remove(result.si_pid)
                    self._not_before = time.monotonic() + AGAIN_S
                    if not self._waiting:
                        self._refuse()  # as the next one may end as this did
        except ChildProcessError:
            pass

    def _hear_who_is_busy(self) -> None:
        """Read all that is there."""
        while True:
            try:
                data = self._news.recv(_PID_OCTETS, _socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if len(data) == _PID_OCTETS:  # else it was a signal
                self._waiting.discard(int.from_bytes(data, "big"))
                if 2 * len(self._waiting) >= self._count:
                    self._not_before = max(self._not_before, time.monotonic() + SPARE_LATER_S)

    def _answer(self) -> None:
        """Fork a process for the message that is there."""
        try:
            self._fork()
        except OSError as error:
            self._failed(error)
            self._refuse()

    def _refuse(self) -> None:
        """Take a message, if there is one, for nobody: who has sent it learns that at once."""
        try:
            _, control, _, _ = self._asking.recvmsg(self._octets, _socket.CMSG_SPACE(4 * self._fds), _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        for fd in process.received(control):
            os.close(fd)

    def _fork_ahead(self) -> None:
        while len(self._waiting) < self._count and time.monotonic() >= self._not_before:
            try:
                self._fork()
            except OSError:
                self._not_before = time.monotonic() + AGAIN_S

    def _fork(self) -> None:
        pid = os.fork()
        if pid:
            self._waiting.add(pid)
            return
        try:
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            self._be(self._take)
        finally:
            os._exit(1)  # whatever happens, the loop is not this process's

    def _take(self) -> tuple[bytes, list[int]]:
        """In a process that waits: the next message, and its descriptors; if nobody can ask any more, the process ends.

        It ends, too, if there was no room for all descriptors: the kernel gives some of them, and some may be missing.
        """
        message, control, flags, _ = self._asking.recvmsg(self._octets, _socket.CMSG_SPACE(4 * self._fds))
        if not message or flags & _socket.MSG_CTRUNC:
            os._exit(0)
        try:
            self._says.send(os.getpid().to_bytes(_PID_OCTETS, "big"))
        except OSError:
            pass  # who would be told is gone, or does not listen
        return message, process.received(control)
