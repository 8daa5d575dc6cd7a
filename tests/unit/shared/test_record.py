"""The records between processes: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popa3d.shared import log, record
from popa3d.shared.limits import NAME_OCTETS, PASSWORD_OCTETS, READ_OCTETS
from popa3d.shared.settings import Settings

CONTROLS = {*range(32), 127}
USER = st.binary(min_size=1, max_size=NAME_OCTETS).map(
    lambda b: bytes(octet | 0x80 if octet in {*CONTROLS, 32} else octet for octet in b)
)
PASSWORD = st.binary(min_size=1, max_size=PASSWORD_OCTETS).map(
    lambda b: bytes(octet | 0x80 if octet in CONTROLS else octet for octet in b)
)


@given(USER, PASSWORD, st.binary(max_size=READ_OCTETS))
def test_login(user: bytes, password: bytes, ahead: bytes) -> None:
    """A login arrives as it was sent, within the bound."""
    sent = record.Login(user, password, ahead).encode()
    assert len(sent) <= record.LOGIN_RECORD_OCTETS
    got = record.decode_login(sent)
    assert got is not None
    assert (got.user, got.password, got.ahead) == (user, password, ahead)


GOOD = record.Login(b"alice", b"sesame-1", b"STAT\r\n").encode()


@pytest.mark.parametrize(
    "forged",
    [b"", b"L", b"X", b"Q" + GOOD[1:], GOOD[:-1], GOOD + b"x", GOOD[:5], b"L" + b"\xff" * 12, b"L" + b"\0" * 12]
    + [record.Login(*fields).encode() for fields in [(b"", b"p", b""), (b"u", b"", b""), (b"u" * 251, b"p", b"")]]
    + [record.Login(*fields).encode() for fields in [(b"u", b"p" * 513, b""), (b"u", b"p", b"x" * 4097), (b"u\0", b"p", b"")]]
    + [record.Login(*fields).encode() for fields in [(b"u", b"p\0", b""), (b"a b", b"p", b""), (b"a\n", b"p", b"")]]
    + [record.Login(*fields).encode() for fields in [(b"u", b"p\n", b""), (b"u", b"\n", b""), (b"u", b"a\nb", b"")]]
    + [record.Login(b"a" + bytes([control]), b"p", b"").encode() for control in sorted(CONTROLS)]
    + [record.Login(b"u", bytes([control]) + b"p", b"").encode() for control in sorted(CONTROLS)],
)
def test_forged_login(forged: bytes) -> None:
    """A record that the pre-auth child would not write is refused."""
    assert record.decode_login(forged) is None


def test_longest_login() -> None:
    """A name of 250 octets, a password of 512 and 4096 sent ahead are a login; one more of any is none (see above)."""
    for ahead in (b"", b"x" * 4096):
        for password in (b"p", b" ", b"\xff\x80", b"p" * 512):
            for user in (b"u", b"\xe4", b"u" * 250):
                got = record.decode_login(record.Login(user, password, ahead).encode())
                assert got is not None
                assert (got.user, got.password, got.ahead) == (user, password, ahead)


def test_random_octets() -> None:
    """Random and randomly damaged records are refused or harmless: no exception, no field beyond its bound."""
    seeded = random.Random(1)
    for _ in range(20_000):
        forged = bytearray(GOOD if seeded.random() < 0.7 else b"L" + seeded.randbytes(seeded.randint(0, 60)))
        for _ in range(seeded.randint(1, 4)):
            forged[seeded.randrange(len(forged))] = seeded.randrange(256)
        got = record.decode_login(bytes(forged))
        if got is not None:
            assert 0 < len(got.user) <= NAME_OCTETS and 0 < len(got.password) <= PASSWORD_OCTETS
            assert not set(got.user + got.password) & CONTROLS and b" " not in got.user
        record.decode_handover(b"H" + bytes(forged[1:]))


def settings(**changes: object) -> Settings:
    """The defaults, with `changes`."""
    result = Settings()
    for key, value in changes.items():
        setattr(result, key, value)
    return result


@pytest.mark.parametrize(("recovery", "locker"), [(False, False), (False, True), (True, False), (True, True)])
def test_handover(recovery: bool, locker: bool) -> None:
    """The handover arrives as it was sent, for the longest path too."""
    path, state = b"/" + b"d" * 4095, b"/" + b"s" * 4095
    ahead = b"x" * READ_OCTETS
    given = settings(locks=("fcntl", "dotlock"), max_octets=2**62, facility="local7")
    migration = record.FROM_LIST if locker else ""
    dry_run = locker and recovery
    sent = record.Handover(
        b"alice", 20001, path, state, b"2001:db8::1", ahead, given, recovery, locker, migration, dry_run, log.JOURNAL, 2**40
    )
    received = record.decode_handover(sent.encode())
    assert received is not None
    assert [getattr(received, name) for name in record.Handover.__slots__] == [
        getattr(sent, name) for name in record.Handover.__slots__
    ]
    assert record.decode_handover(sent.encode()[:-1]) is None
    assert record.decode_handover(sent.encode() + b"x") is None


def handed_over(**changes: object) -> bytes:
    """A handover record that is right but for `changes`, in the account, its paths or the settings."""
    good = record.Handover(b"alice", 20001, b"/var/mail/alice", b"/state", b"::1", b"STAT\r\n", Settings(), log=log.JOURNAL)
    for name, value in changes.items():
        assert hasattr(good, name)
        setattr(good, name, value)
    return good.encode()


def field(text: bytes) -> bytes:
    """A field as it stands in a record."""
    return len(text).to_bytes(4, "big") + text


def replaced(before: bytes, after: bytes) -> bytes:
    """A right handover record with one field that is another."""
    assert handed_over().count(field(before)) == 1
    return handed_over().replace(field(before), field(after))


@pytest.mark.parametrize(
    "forged",
    [
        b"L" + handed_over()[1:],
        b"",
        handed_over(path=b"/var/mail/al\0ice"),
        handed_over(state=b"/sta\0te"),
        handed_over(path=b"var/mail/alice"),
        handed_over(path=b""),
        handed_over(state=b"state"),
        handed_over(migration="cyrus"),
        handed_over(migration="-uw", dry_run=True),
        handed_over(locks=()),
        handed_over(locks=("lockf",)),
        handed_over(locks=("fcntl", "")),
        handed_over(locks=("fcntl", "fcntl")),
        handed_over(timeout_s=0),
        handed_over(timeout_s=86401),
        handed_over(max_messages=2**21 + 1),
        handed_over(locker=2),
        handed_over(log=3),
        handed_over(facility="kern"),
        handed_over(facility=""),
        replaced(b"2", b"02"),
        replaced(b"fcntl", b"fcntl,\xff"),
        replaced(b"600", b"0600"),
        replaced(b"600", b"-600"),
        replaced(b"600", b" 600"),
        replaced(b"600", b"6e2"),
        replaced(b"600", b""),
        replaced(b"600", b"9" * 5000),
        replaced(b"20001", b"-2001"),
        replaced(b"20001", b"9" * 20),
        handed_over(started_ms=-1),
        handed_over()[: -len(field(b"68719476736"))],
        handed_over() + field(b"1"),
    ],
)
def test_forged_handover(forged: bytes) -> None:
    """What root would not write is no handover: above all no path with a NUL, behind which the kernel would not look."""
    assert record.decode_handover(handed_over()) is not None
    assert record.decode_handover(handed_over(state=b"")) is not None
    assert record.decode_handover(forged) is None


def test_longest_handover() -> None:
    """A record of 16 KiB is read, and none of an octet more."""
    room = 16384 - len(handed_over(path=b"/"))
    assert record.decode_handover(handed_over(path=b"/" + b"d" * room)) is not None
    assert record.decode_handover(handed_over(path=b"/" + b"d" * (room + 1))) is None


def test_password_is_not_shown() -> None:
    """A login has no representation that shows its password."""
    login = record.Login(b"alice", b"sesame-1", b"")
    assert "sesame" not in f"{login!r} {login}"
