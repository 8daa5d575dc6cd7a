"""The listener: accepts connections, forks a session for each, and reaps what ends.

Runs as: root, only with -D.
Trusts: the kernel and the administrator. Connections are forked before a single octet of them is read.
"""

import contextlib
import errno
import gc
import os
import select
import socket
import time

from ...shared import EX_SOFTWARE, Failure, log
from ...shared.address import is_within
from ...shared.limits import KEEPER_FD, LOGINS_FD, PREAUTH_FD, STARTER_FD
from ...shared.settings import Settings
from .. import process
from . import children, signals, sockets
from .arrivals import Arrivals
from .background import detach
from .copier import Copier
from .flood import Flood, Limits
from .limits import ACCEPTED_AT_ONCE, PAUSE_S
from .log_queue import LogQueue
from .logins import Logins
from .notification import Notification
from .session import SessionStart
from .socket_set import SocketSet
from .spares import Client, Spares
from .starter import SessionStarter
from .tls import KeyKeeper

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..start import Greeting, Keep, Reload, Serve, StartStarter

_PEERS_FAULT = (errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN)


def run(
    settings: Settings,
    families: str,
    foreground: bool,
    reload: "Reload",
    serve: "Serve",
    keep: "Keep",
    start_starter: "StartStarter",
    greeting: "Greeting",
) -> "NoReturn":
    """Listen until SIGTERM, then wait for the sessions and exit 0; exit 1 with a line on standard error if it cannot.

    families: see sockets.wanted. foreground: do not detach. reload: returns new settings, or raises Failure. serve: becomes a
    session; see sequence.serve. keep: starts a keeper of the TLS key. start_starter: starts a starter of owners' programs.
    greeting: see sequence.greeting.
    """
    signals.block()  # until the loop has its handlers
    try:
        listener = Listener(settings, families, reload, serve, keep, start_starter, greeting)
    except Failure as failure:
        log.write(log.ERROR, failure.reason)
        if log.target() == log.SYSTEM:
            os.write(2, f"popa3d: {failure.reason}\n".encode())
        os._exit(1)
    if foreground:
        process.send_to_null(0, 1)  # which sessions would have until their clients come
    else:
        detach()
    try:
        listener.loop()
    except BaseException as error:
        log.crash(error)
        os._exit(EX_SOFTWARE)
    os._exit(0)


