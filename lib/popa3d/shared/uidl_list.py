"""What another server has answered to UIDL, and perhaps to LIST, in a file that an administrator has made.

Lines are "NUMBER WORD", with numbers from 1 on: unique-ids first, then octets in a list that begins at 1 again. Between them
there may be "+OK" and "." lines, as a server sends them.

Runs as: any uid.
Trusts: nobody; lines of any other form are refused, so that root hands no other file to a user by mistake.
"""

from . import Failure
from .limits import MAX_MESSAGES
from .migration_limits import UNIQUE_ID_OCTETS

_VISIBLE = bytes(range(0x21, 0x7F))
_DIGITS = 12  # of a message's octets


class Malformed(Failure):
    """The file is no such list."""


def parse(text: bytes) -> tuple[list[bytes], list[int]]:
    """The unique-ids, and the octets of the messages or none. Raises Malformed."""
    lists: list[list[bytes]] = []
    for line, octets in enumerate(text.split(b"\n"), 1):
        words = octets.split()
        if not words or words == [b"."] or words[0] == b"+OK":
            continue
        if len(words) != 2 or len(words[1]) > UNIQUE_ID_OCTETS or words[1].translate(None, _VISIBLE):
            raise Malformed(f"line {line}: not a message's number and its unique-id")
        if words[0] == b"1" and len(lists) < 2:
            lists.append([])
        if not lists or words[0] != b"%d" % (len(lists[-1]) + 1) or len(lists[-1]) >= MAX_MESSAGES:
            raise Malformed(f"line {line}: not the number that follows")
        if len(lists) == 2 and not (words[1].isdigit() and len(words[1]) <= _DIGITS):
            raise Malformed(f"line {line}: not the octets of a message")
        lists[-1].append(words[1])
    if not lists:
        raise Malformed("it has no message")
    if len(lists) == 2 and len(lists[0]) != len(lists[1]):
        raise Malformed(f"UIDL has {len(lists[0])} messages, LIST has {len(lists[1])}")
    return lists[0], [int(octets) for octets in lists[1]] if len(lists) == 2 else []
