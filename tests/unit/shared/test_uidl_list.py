"""A file with what another server has answered to UIDL and LIST."""

from __future__ import annotations

import pytest

from popa3d.shared.uidl_list import Malformed, parse

IDS, OCTETS = [b"x-1", b"y!"], [120, 7]


@pytest.mark.parametrize(
    "text",
    [
        b"1 x-1\n2 y!\n1 120\n2 7\n",
        b"+OK\r\n1 x-1\r\n2 y!\r\n.\r\n+OK 2 messages:\r\n1 120\r\n2 7\r\n.\r\n",
        b"+OK ready\r\n+OK\r\n+OK Logged in.\r\n+OK\r\n1 x-1\r\n2 y!\r\n.\r\n\r\n1 120\r\n2 7",
    ],
)
def test_both(text: bytes) -> None:
    """The lines of UIDL, then those of LIST, as a server sends them or as curl prints them."""
    assert parse(text) == (IDS, OCTETS)


def test_without_octets() -> None:
    """LIST may be missing; unique-ids may be numbers."""
    assert parse(b"1 x-1\r\n2 y!\r\n.\r\n") == (IDS, [])
    assert parse(b"1 1\n2 2\n") == ([b"1", b"2"], [])
    assert parse(b"1 " + b"x" * 70) == ([b"x" * 70], [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "it has no message"),
        (b"+OK\r\n.\r\n", "it has no message"),
        (b"2 x\n", "line 1: not the number that follows"),
        (b"1 x\n3 y\n", "line 2: not the number that follows"),
        (b"1 x\n1 5\n1 6\n", "line 3: not the number that follows"),
        (b"01 x\n", "line 1: not the number that follows"),
        (b"1 x\n2 y\n1 5\n", "UIDL has 2 messages, LIST has 1"),
        (b"1 x\n1 5\n2 6\n", "UIDL has 1 messages, LIST has 2"),
        (b"1 x\n1 y\n", "line 2: not the octets of a message"),
        (b"1 x\n1 1234567890123\n", "line 2: not the octets of a message"),
        (b"1\n", "line 1: not a message's number and its unique-id"),
        (b"1 x y\n", "line 1: not a message's number and its unique-id"),
        (b"-ERR no\n", "line 1: not the number that follows"),
        (b"1 " + b"x" * 71, "line 1: not a message's number and its unique-id"),
        (b"1 \xe4\n", "line 1: not a message's number and its unique-id"),
        (b"1 x\nroot:*:19000:0:99999:7:::\n", "line 2: not a message's number and its unique-id"),
        (b"\x7fELF\x02\x01\x01\0", "line 1: not a message's number and its unique-id"),
    ],
)
def test_malformed(text: bytes, reason: str) -> None:
    """Anything else is refused, with the line: so no other file is handed to a user."""
    with pytest.raises(Malformed) as malformed:
        parse(text)
    assert malformed.value.reason == reason
