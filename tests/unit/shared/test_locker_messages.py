"""What a session and root's locker say to each other."""

from __future__ import annotations

import pytest

from popa3d.shared import locker_messages
from popa3d.shared.limits import LOCKER_OCTETS


@pytest.mark.parametrize("name", [b"alice", b"a b", b"\xff\n" * 100, b"x" * 255])
@pytest.mark.parametrize("uid", [1, 20001, 2**32 - 2])
def test_an_owner(uid: int, name: bytes) -> None:
    """Whatever the account is called, the locker is told; and the message is as long as it may be."""
    message = locker_messages.encode_owner(4_194_304, uid, name)
    assert locker_messages.decode_owner(message) == (4_194_304, uid, name)
    assert len(message) <= LOCKER_OCTETS


NO_FAILURES = [b"", b"e", b"ex", b"28", b"e-1", locker_messages.TAKEN, locker_messages.BUSY, locker_messages.FREE]


@pytest.mark.parametrize("answer", NO_FAILURES)
def test_no_reason(answer: bytes) -> None:
    """What is no failure has no reason."""
    assert locker_messages.decode_error(answer) == 0


def test_a_reason() -> None:
    """A failure has."""
    assert locker_messages.decode_error(locker_messages.encode_error(28)) == 28
