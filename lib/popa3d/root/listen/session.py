"""From the listener to a session: what a process that it has forked does before it serves its client.

Runs as: root, only with -D.
Trusts: libwrap and the administrator. Not a single octet of the connection is read.
"""

import _signal
import _socket
import os

from ...shared import log, process_name
from ...shared.limits import PREAUTH_FD, SPARE_FD
from .. import libc, process
from . import children, spares
from .arrivals import is_admitted
from .libwrap import Libwrap
from .spares import Client

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ...shared.settings import Settings
    from ..start import Serve
    from .starter import SessionStarter
    from .tls import KeyKeeper


class SessionStart:
    """What sessions have of the listener: libwrap, and whom they can ask. The descriptors for that are in their places."""

    def __init__(self, serve: "Serve", keeper: "KeyKeeper", starter: "SessionStarter") -> None:
        """serve: becomes a session; see sequence.Door."""
        self._serve = serve
        self._keeper = keeper
        self._starter = starter
        try:
            self._libwrap: Libwrap | None = Libwrap()
        except (OSError, AttributeError):
            self._libwrap = None
            log.write(log.WARNING, "No libwrap: /etc/hosts.allow and /etc/hosts.deny are not looked at")

    def must_agree(self) -> bool:
        """Whether a session has to ask libwrap before it greets its client."""
        return self._libwrap is not None and self._libwrap.has_rules()

    def start(self, connection: int, client: Client, settings: "Settings", asks: bool) -> "tuple[int, _socket.socket | None]":
        """A process that serves the client on a descriptor, and the socket on which it asks, if it does (arrivals).

        Raises OSError.
        """
        if not asks:
            return children.start(lambda: self._be_session(connection, client, settings, -1)), None
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            return children.start(lambda: self._be_session(connection, client, settings, theirs.fileno())), ours
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()

    def _be_session(self, connection: int, client: Client, settings: "Settings", asking: int) -> "NoReturn":
        """In a child of the listener: serve the client on a descriptor. asking: see arrivals.is_admitted; -1 if it need not."""
        for fd in (0, 1):
            os.dup2(connection, fd)
        if asking >= 0:
            os.dup2(asking, SPARE_FD, False)  # libwrap may execute commands
        self._be(-1, settings, lambda: client)

    def be_spare(self, waiting: int, link: int, childs: int, settings: "Settings") -> "NoReturn":
        """In a child of the listener: wait for a client, and serve it. For the descriptors see Spares.add."""
        for fd, own in ((waiting, SPARE_FD), (link, PREAUTH_FD)):
            os.dup2(fd, own, False)  # libwrap may execute commands
        libc.set_name(process_name.SPARE)

        def receive() -> Client:
            client = spares.receive(SPARE_FD)
            libc.set_name(process_name.ROOT)
            return client

        self._be(childs, settings, receive)

    def _be(self, childs: int, settings: "Settings", receive: "Callable[[], Client]") -> "NoReturn":
        os.setsid()  # before libwrap runs what hosts.allow says: a terminal and its Ctrl-C are the listener's
        if log.target() == log.SYSTEM:
            process.send_to_null(2)

        def open_() -> tuple[str, bool, bool]:
            client = receive()
            if not client.is_greeted and self._libwrap is not None and self._libwrap.has_rules():
                _signal.alarm(settings.login_timeout_s)  # for libwrap's name look-ups; the session sets its own
                if not self._libwrap.allows(0):
                    log.write(log.WARNING, f"refused connect from {client.address or 'local'}")  # tcpd's words
                    os._exit(0)
            return client.address, client.speaks_tls, client.is_greeted

        keeps, starts = self._keeper.can_be_asked(), self._starter.can_be_asked()
        self._serve(settings, keeps, starts, childs, open_, is_admitted)
