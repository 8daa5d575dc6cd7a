"""The pre-auth child's loop: lines from the client to the AUTHORIZATION state, replies back, and one record to root.

Runs as: popa3d, chrooted to an empty directory, unable to start a process or to open a descriptor.
Trusts: nobody; nobody trusts it either: root checks every octet of its record.
"""

import posix as os  # as os, without its start-up time
import time

from ..shared import record, replies
from ..shared.connection import EXPIRED, Connection
from .authorization import GO_ON, LOGIN, NOT_ANOTHER, QUIT, TOO_MANY, Authorization

# What root is told of a session that ends without a login, by event.
_RECORDS = {QUIT: record.LEFT, TOO_MANY: record.TOO_MANY, NOT_ANOTHER: record.NOT_ANOTHER}


def run(pipe: int, timeout_s: int, login_timeout_s: int) -> None:
    """Serve descriptors 0 and 1, then write one record into `pipe`. The caller ends the process.

    timeout_s: the limit for each line and each piece sent; login_timeout_s: for all of the AUTHORIZATION state.
    """
    deadline = time.monotonic() + login_timeout_s
    os.write(pipe, _serve(Connection(b"", min(timeout_s, login_timeout_s)), deadline))


def _serve(connection: Connection, deadline: float) -> bytes:
    """Serve the AUTHORIZATION state until `deadline` (time.monotonic) at most; return the record for root."""
    authorization = Authorization()
    connection.put(replies.GREETING)
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
    return _RECORDS[event]
