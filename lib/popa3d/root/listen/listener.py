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

from ...shared import EX_SOFTWARE, Failure, log
from ...shared.address import numeric
from ...shared.limits import ACCEPTED_AT_ONCE, PAUSE_S
from ...shared.settings import Settings
from . import children, signals, sockets
from .background import detach
from .copier import Copier
from .flood import Flood, Limits
from .libwrap import Libwrap
from .log_queue import LogQueue
from .logins import Logins
from .notification import Notification
from .socket_set import SocketSet
from .tls import KeyKeeper

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..start import Keep, Reload, Serve

_PEERS_FAULT = (errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN)


def run(settings: Settings, families: str, foreground: bool, reload: "Reload", serve: "Serve", keep: "Keep") -> "NoReturn":
    """Listen until SIGTERM, then wait for the sessions and exit 0; exit 1 with a line on standard error if it cannot.

    families: see sockets.wanted. foreground: do not detach. reload: returns new settings, or raises Failure. serve: becomes a
    session on descriptors 0 and 1 of a client with a numeric address (empty for a local socket); see LOGINS_FD. keep: starts
    a keeper of the TLS key.
    """
    signals.block()  # until the loop has its handlers
    try:
        listener = Listener(settings, families, reload, serve, keep)
    except Failure as failure:
        log.write(log.ERROR, failure.reason)
        if log.target() == log.SYSTEM:
            os.write(2, f"popa3d: {failure.reason}\n".encode())
        os._exit(1)
    if not foreground:
        detach()
    try:
        listener.loop()
    except BaseException as error:
        log.crash(error)
        os._exit(EX_SOFTWARE)
    os._exit(0)


