"""What processes write to each other: both records, and the short messages. A child may have been taken over."""

from __future__ import annotations

import os

from popa3d.root import channel, reports, starter
from popa3d.root.listen.spares import Client
from popa3d.shared import findings, locker_messages, record
from popa3d.shared.limits import FINDINGS, LOCKS, NAME_OCTETS, PASSWORD_OCTETS, READ_OCTETS
from popa3d.shared.record import Handover, Login
from popa3d.shared.settings import HANDED_OVER, LOCK_NAMES, Settings
from tests.fuzz.engine import Target

_BETWEEN = b"|"  # in inputs, between the fields of a record that is made of them


def fields(data: bytes, count: int) -> list[bytes]:
    """The input in so many parts."""
    parts = data.split(_BETWEEN, count - 1)
    return parts + [b""] * (count - len(parts))


def check_login(data: bytes) -> None:
    """Root takes what the pre-auth child can write, to the octet, and all of that."""
    decoded = record.decode_login(data)
    if decoded is not None:
        assert decoded.encode() == data and len(data) <= record.LOGIN_RECORD_OCTETS
        assert _may_log_in(decoded.user, decoded.password, decoded.ahead)
    user, password, ahead = fields(data, 3)
    made = record.decode_login(Login(user, password, ahead).encode())
    assert (made is not None) == _may_log_in(user, password, ahead)
    assert made is None or (made.user, made.password, made.ahead) == (user, password, ahead)


def _may_log_in(user: bytes, password: bytes, ahead: bytes) -> bool:
    name_is_good = 0 < len(user) <= NAME_OCTETS and all(octet > 32 and octet != 127 for octet in user)
    password_is_good = 0 < len(password) <= PASSWORD_OCTETS and all(octet >= 32 and octet != 127 for octet in password)
    return name_is_good and password_is_good and len(ahead) <= READ_OCTETS


def check_handover(data: bytes) -> None:
    """The owner's program takes what root can write, to the octet; every value is one that its setting can have."""
    decoded = record.decode_handover(data)
    if decoded is None:
        return
    assert decoded.encode() == data and len(data) <= record.HANDOVER_RECORD_OCTETS
    assert decoded.path.startswith(b"/") and b"\0" not in decoded.path + decoded.state and decoded.state[:1] in (b"", b"/")
    assert decoded.migration in ("", "list", "undo", *record.SERVERS) and 0 <= decoded.log <= 2 and decoded.uid >= 0
    assert decoded.started_ms >= 0
    for setting in HANDED_OVER:
        value = getattr(decoded, setting.key)
        if isinstance(setting.kind, tuple):
            assert setting.kind[0] <= value <= setting.kind[1]
        elif setting.kind == LOCK_NAMES:
            assert value and set(value) <= set(LOCKS) and len(set(value)) == len(value)
        else:
            assert value in setting.kind


def _handover(**changes: object) -> bytes:
    values: dict[str, object] = {"owner": b"alice", "uid": 1000, "path": b"/var/mail/alice", "state": b"/var/lib/x/1000"}
    values |= {"peer": b"192.0.2.1", "ahead": b"STAT\r\n", "settings": Settings()} | changes
    return Handover(**values).encode()  # type: ignore[arg-type]


def check_messages(data: bytes) -> None:
    """Of what processes tell each other, each form is taken as it is written or refused, and no number is beyond bounds."""
    error = locker_messages.decode_error(data)
    assert not error or (0 < error < 2**31 and locker_messages.encode_error(error) == data and os.strerror(error))
    try:
        owner = locker_messages.decode_owner(data)
    except ValueError:
        pass
    else:
        assert locker_messages.encode_owner(*owner) == data
    try:
        asked = channel.decode(data)
    except ValueError:
        pass
    else:
        assert channel.encode(asked) == data
    try:
        session, gid, has_note, handover = starter.decode(data)
    except ValueError:
        pass
    else:
        assert starter.encode(session, gid, has_note, handover.encode()) == data
    try:
        client = Client.decode(data)
    except ValueError:
        pass
    else:
        assert client.encode() == data
    pairs = list(reports.decode(data))
    whole = b"".join(number.to_bytes(4, "big") for pair in pairs for number in pair)
    assert whole == data[: len(whole)] and len(data) - len(whole) < reports.OCTETS


def check_outcome(data: bytes) -> None:
    """Nothing that a TLS process says can make a line of the log look like another."""
    reading, writing = os.pipe()
    os.write(writing, data[200:])
    os.close(writing)
    found = channel.Channel(reading, data[:200])
    security, reason = found.outcome()
    os.close(reading)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
    assert not (security and reason) and len(security) <= 7 + 1 + 64 and len(reason) <= 64
    version, _, cipher = security.partition(" ")
    assert not security or (version in ("TLSv1.2", "TLSv1.3") and cipher and not cipher.strip(letters))
    assert not reason.strip(letters) or reason == "no reason"


def check_findings(data: bytes) -> None:
    """Of an owner's report, root prints bounded, printable text; what is taken is what would be written."""
    found = findings.decode(data)
    if found is None:
        return
    assert 0 < len(found) <= FINDINGS
    for each in found:
        assert each.level in findings.LEVELS and each.subject in findings.SUBJECTS
        assert all(32 <= ord(letter) < 127 for letter in each.text + each.advice)
        assert set(each.numbers) <= set(findings.NUMBERS) and all(0 <= number < 2**63 for number in each.numbers.values())
    again = findings.decode(findings.encode(found))
    assert again is not None and findings.encode(again) == findings.encode(found)


_FINDINGS = findings.encode([findings.Finding("ok", "mailbox", "3 messages", "", messages=3, octets=9)])
TARGETS = (
    Target(
        "login-record",
        check_login,
        (Login(b"alice", b"sesame", b"STAT\r\n").encode(), b"alice|sesame|STAT", b"a" * 250 + b"|" + b"p" * 512 + b"|x"),
        (b"L", b"Q", b"\0\0\0\1", b"|", b"\x7f", b" "),
        6000,
    ),
    Target(
        "handover-record",
        check_handover,
        (_handover(), _handover(recovery=True, ahead=b""), _handover(migration="dovecot", dry_run=True, locker=True, log=2)),
        (b"H", b"R", b"\0\0\0\1", b"fcntl", b"flock", b"dotlock", b",", b"-", b"undo", b"list", b"uw", b"0", b"/", b"mail"),
        4096,
    ),
    Target(
        "messages",
        check_messages,
        (
            locker_messages.encode_error(13), locker_messages.encode_owner(7, 1000, b"alice"), channel.encode((7, 120, True, 0)),
            Client("192.0.2.1", True).encode(), b"\0\0\0\7\0\0\0\0", starter.encode(7, 1000, True, _handover()),
        ),
        (b"e", b" ", b"0", b"1", b"_", b"-", b"+"),
    ),
    Target(
        "tls-outcome",
        check_outcome,
        (b"TLSv1.3 TLS_AES_256_GCM_SHA384", b"!WRONG_VERSION_NUMBER", b"", b"TLSv1.2 " + b"A" * 64),
        (b"TLSv1.2", b" ", b"!", b"\n"),
        400,
    ),
    Target("findings", check_findings, (_FINDINGS,), (b"[", b"]", b"{", b"}", b'"', b"1e9", b"null", b"-1", b"true", b"\\ud800")),
)  # fmt: skip
