"""The key's keeper as the listener has it: one for the settings of now, and another one if it ends or these change.

Runs as: root, only with -D.
Trusts: the administrator.
"""

import os

from ...shared import Failure, log
from ...shared.limits import KEEPER_FD

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from ...shared.settings import Settings
    from ..keeper import Keeper
    from ..start import Keep
    from .log_queue import LogQueue


class KeyKeeper:
    """At most one process (root.keeper): none where no certificate is configured, or when it could not be started again."""

    def __init__(self, keep: "Keep", queue: "LogQueue") -> None:
        self._keep = keep
        self._queue = queue
        self._keeper: "Keeper | None" = None

    def adopt(self, settings: "Settings") -> None:
        """Have one for these settings. Raises what `keep` raises; then it is as it was."""
        self.replace(self.prepared(settings))

    def prepared(self, settings: "Settings") -> "Keeper | None":
        """A new one for these settings, which may have the same files: these may have been renewed. Raises what `keep` raises."""
        return self._keep(settings, self._warn) if settings.certificate else None

    def replace(self, keeper: "Keeper | None") -> None:
        """Ask the old one no more."""
        if self._keeper is not None:
            self._keeper.close()
        self._keeper = keeper

    def ended(self, pid: int, settings: "Settings") -> None:
        """A child of the listener has ended; if it is the keeper, have another one."""
        if self._keeper is None or pid != self._keeper.pid:
            return
        self._queue.put(log.ERROR, "The keeper of the TLS key has ended: starting another one")
        self.replace(None)
        try:
            self.adopt(settings)
        except Failure as failure:  # sessions read certificate and key themselves
            self._queue.put(log.ERROR, failure.reason)

    def leave_to_session(self) -> bool:
        """In a session's process: have the socket as KEEPER_FD, if there is one; whether there is."""
        if self._keeper is not None:
            os.dup2(self._keeper.fd, KEEPER_FD)
        return self._keeper is not None

    def _warn(self, text: str) -> None:
        self._queue.put(log.WARNING, text)
