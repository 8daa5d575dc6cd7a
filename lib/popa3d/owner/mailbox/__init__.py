"""The mailbox as a file: locks, reading and writing, what is known of it, and what is kept for the next login.

Here: the room's exceptions, that is, why a mailbox is not served or not changed.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it.
"""

from ...shared import Failure

# The faults of a mailbox file are index.parser's, and this one.
TOO_LARGE = 0
OTHER = -1


class Refused(Failure):
    """The mailbox cannot be served or cannot be changed. fault: what is wrong with the file, to tell one refusal from another.

    offset: the octet in the file up to which it could be a mailbox; negative if that is not the reason.
    """

    def __init__(self, reason: str, fault: int = OTHER, offset: int = -1) -> None:
        super().__init__(reason)
        self.fault = fault
        self.offset = offset


class InUse(Refused):
    """Another program has held its lock for LOCK_TIMEOUT_S, or is writing without one. The client is told to come back."""


class Unfinished(Refused):
    """The file is no mailbox yet, but may be the beginning of one: if somebody is still writing it, look again."""


class LockerFailed(Failure):
    """Root's locker gave no answer, or none that makes sense."""


class Changed(Failure):
    """The mailbox is not what it was, and has not merely grown. The index is worthless now, and the session ends."""
