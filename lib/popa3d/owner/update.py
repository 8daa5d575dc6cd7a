"""The UPDATE state, RFC 1939 section 6: take the marked messages out of the mailbox, in place.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: the index, which was just checked again. A kill in the middle is not survived yet (nor is it in C popa3d).
"""

from .maildrop import Maildrop


def remove(maildrop: Maildrop, deleted: bytearray) -> None:
    """Remove each message i of the maildrop for which deleted[i] is 1, and nothing else.

    All other octets stay in their order: what is before the first message, and what was delivered since. The inode stays
    too, since a delivery agent may be waiting for its lock. Raises InUse, Changed or OSError.
    """
    maildrop.lock_for_update()
    end = 0
    for source, behind in _kept(maildrop, deleted):
        if source != end:
            maildrop.move(source, end, behind - source)
        end += behind - source
    maildrop.cut(end)


def _kept(maildrop: Maildrop, deleted: bytearray) -> list[tuple[int, int]]:
    """The spans (first octet, octet behind the last) of the file that stay, in order, as few as can be."""
    index = maildrop.index
    spans = []
    start = 0
    i = deleted.find(1)
    while i >= 0:
        spans.append((start, index.start[i]))
        i = deleted.find(0, i)
        if i < 0:
            start = index.size
            break
        start = index.start[i]
        i = deleted.find(1, i)
    spans.append((start, maildrop.size()))
    return [(a, b) for a, b in spans if a < b]