class Listener:
    """The state: sockets, sessions, and what signals have asked for."""

    def __init__(self, settings: Settings, families: str, reload: "Reload", serve: "Serve", keep: "Keep") -> None:
        """Open the sockets. Raises CannotListen, or what `keep` raises."""
        self._settings = settings
        self._reload = reload
        self._serve = serve
        self._flood = Flood()
        self._signals = signals.Signals()
        self._log = LogQueue(self._fork_aside)
        self._copier = Copier(self._fork_aside)
        self._paused_until = 0.0
        self._logins = Logins()
        self._sockets = SocketSet(families, self._log)
        self._sockets.adopt(settings)
        self._tls = KeyKeeper(keep, self._log)
        self._tls.check(settings)
        self._notification = Notification()
        try:
            self._libwrap: Libwrap | None = Libwrap()
        except (OSError, AttributeError):
            self._libwrap = None
            log.write(log.WARNING, "No libwrap: /etc/hosts.allow and /etc/hosts.deny are not looked at")

    def loop(self) -> None:
        """Serve until SIGTERM and the end of the last session."""
        self._signals.take_over()
        self._copier.begin()
        self._tls.begin(self._settings)  # as a child of the process that stays
        self._notification.ready()
        while not self._signals.stopping or self._flood.living():
            self._log.start()  # here no connection is open, which would stay so until the line is logged
            for listening in self._wait():
                if listening.fileno() >= 0:  # else a reload has closed it
                    self._accept(listening, sockets.speaks_tls(listening, self._settings))
        self._log.finish()
        self._copier.finish()

    def _wait(self) -> list[socket.socket]:
        """Wait for an event, and do what signals, logins and ended children ask for. The sockets that had connections then."""
        now = time.monotonic()
        paused_s = self._paused_until - now
        listening = [] if self._signals.stopping or paused_s > 0 else self._sockets.all()
        poll = select.poll()
        for fd in (self._signals.fd, self._logins.fd):
            poll.register(fd, select.POLLIN)
        for one in listening:
            poll.register(one, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(paused_s * 1000 if paused_s > 0 else None)}
        connected = [one for one in listening if one.fileno() in ready]
        self._signals.clear()
        for pid in self._logins.read():
            self._flood.logged_in(pid)
        self._reap()
        if self._signals.reloading and not self._signals.stopping:
            self._signals.reloading = False
            try:
                self._reconfigure()
            except Exception as error:  # whatever is wrong with the new, the old is still right
                log.crash(error)
        if self._signals.stopping:
            self._sockets.close()
            return []
        return connected

    def _reap(self) -> None:
        """Collect all children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._flood.ended(ended[0])
                self._log.ended(*ended)
                self._copier.ended(ended[0])
                self._tls.ended(ended[0], self._settings)

    def _reconfigure(self) -> None:
        """Read the configuration again; a bad one, or one whose addresses cannot be had, changes nothing."""
        keeper = None
        try:
            settings = self._reload()
            keeper = self._tls.prepared(settings)
            self._sockets.adopt(settings)
        except Failure as failure:
            if keeper is not None:
                keeper.close()
            self._log.put(log.ERROR, f"Configuration not reloaded: {failure.reason}")
            return
        self._settings = settings
        log.choose_facility(settings.facility)
        self._tls.replace(keeper)
        self._log.put(log.INFO, "Configuration reloaded")

    def _accept(self, listening: socket.socket, speaks_tls: bool) -> None:
        """Accept what is there, to a bound, and start or refuse a session for each. speaks_tls: from the first octet."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, name = listening.accept()
            except OSError as error:
                if not isinstance(error, BlockingIOError) and error.errno not in _PEERS_FAULT:
                    self._pause(f"accept: {error.strerror}")
                return  # nothing there, or a peer that has gone: there will be an event when there is more
            with connection:
                self._start(connection, _address(name), speaks_tls)

    def _start(self, connection: socket.socket, address: str, speaks_tls: bool) -> None:
        """Fork a session for the connection, unless there are too many."""
        now = time.monotonic()
        chance = int.from_bytes(os.urandom(4), "big") / 2**32
        refusal = self._flood.refusal(address, now, Limits(self._settings), chance)
        if refusal is not None:
            self._log_seldom(refusal.text())
            return
        try:
            pid = children.start(lambda: self._become_session(connection, address, speaks_tls))
        except OSError as error:
            self._pause(f"fork: {error.strerror}")
            return
        self._flood.started(pid, address, now)

    def _fork_aside(self, child: "Callable[[], None]") -> int:
        """Fork what has nothing to do with connections: it must not keep the port when the listener has ended."""

        def alone() -> None:
            self._sockets.close()
            child()

        return children.start(alone)

    def _become_session(self, connection: socket.socket, address: str, speaks_tls: bool) -> "NoReturn":
        """In the child: have the connection as descriptors 0 and 1, ask libwrap, and serve."""
        os.setsid()  # before libwrap runs what hosts.allow says: a terminal and its Ctrl-C are the listener's
        self._sockets.close()
        os.dup2(connection.fileno(), 0)
        os.dup2(connection.fileno(), 1)
        connection.close()
        signal.alarm(self._settings.login_timeout_s)  # for libwrap's name look-ups; the session sets its own
        if self._libwrap is not None and not self._libwrap.allows(0):
            log.write(log.WARNING, f"refused connect from {address or 'local'}")  # tcpd's words
            os._exit(0)
        log.stop()  # the number of its descriptor may be the one that is wanted
        self._logins.leave_to_session()
        self._serve(self._settings, address, speaks_tls, self._tls.leave_to_session())

    def _pause(self, reason: str) -> None:
        """Leave the sockets alone for a while: the system is out of something, and trying on would spin."""
        self._paused_until = time.monotonic() + PAUSE_S
        self._log_seldom(f"Cannot start a session: {reason}")

    def _log_seldom(self, text: str) -> None:
        """Log a line that a flood could repeat: once in min_delay_s, and at most once in a second."""
        if self._log.has_room() and self._flood.may_log(text, time.monotonic(), max(1, self._settings.min_delay_s)):
            self._log.put(log.WARNING, text)


def _address(name: object) -> str:
    """The numeric address in a socket's peer name; empty for other peers."""
    return numeric(str(name[0])) if isinstance(name, tuple) else ""
