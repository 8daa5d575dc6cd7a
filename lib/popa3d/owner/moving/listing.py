"""A list that an administrator has taken of the old server, compared with the mailbox. Pure.

Runs as: the mailbox owner.
Trusts: the administrator to have taken it of this mailbox; the count must fit, and octets if they are there.
"""

from ...shared import Failure
from ..index.fields import without_rewritten
from .servers import OldIds

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE_END_OCTETS = 2  # servers differ about an unfinished last line, and an empty one at the end


class Unfit(Failure):
    """The list is not of this mailbox as it is now."""


def compare(ids: list[bytes], octets: list[int], sizes: "Iterable[int]", headers: "Iterable[bytes]") -> OldIds:
    """The unique-ids of the list for the messages of the mailbox. Raises Unfit.

    octets: of LIST, or none. sizes: the messages' octets as popa3d sends them. A server may hide the fields that mail programs
    add to stored mail, so a size fits with and without these. Only with octets may messages have come since.
    """
    sizes = list(sizes)
    if len(ids) > len(sizes) or (len(ids) < len(sizes) and not octets):
        raise Unfit(f"the list has {len(ids)} messages, the mailbox has {len(sizes)}")
    for number, (listed, size, header) in enumerate(zip(octets, sizes, headers, strict=False), 1):
        hidden = _sent_octets(header) - _sent_octets(without_rewritten(b"\n" + header, False)[0])
        if not size - hidden - _LINE_END_OCTETS <= listed <= size + _LINE_END_OCTETS:
            raise Unfit(f"message {number} has {listed} octets in the list, and {size} in the mailbox")
    found = OldIds()
    found.ids = ids + [b""] * (len(sizes) - len(ids))
    return found


def _sent_octets(text: bytes) -> int:
    """How many octets it has when its line ends are CRLF."""
    return len(text) + text.count(b"\n") - text.count(b"\r\n")
