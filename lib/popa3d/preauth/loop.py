"""The pre-auth child's loop: lines from the client to the AUTHORIZATION state, replies back, and one record to root.

Runs as: popa3d, chrooted to an empty directory, unable to start a process or to open a descriptor.
Trusts: nobody; nobody trusts it either: root checks every octet of its record.
"""

import posix as os  # as os, without its start-up time
import time

from ..shared import record
from ..shared.capabilities import Offer
from ..shared.connection import EXPIRED, Connection
from .authorization import GO_ON, LOGIN, NOT_ANOTHER, QUIT, START_TLS, TOO_MANY, Authorization

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Callable

# What root is told of a session that ends without a login, by event.
_RECORDS = {QUIT: record.LEFT, TOO_MANY: record.TOO_MANY, NOT_ANOTHER: record.NOT_ANOTHER}


def run(
    pipe: int,
    timeout_s: float,
    login_timeout_s: float,
    offer: tuple[bool, bool, bool],
    first: bytes,
    confine: "Callable[[], None]",
    meet: "Callable[[], tuple[tuple[bool, bool, bool], bytes, bytes] | None] | None",
) -> None:
    """Serve descriptors 0 and 1, then write one record into `pipe`. The caller ends the process.

    timeout_s: the limit for each line and each piece sent; login_timeout_s: for all of the AUTHORIZATION state, or what is
    left of it. offer: what Offer takes. first: the greeting, or what is said instead if there was one.
    confine: called when that is sent, before anything is read; the process can do little more than read and write then.
    meet: where the client comes through a proxy. Reads the proxy's header, and returns the offer, what is said first, and what
    the client has sent behind the header; None if there is no session. So `confine` is called before it.
    """
    deadline = time.monotonic() + login_timeout_s
    connection = Connection(b"", min(timeout_s, login_timeout_s))
    if meet is not None:
        confine()
        met = meet()
        if met is None:
            return
        offer, first, ahead = met
        connection.feed(ahead)
    if first:
        connection.put(first)
        connection.flush()
    if meet is None:
        confine()
    os.write(pipe, _serve(connection, deadline, Offer(*offer)))


def _serve(connection: Connection, deadline: float, offer: Offer) -> bytes:
    """Serve the AUTHORIZATION state until `deadline` (time.monotonic) at most; return the record for root."""
    authorization = Authorization(offer)
    event = GO_ON
    while event == GO_ON:
        line = connection.line(deadline)
        if line is None:
            return record.EXPIRED if connection.ended == EXPIRED else record.LEFT
        reply, event = authorization.receive(line)
        connection.put(reply)
    connection.flush()
    if event == LOGIN:
        return record.Login(authorization.user, authorization.password, connection.ahead()).encode()
    if event == START_TLS:
        # What came with STLS was not encrypted: somebody on the way may have added it, to be taken for what comes later.
        return record.INJECTED if connection.ahead() else record.START_TLS
    return _RECORDS[event]
