"""The listener: accepts connections, forks a session for each, and reaps what ends.

Runs as: root, only with -D.
Trusts: the kernel and the administrator. Connections are forked before a single octet of them is read.
"""

import contextlib
import errno
import os
import select
import signal
import socket
import time

from ...shared import log
from ...shared.address import numeric
from ...shared.limits import LOGIN_OCTETS, LOGINS_FD, PAUSE_S
from ...shared.settings import Settings
from . import service_manager, sockets
from .flood import Flood, Limits
from .libwrap import Libwrap
from .log_queue import LogQueue

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Reload = Callable[[], Settings | str]
    Serve = Callable[[Settings, str], NoReturn]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_PEERS_FAULT = (errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN)
_EX_SOFTWARE = 70  # sysexits.h: an internal error
_BURST = 32  # connections that are accepted before signals and children are looked at again


def run(settings: Settings, families: str, foreground: bool, reload: "Reload", serve: "Serve") -> "NoReturn":
    """Listen until SIGTERM, then wait for the sessions and exit 0; exit 1 with a line on standard error if it cannot.

    families: see sockets.wanted. foreground: do not detach. reload: new settings, or why there are none. serve: becomes a
    session on descriptors 0 and 1 of a client with a numeric address (empty for a local socket); see LOGINS_FD.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the loop has its handlers
    try:
        listener = Listener(settings, families, reload, serve)
    except sockets.Wrong as wrong:
        log.write(log.ERROR, str(wrong))
        os.write(2, f"popa3d: {wrong}\n".encode())
        os._exit(1)
    if not foreground:
        service_manager.detach()
    try:
        listener.loop()
    except BaseException as error:
        log.crash(error)
        os._exit(_EX_SOFTWARE)
    os._exit(0)


class Listener:
    """The state: sockets, sessions, and what signals have asked for."""

    def __init__(self, settings: Settings, families: str, reload: "Reload", serve: "Serve") -> None:
        """Open the sockets. Raises sockets.Wrong."""
        self._settings = settings
        self._families = families
        self._reload = reload
        self._serve = serve
        self._flood = Flood()
        self._stopping = self._reloading = False
        self._log = LogQueue(self._fork_aside)
        self._paused_until = 0.0
        self._logins, self._login = _pipe()
        self._passed = sockets.passed()
        self._open: dict[sockets.Key, socket.socket] = {}
        if not self._passed:
            self._listen(settings)
        self._service = service_manager.Service()
        try:
            self._libwrap: Libwrap | None = Libwrap()
        except (OSError, AttributeError):
            self._libwrap = None
            log.write(log.WARNING, "No libwrap: /etc/hosts.allow and /etc/hosts.deny are not looked at")

    def _listen(self, settings: Settings) -> None:
        """Have exactly the sockets that `settings` want. Raises sockets.Wrong; then they are as they were."""
        wanted = sockets.wanted(settings, self._families)
        new: dict[sockets.Key, socket.socket] = {}
        closed: list[sockets.Key] = []
        try:
            for key in wanted:
                if key in self._open:
                    continue
                try:
                    new[key] = sockets.opened(key, settings.backlog)
                except sockets.Busy:  # by 0.0.0.0, perhaps, which is ours and not wanted any more
                    for old in [old for old in self._open if old not in wanted and old[0] == key[0] and old[2] == key[2]]:
                        self._open.pop(old).close()
                        closed.append(old)
                    new[key] = sockets.opened(key, settings.backlog)
        except sockets.Wrong:
            for one in new.values():
                one.close()
            for key in closed:
                try:
                    self._open[key] = sockets.opened(key, self._settings.backlog)
                except sockets.Wrong as lost:
                    self._log.put(log.ERROR, f"Not listening any more on {lost}")
            raise
        for key in [key for key in self._open if key not in wanted]:
            self._open.pop(key).close()
        for one in self._open.values():
            one.listen(settings.backlog)
        self._open.update(new)

    def loop(self) -> None:
        """Serve until SIGTERM and the end of the last session."""
        reading, writing = _pipe()
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._signalled)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._service.ready()
        while not self._stopping or self._flood.living():
            self._log.start()  # here no connection is open, which would stay so until the line is logged
            now = time.monotonic()
            poll = select.poll()
            poll.register(reading, select.POLLIN)
            poll.register(self._logins, select.POLLIN)
            listening = [] if self._stopping or now < self._paused_until else [*self._open.values(), *self._passed]
            for one in listening:
                poll.register(one, select.POLLIN)
            ready = {fd for fd, _ in poll.poll((self._paused_until - now) * 1000 if now < self._paused_until else None)}
            with contextlib.suppress(BlockingIOError):
                os.read(reading, 4096)
            self._note_logins()
            self._reap()
            if self._reloading and not self._stopping:
                self._reloading = False
                try:
                    self._reconfigure()
                except Exception as error:  # whatever is wrong with the new, the old is still right
                    log.crash(error)
            if self._stopping:
                self._close()
                continue
            for one in listening:
                if one.fileno() in ready:  # a reload may have closed it: then it is -1
                    self._accept(one)
        self._log.finish()

    def _signalled(self, number: int, _frame: object) -> None:
        """Note what a signal asks for; the loop does it."""
        if number == signal.SIGHUP:
            self._reloading = True
        elif number != signal.SIGCHLD:
            if self._stopping:
                os._exit(0)  # asked twice: the sessions live on without us
            self._stopping = True

    def _close(self) -> None:
        for one in [*self._open.values(), *self._passed]:
            one.close()
        self._open.clear()
        self._passed.clear()

    def _note_logins(self) -> None:
        """Note which sessions' clients have logged in: all, so that none is said of the next process with the same id."""
        with contextlib.suppress(BlockingIOError):
            while True:
                pids = os.read(self._logins, 1024 * LOGIN_OCTETS)
                for at in range(0, len(pids), LOGIN_OCTETS):
                    self._flood.logged_in(int.from_bytes(pids[at : at + LOGIN_OCTETS], "big"))

    def _reap(self) -> None:
        """Collect all children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._flood.ended(ended[0])
                self._log.ended(*ended)

    def _reconfigure(self) -> None:
        """Read the configuration again; a bad one, or one whose addresses cannot be had, changes nothing."""
        found = self._reload()
        if isinstance(found, str):
            self._log.put(log.ERROR, f"Configuration not reloaded: {found}")
            return
        if not self._passed:
            try:
                self._listen(found)
            except sockets.Wrong as wrong:
                self._log.put(log.ERROR, f"Configuration not reloaded: {wrong}")
                return
        self._settings = found
        self._log.put(log.INFO, "Configuration reloaded")

    def _accept(self, listening: socket.socket) -> None:
        """Accept what is there, to a bound, and start or refuse a session for each."""
        for _ in range(_BURST):
            try:
                connection, name = listening.accept()
            except OSError as error:
                if not isinstance(error, BlockingIOError) and error.errno not in _PEERS_FAULT:
                    self._pause(f"accept: {error.strerror}")
                return  # nothing there, or a peer that has gone: there will be an event when there is more
            with connection:
                self._start(connection, _address(name))

    def _start(self, connection: socket.socket, address: str) -> None:
        """Fork a session for the connection, unless there are too many."""
        now = time.monotonic()
        chance = int.from_bytes(os.urandom(4), "big") / 2**32
        why = self._flood.refusal(address, now, Limits(self._settings), chance)
        if why:
            self._log_seldom(why)
            return
        try:
            pid = self._fork(lambda: self._become_session(connection, address))
        except OSError as error:
            self._pause(f"fork: {error.strerror}")
            return
        self._flood.started(pid, address, now)

    def _fork(self, child: "Callable[[], None]") -> int:
        """The process id of a process that runs `child` and ends. Raises OSError."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the child's handlers are not ours
        try:
            pid = os.fork()
            if pid:
                return pid
            try:
                signal.set_wakeup_fd(-1)
                for number in (*_SIGNALS, signal.SIGALRM):
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                child()
            except BaseException as error:
                log.crash(error)
            os._exit(_EX_SOFTWARE)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _fork_aside(self, child: "Callable[[], None]") -> int:
        """The same for what has nothing to do with connections: it must not keep the port when the listener has ended."""

        def alone() -> None:
            self._close()
            child()

        return self._fork(alone)

    def _become_session(self, connection: socket.socket, address: str) -> "NoReturn":
        os.setsid()  # before libwrap runs what hosts.allow says: a terminal and its Ctrl-C are the listener's
        self._close()
        os.dup2(connection.fileno(), 0)
        os.dup2(connection.fileno(), 1)
        connection.close()
        signal.alarm(self._settings.login_timeout_s)  # for libwrap's name look-ups; the session sets its own
        if self._libwrap is not None and not self._libwrap.allows(0):
            log.write(log.WARNING, f"refused connect from {address or 'local'}")  # tcpd's words
            os._exit(0)
        log.stop()  # the number of its descriptor may be the one that is wanted
        os.dup2(self._login, LOGINS_FD)
        self._serve(self._settings, address)

    def _pause(self, why: str) -> None:
        """Leave the sockets alone for a while: the system is out of something, and trying on would spin."""
        self._paused_until = time.monotonic() + PAUSE_S
        self._log_seldom(f"Cannot start a session: {why}")

    def _log_seldom(self, text: str) -> None:
        """Log a line that a flood could repeat: once in min_delay_s, and at most once in a second."""
        if self._log.has_room() and self._flood.may_log(text, time.monotonic(), max(1, self._settings.min_delay_s)):
            self._log.put(log.WARNING, text)


def _pipe() -> tuple[int, int]:
    """A pipe, neither end of which blocks."""
    ends = os.pipe()
    for fd in ends:
        os.set_blocking(fd, False)
    return ends


def _address(name: object) -> str:
    """The numeric address in a socket's peer name; empty for other peers."""
    return numeric(str(name[0])) if isinstance(name, tuple) else ""
