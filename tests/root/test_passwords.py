"""Passwords of any octets and of any length that PAM takes, by the real PAM."""

from __future__ import annotations

import base64
import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared import replies
from tests.host import PAM_QUICK, Host, bind, unmount
from tests.talk import Talk

EIGHT_BIT = "pässwörd €".encode(), bytes(range(0x80, 0x100))[:100], b"\xff\xfe sesame\xc3", b" two  words "
MOST_CRYPTED = 511  # libxcrypt's CRYPT_MAX_PASSPHRASE_SIZE is 512, with the NUL behind it
MOST = 512  # Linux-PAM's PAM_MAX_RESP_SIZE


def passes(password: bytes) -> bool:
    """Whether alice can log in with this password, by AUTH, which has room for it."""
    with Talk() as talk:
        talk.line()
        reply = talk.ask(b"AUTH PLAIN " + base64.b64encode(b"\0alice\0" + password))
    assert reply in (replies.OK, replies.LOGIN_FAILED)
    return reply == replies.OK


def change(host: Host, password: bytes) -> None:
    """Let this be alice's password; to be undone by unmounting /etc/shadow."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed = crypt(password, b"$6$rounds=1000$popa3dtest$").decode()
    assert hashed.startswith("$6$")
    lines = Path("/etc/shadow").read_text().splitlines()
    path = host.base / "shadow"
    path.touch(0o600)
    path.write_text("".join(f"alice:{hashed}:19000:0:99999:7:::\n" if x.startswith("alice:") else f"{x}\n" for x in lines))
    bind(path, "/etc/shadow")


@pytest.fixture
def seen(host: Host) -> Iterator[Path]:
    """What pam_exec gives to a program, which lets everybody in."""
    path, program = host.base / "seen", host.base / "dump"
    program.write_text(f"#!/bin/sh\ncat > {path}\n")
    program.chmod(0o755)
    host.pam_stack(f"auth required pam_exec.so expose_authtok quiet {program}\naccount required pam_permit.so\n")
    yield path
    path.unlink()


@pytest.mark.parametrize("password", EIGHT_BIT)
def test_eight_bits(host: Host, password: bytes) -> None:
    """Octets above 127, in any encoding or none, and blanks reach pam_unix as they are."""
    host.pam_stack(PAM_QUICK)
    change(host, password)
    try:
        for wrong in (password[:-1], password.decode("latin-1").encode(), password):
            with Talk() as talk:
                talk.line()
                assert talk.ask(b"USER alice") == b"+OK\r\n"
                assert talk.ask(b"PASS " + wrong).startswith(b"+OK" if wrong == password else b"-ERR [AUTH] Auth")
    finally:
        unmount("/etc/shadow")


@pytest.mark.parametrize("password", EIGHT_BIT)
def test_eight_bits_for_a_program(host: Host, seen: Path, password: bytes) -> None:
    """And so they reach pam_exec."""
    with Talk() as talk:
        talk.line()
        assert talk.ask(b"USER alice") == b"+OK\r\n"
        assert talk.ask(b"PASS " + password) == b"+OK\r\n"
    assert seen.read_bytes().rstrip(b"\0") == password


@pytest.mark.parametrize("count", [123, MOST_CRYPTED])
def test_long(host: Host, count: int) -> None:
    """pam_unix knows passwords of up to 511 octets, and each octet of them counts."""
    host.pam_stack(PAM_QUICK)
    password = (b"\xe4 long one, " * 50)[:count]
    change(host, password)
    try:
        assert passes(password)
        assert not passes(password[:-1]) and not passes(password[:-1] + b"#") and not passes(password + b"#")
    finally:
        unmount("/etc/shadow")
    assert passes(b"sesame-1")


def test_longest(host: Host, seen: Path) -> None:
    """The longest that PAM takes gets through to its modules; pam_exec shows its program all but the last octet."""
    password = (b"\xe4 long one, " * 50)[:MOST]
    assert passes(password)
    assert seen.read_bytes() == password[: MOST - 1]
