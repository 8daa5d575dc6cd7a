"""The key's keeper as the listener has it: one for the settings of now, and another one if it ends or these change.

Runs as: root, only with -D.
Trusts: the administrator.
"""

from ...shared import Failure, log
from ...shared.limits import KEEPER_FD
from .. import process

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

    def check(self, settings: "Settings") -> None:
        """Whether there could be one for these settings, while the administrator still reads what is wrong. Raises as `keep`."""
        if settings.certificate:
            self._keep(settings, lambda _: None, 0).end()

    def begin(self, settings: "Settings") -> None:
        """Have one for these settings; if that fails (logged), sessions read certificate and key themselves."""
        try:
            self.replace(self.prepared(settings))
        except Failure as failure:
            self._queue.put(log.ERROR, failure.reason)

    def prepared(self, settings: "Settings") -> "Keeper | None":
        """A new one for these settings, which may have the same files: these may have been renewed. Raises what `keep` raises."""
        return self._keep(settings, self._warn, settings.spare) if settings.certificate else None

    def replace(self, keeper: "Keeper | None") -> None:
        """Have another one as KEEPER_FD, and ask the old one no more."""
        if keeper is None:
            process.place_null(KEEPER_FD)
        else:
            keeper.fd = process.place(keeper.fd, KEEPER_FD)
        self._keeper = keeper

    def ended(self, pid: int, settings: "Settings") -> bool:
        """A child of the listener has ended; if it is the keeper, have another one. Whether it was."""
        if self._keeper is None or pid != self._keeper.pid:
            return False
        self._queue.put(log.ERROR, "The keeper of the TLS key has ended: starting another one")
        self.replace(None)
        self.begin(settings)
        return True

    def can_be_asked(self) -> bool:
        """Whether KEEPER_FD is one."""
        return self._keeper is not None

    def _warn(self, text: str) -> None:
        self._queue.put(log.WARNING, text)
