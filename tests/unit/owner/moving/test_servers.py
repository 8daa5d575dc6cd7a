"""Which unique-ids of other servers count, from the fields that they leave in mailboxes."""

from __future__ import annotations

import pytest

from popa3d.owner.moving.header_fields import X_UID, X_UIDL, header_of, values
from popa3d.owner.moving.servers import OldIds, dovecot, qpopper, uw

V = 0x6B05DD90
BASE = b"X-IMAPbase: %d 0000000007\n" % V


def headers(*numbers: int | bytes | None) -> list[bytes]:
    """Headers with these numbers, or with these fields; the first has BASE."""
    fields = [b"" if n is None else n if isinstance(n, bytes) else b"X-UID: %d\n" % n for n in numbers]
    return [b"Subject: x\n" + (BASE if i == 0 else b"") + field for i, field in enumerate(fields)]


def uids(found: OldIds) -> list[int | None]:
    """The numbers in Dovecot's unique-ids."""
    assert all(text == b"" or text[8:] == b"%08x" % V for text in found.ids)
    return [int(text[:8], 16) if text else None for text in found.ids]


@pytest.mark.parametrize(
    ("numbers", "kept", "faulty"),
    [
        ([1, 2, 7], [1, 2, 7], []),
        ([5, 6, None, None], [5, 6, None, None], []),  # new mail
        ([5, 2, 7], [5, None, None], [1, 2]),  # which Dovecot makes 5, 8, 9
        ([5, 5], [5, None], [1]),
        ([1, 8, 9], [1, 8, 9], []),  # the next ones, which Dovecot takes
        ([1, 9], [1, None], [1]),
        ([1, None, 3, None], [1, None, None, None], [2]),
        ([1, b"X-UID: 3 \n"], [1, 3], []),
        ([1, b"X-UID: 3\n\t\n"], [1, 3], []),
        ([1, b"x-uid: 3\n"], [1, 3], []),
        ([1, b"X-UID: 3x\n"], [1, None], [1]),
        ([1, b"X-UID: -3\n"], [1, None], [1]),
        ([1, b"X-UID: 99999999999999999\n"], [1, None], [1]),
        ([1, b"X-UID: 4294967297\n"], [1, None], [1]),
        ([1, b"X-UID: 0\n"], [1, None], [1]),
        ([1, b"X-UID:\n"], [1, None], [1]),
        ([3, b"X-UID: 2\nX-UID: 4\nX-UID: 5\n"], [3, 4], []),  # the first that counts
        ([1, b"X-UIDs: 3\n"], [1, None], []),
        ([1, b"Subject: \n X-UID: 3\n"], [1, None], []),
        ([1, b"X-IMAPbase: 1 0000000099\nX-UID: 50\n"], [1, None], [1]),  # only in the first message
        ([None, None], [None, None], []),
    ],
)
def test_dovecot(numbers: list[int | bytes | None], kept: list[int | None], faulty: list[int]) -> None:
    """Dovecot's rules for X-UID; what follows a message that would be numbered anew does not count."""
    found = dovecot(b"", headers(*numbers))
    assert (uids(found), [number for number, _ in found.faults]) == (kept, faulty)


def test_the_unique_ids() -> None:
    """Dovecot puts the number first, UW the validity."""
    assert dovecot(b"", headers(1, 7)).ids == [b"000000016b05dd90", b"000000076b05dd90"]
    assert uw(b"", headers(1, 7)).ids == [b"6b05dd9000000001", b"6b05dd9000000007"]


def test_faults() -> None:
    """It is said which message does not count, and that those behind it do not, as their numbers would change."""
    assert dovecot(b"", headers(5, 2, 7)).faults == [
        (1, "its X-UID does not count"),
        (2, "its X-UID does not count, as that of message 2"),
    ]


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [([1, 7], 2), ([1, 8], 1), ([1, b"X-UID: 2\nX-UID: 3\n"], 1), ([1, b"X-UID: 1\nX-UID: 3\n"], 1), ([2, 1], 1)],
)
def test_uw(numbers: list[int | bytes | None], kept: int) -> None:
    """UW takes no next number, and no second field."""
    assert sum(text != b"" for text in uw(b"", headers(*numbers)).ids) == kept


