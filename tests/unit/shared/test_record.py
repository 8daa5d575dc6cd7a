"""The records between processes: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popa3d.shared import record
from popa3d.shared.limits import ARGUMENT_OCTETS, PASSWORD_OCTETS, READ_OCTETS

USER = st.binary(min_size=1, max_size=ARGUMENT_OCTETS).filter(lambda b: not set(b) & set(b" \n\0"))
PASSWORD = st.binary(min_size=1, max_size=PASSWORD_OCTETS).filter(lambda b: not set(b) & set(b"\n\0"))


@given(USER, PASSWORD, st.binary(max_size=READ_OCTETS))
def test_login(user: bytes, password: bytes, ahead: bytes) -> None:
    """A login arrives as it was sent, within the bound."""
    sent = record.Login(user, password, ahead).encode()
    assert len(sent) <= record.LOGIN_RECORD_OCTETS
    got = record.login(sent)
    assert got is not None
    assert (got.user, got.password, got.ahead) == (user, password, ahead)


GOOD = record.Login(b"alice", b"sesame-1", b"STAT\r\n").encode()


@pytest.mark.parametrize(
    "forged",
    [b"", b"L", b"X", b"Q" + GOOD[1:], GOOD[:-1], GOOD + b"x", GOOD[:5], b"L" + b"\xff" * 12, b"L" + b"\0" * 12]
    + [record.Login(*fields).encode() for fields in [(b"", b"p", b""), (b"u", b"", b""), (b"u" * 41, b"p", b"")]]
    + [record.Login(*fields).encode() for fields in [(b"u", b"p" * 123, b""), (b"u", b"p", b"x" * 4097), (b"u\0", b"p", b"")]]
    + [record.Login(*fields).encode() for fields in [(b"u", b"p\0", b""), (b"a b", b"p", b""), (b"a\n", b"p", b"")]]
    + [record.Login(*fields).encode() for fields in [(b"u", b"p\n", b""), (b"u", b"\n", b""), (b"u", b"a\nb", b"")]],
)
def test_forged_login(forged: bytes) -> None:
    """A record that the pre-auth child would not write is refused."""
    assert record.login(forged) is None


def test_longest_login() -> None:
    """A name of 40 octets, a password of 122 and 4096 sent ahead are a login; one more of any is none (see above)."""
    for ahead in (b"", b"x" * 4096):
        for password in (b"p", b"p" * 122):
            for user in (b"u", b"u" * 40):
                got = record.login(record.Login(user, password, ahead).encode())
                assert got is not None
                assert (got.user, got.password, got.ahead) == (user, password, ahead)


def test_random_octets() -> None:
    """Random and randomly damaged records are refused or harmless: no exception, no field beyond its bound."""
    seeded = random.Random(1)
    for _ in range(20_000):
        forged = bytearray(GOOD if seeded.random() < 0.7 else b"L" + seeded.randbytes(seeded.randint(0, 60)))
        for _ in range(seeded.randint(1, 4)):
            forged[seeded.randrange(len(forged))] = seeded.randrange(256)
        got = record.login(bytes(forged))
        if got is not None:
            assert 0 < len(got.user) <= ARGUMENT_OCTETS and 0 < len(got.password) <= PASSWORD_OCTETS
            assert b"\0" not in got.user + got.password and b"\n" not in got.user + got.password
        record.handover(b"H" + bytes(forged[1:]))


@pytest.mark.parametrize(("recovery", "locker"), [(False, False), (False, True), (True, False), (True, True)])
def test_handover(recovery: bool, locker: bool) -> None:
    """The handover arrives as it was sent, for the longest path too."""
    path, state = b"/" + b"d" * 4095, b"/" + b"s" * 4095
    ahead = b"x" * READ_OCTETS
    sent = record.Handover(
        b"alice", 20001, path, state, b"fcntl,dotlock", b"2001:db8::1", 600, 2**21, 2**40, ahead, recovery, locker
    )
    got = record.handover(sent.encode())
    assert got is not None
    assert [getattr(got, name) for name in record.Handover.__slots__] == [
        getattr(sent, name) for name in record.Handover.__slots__
    ]
    assert record.handover(sent.encode()[:-1]) is None
    assert record.handover(sent.encode() + b"x") is None


def told(**changes: object) -> bytes:
    """A handover that is right but for `changes`."""
    good = record.Handover(b"alice", 20001, b"/var/mail/alice", b"/state", b"fcntl", b"::1", 600, 10, 1000, b"STAT\r\n")
    for name, value in changes.items():
        assert hasattr(good, name)
        setattr(good, name, value)
    return good.encode()


@pytest.mark.parametrize(
    "forged",
    [
        b"L" + told()[1:],
        b"",
        told(path=b"/var/mail/al\0ice"),
        told(state=b"/sta\0te"),
        told(path=b"var/mail/alice"),
        told(path=b""),
        told(state=b"state"),
        told(locks=b""),
        told(locks=b"lockf"),
        told(locks=b"fcntl,"),
        told(locks=b"fcntl,\xff"),
        told().replace(b"20001 600 10 1000", b"20001 600 1001000"),
        told().replace(b"20001 600 10 1000", b"2001 600 10 10 00"),
        told().replace(b"20001 600 10 1000", b"-2001 600 10 1000"),
        told().replace(b"20001 600 10 1000", b"20001  600 101000"),
        told().replace(b"20001 600 10 1000", b"20001 600 10 1e00"),
    ],
)
def test_forged_handover(forged: bytes) -> None:
    """What root would not write is no handover: above all no path with a NUL, behind which the kernel would not look."""
    assert record.handover(told()) is not None
    assert record.handover(told(state=b"")) is not None
    assert record.handover(forged) is None


def test_longest_handover() -> None:
    """A record of 16 KiB is read, and none of an octet more."""
    room = 16384 - len(told(path=b"/"))
    assert record.handover(told(path=b"/" + b"d" * room)) is not None
    assert record.handover(told(path=b"/" + b"d" * (room + 1))) is None


def test_password_is_not_shown() -> None:
    """A login has no representation that shows its password."""
    login = record.Login(b"alice", b"sesame-1", b"")
    assert "sesame" not in f"{login!r} {login}"
