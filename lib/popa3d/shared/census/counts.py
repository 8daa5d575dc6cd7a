"""How many sessions the host has, for the administrator's limits where a super-server starts them.

Runs as: root, and the operator.
Trusts: the kernel.
"""

from ..address import source
from . import connections, processes


def counts(peer: str) -> tuple[int, int, int]:
    """How many sessions there are in all, from the source of `peer`, and of sources that may not be seen. Never raises OSError.

    The caller's own is one of them. Sessions without an address count for the source "". Takes some milliseconds for
    hundreds of processes; psutil would take ten times that.
    """
    mine = source(peer)
    in_all = of_source = unseen = 0
    for session in processes.sessions():
        address = connections.of(session.pid)[0]
        in_all += 1
        of_source += source(address) == mine
        unseen += not address and connections.denied(session.pid)
    return in_all, of_source, unseen
