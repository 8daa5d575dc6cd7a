"""What a session and root's locker say to each other: one message at a time, in a socket that keeps messages apart.

Runs as: any uid.
Trusts: nobody; whatever is none of these is no message.
"""

# The session's questions.
TAKE = b"+"  # make the dot-lock, if there is none; answered by TAKEN, BUSY or an error
LET_GO = b"-"  # remove it; answered by FREE
TOUCH = b"."  # renew its time; not answered

# The locker's answers.
TAKEN = b"y"
BUSY = b"n"
FREE = b"f"
_ERROR = b"e"
_ERROR_DIGITS = 4  # of an errno: the kernel has none beyond 4095 (MAX_ERRNO)


def encode_owner(session: int, uid: int, name: bytes) -> bytes:
    """Root's first message: the session's process, and the mailbox owner's uid and name."""
    return b"%d %d %s" % (session, uid, name)


def decode_owner(message: bytes) -> tuple[int, int, bytes]:
    """Process, uid and name in a message that `encode_owner` made. Raises ValueError for any other."""
    session, _, rest = message.partition(b" ")
    uid, _, name = rest.partition(b" ")
    if encode_owner(int(session), int(uid), name) != message:
        raise ValueError("not as root writes it")
    return int(session), int(uid), name


def encode_error(number: int) -> bytes:
    """The answer that the dot-lock cannot be made, with an errno."""
    return _ERROR + b"%d" % number


def decode_error(answer: bytes) -> int:
    """The errno in an answer that `encode_error` made; 0 if it is another answer, or empty."""
    number = answer[len(_ERROR) :]
    is_number = answer.startswith(_ERROR) and number.isdigit() and len(number) <= _ERROR_DIGITS
    return int(number) if is_number and answer == encode_error(int(number)) else 0
