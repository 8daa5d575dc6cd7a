"""What a session and root's locker say to each other: one message each, in a socket that keeps them apart.

Runs as: any uid.
Trusts: nobody; what is none of these is no message.
"""

# The session's.
TAKE = b"+"  # make the dot-lock, if there is none; it is answered
LET_GO = b"-"  # remove it; it is answered
TOUCH = b"."  # somebody is still at work

# The answers.
TAKEN = b"y"
BUSY = b"n"
FREE = b"f"
_FAILED = b"e"


def owner(uid: int, name: bytes) -> bytes:
    """Root's first message: whose mailbox it is."""
    return b"%d %s" % (uid, name)


def owned(message: bytes) -> tuple[int, bytes]:
    """The uid and the name of an owner."""
    uid, _, name = message.partition(b" ")
    return int(uid), name


def failed(error: int) -> bytes:
    """The answer that the lock cannot be made, with the reason's errno."""
    return _FAILED + b"%d" % error


def reason(answer: bytes) -> int:
    """The errno of `failed`; 0 if it is another answer, or none."""
    number = answer[len(_FAILED) :]
    return int(number) if answer.startswith(_FAILED) and number.isdigit() else 0
