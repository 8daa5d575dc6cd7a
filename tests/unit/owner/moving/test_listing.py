"""A list of the old server's, compared with the mailbox."""

from __future__ import annotations

import pytest

from popa3d.owner.moving.listing import Unfit, compare

MARKED = b"Subject: x\r\nX-UID: 1\r\nStatus: RO\r\n"
PLAIN = b"Subject: x\n"
HIDDEN = len(b"X-UID: 1\r\nStatus: RO\r\n")


def test_count() -> None:
    """Without octets there must be as many messages."""
    assert compare([b"a", b"b"], [], [10, 20], [PLAIN, PLAIN]).ids == [b"a", b"b"]
    for ids, sizes in (([b"a"], [10, 20]), ([b"a", b"b"], [10])):
        with pytest.raises(Unfit, match=r"the list has . messages, the mailbox has ."):
            compare(ids, [], sizes, [PLAIN] * len(sizes))


def test_octets() -> None:
    """With octets, mail may have come since, but none be gone."""
    found = compare([b"a", b"b"], [10, 20], [10, 20, 30], [PLAIN] * 3)
    assert (found.ids, found.faults) == ([b"a", b"b", b""], [])
    with pytest.raises(Unfit, match="the list has 2 messages, the mailbox has 1"):
        compare([b"a", b"b"], [10, 20], [10], [PLAIN])


@pytest.mark.parametrize(
    ("listed", "header", "fits"),
    [
        (100, PLAIN, True),
        (98, PLAIN, True),
        (102, PLAIN, True),
        (97, PLAIN, False),
        (103, PLAIN, False),
        (100 - HIDDEN, MARKED, True),
        (98 - HIDDEN, MARKED, True),
        (97 - HIDDEN, MARKED, False),
        (100 - HIDDEN, MARKED.replace(b"\r", b""), True),
        (97 - HIDDEN, MARKED.replace(b"\r", b""), False),
        (90, MARKED, True),  # the server hides some of the fields
    ],
)
def test_what_fits(listed: int, header: bytes, fits: bool) -> None:
    """A server may hide fields that mail programs add, and count an unfinished line otherwise; nothing else."""
    for before in (0, 1):
        sizes, headers = [50] * before + [100], [PLAIN] * before + [header]
        ids, octets = [b"x"] * before + [b"a"], [50] * before + [listed]
        if fits:
            assert compare(ids, octets, sizes, headers).ids[-1] == b"a"
        else:
            with pytest.raises(Unfit, match=f"message {before + 1} has {listed} octets in the list, and 100 in the mailbox"):
                compare(ids, octets, sizes, headers)
