"""What more than one uid runs: limits, records, addresses, lines, commands, replies, the client's connection, the log.

Here: the base of popa3d's own exceptions, and how a program ends after an internal error.

Runs as: any uid.
Trusts: nothing.
"""

EX_SOFTWARE = 70  # sysexits.h: an internal error; the traceback's last line is in the log


class Failure(Exception):
    """Something could not be done. `reason` is one line for the log or the administrator, without a final full stop."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