class Listener:
    """The state: sockets, sessions, and what signals have asked for."""

    def __init__(
        self,
        settings: Settings,
        families: str,
        reload: "Reload",
        serve: "Serve",
        keep: "Keep",
        start_starter: "StartStarter",
        greeting: "Greeting",
    ) -> None:
        """Open the sockets. Raises CannotListen, or what `keep` raises."""
        self._settings = settings
        self._greeting = greeting
        self._reload = reload
        self._flood = Flood()
        self._signals = signals.Signals()
        self._log = LogQueue(self._fork_aside)
        self._copier = Copier(self._fork_aside)
        self._paused_until = 0.0
        self._sockets = SocketSet(families, self._log)
        process.reserve(range(LOGINS_FD, PREAUTH_FD + 1))
        self._logins = Logins()
        self._sockets.adopt(settings)
        self._tls = KeyKeeper(keep, self._log)
        self._tls.check(settings)
        self._starter = SessionStarter(start_starter, self._log)
        self._spares = Spares()
        self._arrivals = Arrivals()
        self._session = SessionStart(serve, self._tls, self._starter)
        self._notification = Notification()
        self._is_ready = False  # the service manager has not been told yet
        process.forget_environment()

    def loop(self) -> None:
        """Serve until SIGTERM and the end of the last session."""
        self._signals.take_over()
        self._copier.begin()
        self._tls.begin(self._settings)  # as a child of the process that stays
        self._starter.begin(time.monotonic(), self._settings.spare)
        gc.collect()
        gc.freeze()  # else the first collection of each session writes to every page with objects, and so copies it
        while not self._signals.stopping or self._flood.living():
            self._log.start()  # here no connection is open, which would stay so until the line is logged
            for listening in self._wait():
                if listening.fileno() >= 0:  # else a reload has closed it
                    self._accept(listening, sockets.speaks_tls(listening, self._settings))
        self._log.finish()
        process.send_to_null(KEEPER_FD, STARTER_FD)  # they end with that; the log's copier waits for all who have the log
        self._copier.finish()

    def _wait(self) -> list[socket.socket]:
        """Wait for an event, and do what signals, reports and ended children ask for. The sockets that had connections then.

        If nothing happens, have one more spare session where there are too few.
        """
        now = time.monotonic()
        paused_s = self._paused_until - now
        listening = [] if self._signals.stopping or paused_s > 0 else self._sockets.all()
        fds = [fd for fd in (self._signals.fd, self._logins.fd, self._starter.answer, *self._arrivals.fds()) if fd >= 0]
        if self._starter.answer < 0 and not self._is_ready:
            self._is_ready = True
            self._notification.ready()
        poll = select.poll()
        for fd in (*fds, *(one.fileno() for one in listening)):
            poll.register(fd, select.POLLIN)
        due_s = self._spares.due_s(self._settings.spare) if listening and self._starter.answer < 0 else None
        wait_s = paused_s if paused_s > 0 else due_s
        ready = {fd for fd, _ in poll.poll(None if wait_s is None else wait_s * 1000)}
        connected = [one for one in listening if one.fileno() in ready]
        if self._starter.answer in ready:
            self._starter.answered()
        if self._signals.fd in ready or self._logins.fd in ready:
            self._signals.clear()
            self._reap()
            self._read_reports()
        self._arrivals.answer(ready, self._admits)
        if self._signals.reloading and not self._signals.stopping:
            self._signals.reloading = False
            try:
                self._reconfigure()
            except Exception as error:  # whatever is wrong with the new, the old is still right
                log.crash(error)
        if self._signals.stopping:
            self._sockets.close()
            self._spares.dismiss()
            return []
        if due_s is not None and not ready:
            self._add_spare()
        return connected

    def _read_reports(self) -> None:
        """See who has logged in, and whose processes have ended."""
        for session, successor in self._logins.read():
            if successor:
                self._flood.logged_in(session, successor)
            else:
                self._flood.ended(session)

    def _reap(self) -> None:
        """Collect all children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._read_reports()  # it may have said who goes on with its client just before its end
                self._flood.ended(ended[0])
                self._spares.ended(ended[0])
                self._log.ended(*ended)
                self._copier.ended(ended[0])
                if self._tls.ended(ended[0], self._settings) or self._starter.ended(ended[0]):
                    self._spares.dismiss()  # they would ask the one that has ended
                    self._starter.begin(time.monotonic(), self._settings.spare)

    def _add_spare(self) -> None:
        """Fork a spare session."""
        be, settings = self._session.be_spare, self._settings
        with contextlib.suppress(OSError):
            self._spares.add(lambda waiting, link, childs: children.start(lambda: be(waiting, link, childs, settings)))
        if len(self._spares) == self._settings.spare:
            self._rehearse()

    def _rehearse(self) -> None:
        """Do what a connection needs, for practice: pages that forks have shared are copied now, not while a client waits."""
        now, nobody, flood, spares = time.monotonic(), "192.0.2.1", Flood(), Spares()
        flood.refusal(nobody, now, Limits(self._settings), 0.0)
        self._starter.begin(now, self._settings.spare)
        self._session.must_agree()
        order = self._greeting(self._settings, nobody)
        with contextlib.suppress(OSError):  # there may be no descriptors
            spares.example(Client(nobody, False), order)
        flood.started(1, nobody, now)
        for listening in self._sockets.all():
            self._accept(listening, sockets.speaks_tls(listening, self._settings))

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
        self._spares.dismiss()  # they have the old settings
        self._starter.begin(time.monotonic(), settings.spare)
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
                self._start(connection, sockets.address_of(name), speaks_tls)

    def _start(self, connection: socket.socket, address: str, speaks_tls: bool) -> None:
        """Fork a session for the connection, unless there are too many."""
        now = time.monotonic()
        chance = int.from_bytes(os.urandom(4), "big") / 2**32
        is_proxy = bool(self._settings.proxies) and is_within(address, self._settings.proxies)
        refusal = self._flood.refusal(address, now, Limits(self._settings), chance, is_proxy)
        if refusal is not None:
            self._log_seldom(refusal.text())
            return
        self._starter.begin(now, self._settings.spare)
        client = Client(address, speaks_tls)
        must_wait = speaks_tls or is_proxy or self._session.must_agree()
        order = b"" if must_wait else self._greeting(self._settings, address)
        pid, asking = self._spares.give(connection.fileno(), client, order)
        if not pid:
            try:
                pid, asking = self._session.start(connection.fileno(), client, self._settings, is_proxy)
            except OSError as error:
                self._pause(f"fork: {error.strerror}")
                return
        self._flood.started(pid, address, now, is_proxy)
        if asking is not None and is_proxy:
            self._arrivals.add(pid, asking)
        elif asking is not None:
            asking.close()

    def _admits(self, pid: int, address: str) -> bool:
        """Whether the client of session `pid`, which came through a proxy, may be served; then it counts for its source."""
        refusal = self._flood.came(pid, address, time.monotonic(), Limits(self._settings))
        if refusal is not None:
            self._log_seldom(refusal.text())
        return refusal is None

    def _fork_aside(self, child: "Callable[[], None]") -> int:
        """Fork what has nothing to do with connections: it must not keep the port when the listener has ended."""

        def alone() -> None:
            self._sockets.close()
            self._spares.dismiss()
            child()

        return children.start(alone)

    def _pause(self, reason: str) -> None:
        """Leave the sockets alone for a while: the system is out of something, and trying on would spin."""
        self._paused_until = time.monotonic() + PAUSE_S
        self._log_seldom(f"Cannot start a session: {reason}")

    def _log_seldom(self, text: str) -> None:
        """Log a line that a flood could repeat: once in min_delay_s, and at most once in a second."""
        if self._log.has_room() and self._flood.may_log(text, time.monotonic(), max(1, self._settings.min_delay_s)):
            self._log.put(log.WARNING, text)
