"""How many sessions the host has, for the administrator's limits where a super-server starts them.

Runs as: the operator, and root where the administrator limits sessions.
Trusts: the kernel.
"""

from .. import client_note
from ..address import source
from . import connections, processes


class Counts:
    """Numbers of sessions. total: all. of_source: those of one source. unseen: those whose source may not be seen."""

    __slots__ = ("of_source", "total", "unseen")

    def __init__(self) -> None:
        self.total = self.of_source = self.unseen = 0


def count_sessions(address: str) -> Counts:
    """The Counts of the host, with those of the source of a numeric address, the caller's own included. Never raises OSError.

    Sessions without an address count for the source "". Takes some milliseconds for hundreds of processes; psutil would take
    ten times that.
    """
    counted_source = source(address)
    counts = Counts()
    for session in processes.sessions():
        address = client_note.read(session.pid) or connections.peer_and_idle(session.connected)[0]
        counts.total += 1
        counts.of_source += source(address) == counted_source
        counts.unseen += not address and connections.denied(session.connected)
    return counts
