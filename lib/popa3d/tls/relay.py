"""The TLS process: between the client's connection and a local socket on which the rest of the session speaks plain POP3.

Runs as: popa3d-tls, chrooted to an empty directory, unable to start a process or to open a descriptor.
Trusts: nobody; root believes it nothing but the names of a version and a cipher, for the log.
"""

import _socket  # what the socket module is made of; that one takes more start-up time than all of this
import posix as os  # as os, without its start-up time
import select
import time

from ..shared.limits import RECORD_GRACE_S
from ..shared.tls_limits import TLS_BUFFER_OCTETS, TLS_GOODBYE_S, TLS_LAST_OCTETS, TLS_LINGER_S
from .engine import Engine

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# This process's descriptors: the client's connection, and the session's end.
CLIENT_FD, SESSION_FD = 0, 1


def run(
    context: "Any",
    timeout_s: int,
    handshake_timeout_s: int,
    report: "Callable[[str], None]",
    meet: "Callable[[], bytes | None] | None",
) -> None:
    """Serve until either side ends. The caller ends the process.

    context: an _SSLContext. timeout_s: for each piece that the client is to take. handshake_timeout_s: for all of the
    handshake. report: called with "VERSION CIPHER" when that is complete, or with "! REASON" if it fails. meet: where the client
    comes through a proxy. Reads the proxy's header, and returns what came behind it; None if there is no session.
    """
    # The session has the same limits, and should be the first to notice: it logs that.
    deadline = time.monotonic() + handshake_timeout_s + RECORD_GRACE_S
    ahead = meet() if meet is not None else b""
    if ahead is not None:
        Relay(Engine(context), timeout_s + RECORD_GRACE_S, deadline, report).run(ahead)


def _of(fd: int) -> _socket.socket:
    """The socket that `fd` is. What is sent leaves at once (TCP_NODELAY). Raises OSError."""
    endpoint = _socket.socket(fileno=fd)
    if endpoint.family in (_socket.AF_INET, _socket.AF_INET6):
        endpoint.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    return endpoint


