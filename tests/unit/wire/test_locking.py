"""What a session and root's locker say to each other."""

from __future__ import annotations

import pytest

from popa3d.params import LOCKER_OCTETS
from popa3d.wire import locking


@pytest.mark.parametrize("name", [b"alice", b"a b", b"\xff\n" * 100, b"x" * 255])
@pytest.mark.parametrize("uid", [1, 20001, 2**32 - 2])
def test_an_owner(uid: int, name: bytes) -> None:
    """Whatever the account is called, the locker is told; and the message is as long as it may be."""
    message = locking.owner(uid, name)
    assert locking.owned(message) == (uid, name)
    assert len(message) <= LOCKER_OCTETS


@pytest.mark.parametrize("answer", [b"", b"e", b"ex", b"28", b"e-1", locking.TAKEN, locking.BUSY, locking.FREE])
def test_no_reason(answer: bytes) -> None:
    """What is no failure has no reason."""
    assert locking.reason(answer) == 0


def test_a_reason() -> None:
    """A failure has."""
    assert locking.reason(locking.failed(28)) == 28