@pytest.mark.parametrize(
    "base",
    [
        b"",
        b"X-IMAPbase: 0 7\n",
        b"X-IMAPbase: x 7\n",
        b"X-IMAPbase: 1 x\n",
        b"X-IMAPbase: 1\n",
        b"X-IMAPbase: 4294967296 7\n",
        b"X-IMAPbased: 1 7\n",
    ],
)
@pytest.mark.parametrize("server", [dovecot, uw])
def test_without_a_base(base: bytes, server: object) -> None:
    """Without X-IMAPbase that counts, in the first message and before its X-UID, no number does."""
    for first in (base + b"X-UID: 1\n", b"X-UID: 1\n" + (base or BASE)):
        found = server(b"", [first, b"X-UID: 2\n", b""])  # type: ignore[operator]
        assert found.ids == [b"", b"", b""] and [number for number, _ in found.faults] == [0, 1]


@pytest.mark.parametrize("name", [b"X-IMAP", b"X-IMAPbase"])
def test_a_message_that_is_no_mail(name: bytes) -> None:
    """The base may be in the first message of the file, which popa3d hides; then that of the next one is a forged one."""
    hidden = b"Subject: DON'T DELETE\n" + name + b": %d 0000000007 Junk\n" % V
    found = dovecot(hidden, [b"X-IMAPbase: 5 9\nX-UID: 1\n", b"X-UID: 3\n"])
    assert uids(found) == [1, 3]
    assert uw(hidden, [b"X-UID: 3\n"]).ids == [b"6b05dd9000000003"]


def test_a_message_that_dovecot_hides() -> None:
    """With X-IMAP Dovecot lists a first message under no subject, and does not count it."""
    found = dovecot(b"", [b"X-IMAP: %d 0000000007\nX-UID: 1\n" % V, b"X-UID: 1\n"])
    assert (uids(found), found.faults) == ([None, 1], [])


GOOD = b"AbC~!\"#$%&'"  # 11


@pytest.mark.parametrize(
    ("fields", "old", "faults"),
    [
        (b"X-UIDL: " + GOOD, GOOD, 0),
        (b"x-uidl:" + GOOD + b"  ", GOOD, 0),
        (b"X-UIDL: " + b"x" * 32, b"x" * 32, 0),
        (b"X-UIDL: " + b"x" * 33, b"", 1),
        (b"X-UIDL: " + b"x" * 10, b"", 1),
        (b"X-UIDL: " + b"x" * 10 + b" x", b"", 1),
        (b"X-UIDL: " + b"x" * 10 + b"\xe4", b"", 1),
        (b"X-UIDL: " + GOOD + b"\nX-UIDL: " + GOOD, GOOD, 0),
        (b"X-UIDL: " + GOOD + b"\nX-UIDL: other-than-that", b"", 1),
        (b"X-UIDL:", b"", 0),
        (b"Subject: x", b"", 0),
    ],
)
def test_qpopper(fields: bytes, old: bytes, faults: int) -> None:
    """qpopper takes what is in the field if it has 11 to 32 octets; each message counts for itself."""
    found = qpopper(b"", [fields + b"\n", b"X-UIDL: 0123456789a\n"])
    assert found.ids == [old, b"0123456789a"] and len(found.faults) == faults


@pytest.mark.parametrize(
    ("text", "crlf", "header"),
    [
        (b"A: b\n\nX-UID: 1\n", False, b"A: b\n"),
        (b"\nX-UID: 1\n", False, b""),
        (b"A: b\n", False, b"A: b\n"),
        (b"A: b", False, b"A: b"),
        (b"A: b\r\n\r\nX-UID: 1\r\n", True, b"A: b\r\n"),
        (b"A: b\r\n\nX-UID: 1\r\n\r\n", True, b"A: b\r\n"),
        (b"A: b\n\r\nX-UID: 1\n\n", False, b"A: b\n\r\nX-UID: 1\n"),
    ],
)
def test_headers(text: bytes, crlf: bool, header: bytes) -> None:
    """A header ends before its empty line, as for the parser; what is in a body is no field."""
    assert header_of(text, crlf) == header


def test_values() -> None:
    """Fields come in their order, with continuation lines and without blanks around them."""
    header = b"X-UIDL: a\nX-UID:\n 1\n\t2 \nX: X-UID: 3\nx-uid: 4\r\n"
    for names in ((X_UIDL, X_UID), (X_UID, X_UIDL)):
        assert values(header, *names) == [(X_UIDL, b"a"), (X_UID, b"1\n\t2"), (X_UID, b"4")]
    assert values(b"", X_UID) == []