class Relay:
    """Both connections, and what waits to be sent on them.

    A side is not read while something that it said waits: so neither can fill the memory, and the session's own limits for a
    client that says or takes nothing hold.
    """

    def __init__(self, engine: Engine, timeout_s: float, handshake_deadline: float, report: "Callable[[str], None]") -> None:
        """handshake_deadline: in time.monotonic's seconds."""
        self._engine = engine
        self._timeout_s = timeout_s
        self._handshake_deadline = handshake_deadline
        self._taken_at = 0.0  # when the client took something, while something waits for it
        self._session_ended_at = 0.0  # 0: not yet
        self._report = report
        self._client = _of(CLIENT_FD)
        self._session = _of(SESSION_FD)
        self._to_client: "bytes | memoryview" = b""
        self._to_session: "bytes | memoryview" = b""
        self._session_speaks = True
        self._session_hears = True

    def run(self, ahead: bytes = b"") -> None:
        """Relay until the session has ended and the client has what it said, or the client is gone.

        ahead: what was read of the client already.
        """
        if ahead:
            self._hear(ahead)
            if self._engine.failure and not len(self._to_client):
                return
        while self._session_speaks or len(self._to_client):
            events = self._wait()
            if events is None:
                return  # too slow
            if SESSION_FD in events and not self._serve_session(events[SESSION_FD]):
                return
            if CLIENT_FD in events and not self._serve_client(events[CLIENT_FD]):
                return
        self._say_goodbye()

    def _wait(self) -> "dict[int, int] | None":
        """What can be done with which descriptor; None if the client has had its time."""
        poll = select.poll()
        poll.register(CLIENT_FD, self._client_events())
        session_events = self._session_events()
        if session_events or not self._session_ended_at:  # its end (POLLHUP) is seen in any case, once
            poll.register(SESSION_FD, session_events)
        if self._engine.is_shaking_hands:
            limit_s = self._handshake_deadline - time.monotonic()
        elif len(self._to_client):
            # Nobody counts a process whose session has ended, so progress does not keep it for longer.
            end = self._session_ended_at + TLS_LINGER_S if self._session_ended_at else self._taken_at + self._timeout_s
            limit_s = end - time.monotonic()
        else:
            return dict(poll.poll())
        return (dict(poll.poll(limit_s * 1000)) or None) if limit_s > 0 else None

    def _client_events(self) -> int:
        if len(self._to_client):
            return select.POLLOUT
        return select.POLLIN if self._engine.is_listening and not len(self._to_session) else 0

    def _session_events(self) -> int:
        if self._engine.is_shaking_hands:
            return 0
        events = select.POLLOUT if len(self._to_session) else 0
        return events | select.POLLIN if self._session_speaks and not len(self._to_client) else events

    def _serve_session(self, events: int) -> bool:
        """False: it has ended in the middle of the handshake."""
        if self._engine.is_shaking_hands:
            return False
        if events & select.POLLHUP and not self._session_ended_at:
            self._session_ended_at = time.monotonic()
            self._leave_to_the_kernel()
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and not len(self._to_client):
            octets = _receive(self._session)
            if octets:
                self._engine.send(octets)
            elif octets is not None:
                self._session_speaks = False
                self._engine.close()
            self._queue()
        if len(self._to_session):
            try:
                self._to_session = self._to_session[self._session.send(self._to_session, _socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                pass
            except OSError:
                self._to_session, self._session_hears = b"", False  # what it has said is still sent
        self._pass_end_on()
        return True

    def _serve_client(self, events: int) -> bool:
        """False: it has gone, or there is nothing more to say to it."""
        if len(self._to_client):
            try:
                self._to_client = self._to_client[self._client.send(self._to_client, _socket.MSG_DONTWAIT) :]
                self._taken_at = time.monotonic()
            except BlockingIOError:
                pass
            except OSError:
                return False
        elif events & select.POLLIN:
            octets = _receive(self._client)
            if octets is not None:
                self._hear(octets)
        elif events & (select.POLLHUP | select.POLLERR):
            return False
        return not self._engine.failure or len(self._to_client) > 0

    def _hear(self, octets: bytes) -> None:
        """What the client sent goes to the session; none is the connection's end."""
        was_shaking_hands = self._engine.is_shaking_hands
        said = self._engine.receive(octets)
        self._to_session = said if self._session_hears else b""
        self._queue()
        if was_shaking_hands and self._engine.failure:
            self._report(f"! {self._engine.failure}")
        elif was_shaking_hands and not self._engine.is_shaking_hands:
            self._report(self._engine.session)
        self._pass_end_on()

    def _pass_end_on(self) -> None:
        """Once the client has said that nothing more comes, the session hears that behind what the client said."""
        if self._session_hears and not self._engine.is_listening and not len(self._to_session):
            self._session_hears = False
            try:
                self._session.shutdown(_socket.SHUT_WR)
            except OSError:
                pass  # it has ended

    def _queue(self) -> None:
        """What TLS has for the client waits to be sent."""
        octets = self._engine.to_send()
        if octets:
            if not len(self._to_client):
                self._taken_at = time.monotonic()
            self._to_client = bytes(self._to_client) + octets

    def _leave_to_the_kernel(self) -> None:
        """From now on the kernel takes what is to be sent, whether the client does or not."""
        if self._client.getsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF) < TLS_LAST_OCTETS:
            self._client.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, TLS_LAST_OCTETS)

    def _say_goodbye(self) -> None:
        """Close so that the client gets everything: closing a connection with unread octets would take back what was sent."""
        try:
            self._client.shutdown(_socket.SHUT_WR)
            end = time.monotonic() + TLS_GOODBYE_S
            while (left_s := end - time.monotonic()) > 0 and select.select([CLIENT_FD], [], [], left_s)[0]:
                if not os.read(CLIENT_FD, TLS_BUFFER_OCTETS):
                    return
        except OSError:
            pass  # it has gone


def _receive(endpoint: _socket.socket) -> bytes | None:
    """What can be read now: none at the end, None if there is nothing yet."""
    try:
        return endpoint.recv(TLS_BUFFER_OCTETS, _socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
