"""The loop of the TRANSACTION state: lines from the client to the state machine, and replies back as they are made.

Runs as: the mailbox owner.
Trusts: nobody.
"""

from ...shared.connection import Connection
from .transaction import QUIT, Transaction


def serve(connection: Connection, transaction: Transaction) -> bool:
    """Answer commands until QUIT (True; what was said before it may still be queued) or the connection's end (False).

    Raises InUse in the middle of a message, Changed, or OSError: then nothing can be served any more.
    """
    while True:
        line = connection.line(idle=transaction.prepare)
        if line is None:
            return False
        blocks, event = transaction.receive(line)
        for block in blocks:
            connection.put(block)
            if connection.ended:
                return False  # and the rest of a message is not read
        if event == QUIT:
            return True
