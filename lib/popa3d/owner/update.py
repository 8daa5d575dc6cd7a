"""The UPDATE state, RFC 1939 section 6: take the marked messages out of the mailbox, in place.

Runs as: the mailbox owner, with the mailbox locked exclusively.
Trusts: the index, which was just checked again. SIGKILL or a crash in the middle is not survived yet (nor is it in C
popa3d); other signals wait until the mailbox is whole.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time

from .maildrop import Maildrop


def remove(maildrop: Maildrop, deleted: bytearray) -> None:
    """Remove each message i of the maildrop for which deleted[i] is 1, and nothing else.

    All other octets stay in their order: what is before the first message, and what was delivered since. The inode stays
    too, since a delivery agent may be waiting for its lock. Raises InUse, Changed or OSError.
    """
    maildrop.lock_for_update()
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        end = behind = 0
        spans = _kept(maildrop, deleted)
        while spans:
            source, behind = spans.pop(0)
            if source != end:
                maildrop.move(source, end, behind - source)
            end += behind - source
            if not spans and maildrop.size() > behind:  # somebody delivers in spite of the lock: take that along
                spans.append((behind, maildrop.size()))
        maildrop.cut(end)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _kept(maildrop: Maildrop, deleted: bytearray) -> list[tuple[int, int]]:
    """The spans (first octet, octet behind the last) of the file that stay, in order; the last ends with the file."""
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
    return [(a, b) for i, (a, b) in enumerate(spans) if a < b or i == len(spans) - 1]
