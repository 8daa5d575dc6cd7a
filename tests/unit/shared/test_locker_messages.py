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


NO_FAILURES = [
    b"",
    b"e",
    b"ex",
    b"28",
    b"e-1",
    b"e028",
    b"e28 ",
    b"e99999",
    b"e" + b"9" * 500,
    locker_messages.TAKEN,
    locker_messages.BUSY,
    locker_messages.FREE,
]


@pytest.mark.parametrize("answer", NO_FAILURES)
def test_no_reason(answer: bytes) -> None:
    """What is no failure has no reason."""
    assert locker_messages.decode_error(answer) == 0


def test_a_reason() -> None:
    """A failure has."""
    assert locker_messages.decode_error(locker_messages.encode_error(28)) == 28


@pytest.mark.parametrize("message", [b"", b"7 1000", b"7 x a", b"07 1000 a", b"+7 1000 a", b"7 1_000 a", b" 7 1000 a"])
def test_no_owner(message: bytes) -> None:
    """What root would not write names no owner."""
    with pytest.raises(ValueError, match=r"not as root writes it|invalid literal for int"):
        locker_messages.decode_owner(message)
