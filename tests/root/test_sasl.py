"""Logging in with AUTH, through the whole of popa3d: what PAM gets, what the next program gets, and the longest names."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared import capabilities, replies
from popa3d.shared.limits import NAME_OCTETS
from tests.host import ALICE, STATE, Host
from tests.root.interrupted import AFTER, interrupt
from tests.root.one_more import account
from tests.root.recovering import recover
from tests.talk import POPA3D, Talk, piped

OK, FAILED = replies.OK, replies.LOGIN_FAILED
MAILBOX = b"From a\nSubject: x\n\nbody\n\n"
LONG = "n" * NAME_OCTETS
LONG_UID = 20030


def plain(user: str, password: bytes, identity: str = "") -> bytes:
    """The response of a client that logs in with these."""
    return base64.b64encode(b"\0".join((identity.encode(), user.encode(), password)))


@pytest.fixture
def passwords(host: Host) -> Iterator[Path]:
    """A PAM stack that takes any password, and the file in which it leaves the last one."""
    seen, dump = host.base / "seen", host.base / "dump"
    dump.write_text(f"#!/bin/sh\ncat > {seen}\n")
    dump.chmod(0o755)
    host.pam_stack(f"auth required pam_exec.so expose_authtok quiet {dump}\naccount required pam_permit.so\n")
    yield seen
    seen.unlink(missing_ok=True)


def greeted(said: bytes) -> list[bytes]:
    """The replies behind the greeting."""
    lines = said.splitlines(keepends=True)
    assert lines[0].startswith(b"+OK popa3d")
    return lines[1:]


@pytest.mark.parametrize("split", [False, True], ids=["initial response", "challenge"])
def test_log_in(host: Host, split: bool) -> None:
    """The right password opens the mailbox, a wrong one ends the connection; all in one go, or step by step."""
    host.deliver("alice", MAILBOX)
    start, challenge = (b"AUTH PLAIN\r\n", [replies.CHALLENGE]) if split else (b"AUTH PLAIN ", [])
    right = start + plain("alice", ALICE.password.encode(), "alice") + b"\r\n"
    assert greeted(piped(right + b"STAT\r\nAUTH\r\nCAPA\r\nQUIT\r\n")) == [
        *challenge,
        *(OK, b"+OK 1 %d\r\n" % len("Subject: x\r\n\r\nbody\r\n"), replies.INVALID),
        *capabilities.LIST.splitlines(keepends=True),
        OK,
    ]
    host.syslog.wait("Authentication passed for alice")
    wrong = start + plain("alice", b"sesame-2") + b"\r\n"
    assert greeted(piped(wrong + b"STAT\r\nQUIT\r\n")) == [*challenge, FAILED]
    host.syslog.wait("Authentication failed for alice")
    with Talk() as talk:
        talk.line()
        assert b"".join([talk.ask(b"CAPA"), *(talk.line() for _ in range(8))]) == capabilities.LIST
        for line in right.splitlines()[:-1]:
            assert talk.ask(line) == replies.CHALLENGE
        assert talk.ask(right.splitlines()[-1]) == OK
        assert talk.ask(b"QUIT") == OK


@pytest.mark.parametrize(
    "password",
    [b"p" * 511, b"p" * 251, b" two  blanks ", bytes(range(0x80, 0x100)), b"*", b"=", b" ", "\N{KEY}".encode()],
    ids=["longest", "longer than PASS", "blanks", "8-bit", "star", "equals", "blank", "UTF-8"],
)
def test_what_pam_gets(host: Host, passwords: Path, password: bytes) -> None:
    """PAM has the password octet for octet (pam_exec passes on 511 at most, of the 512 that Linux-PAM has room for)."""
    assert greeted(piped(b"AUTH PLAIN\r\n" + plain("alice", password) + b"\r\nQUIT\r\n")) == [replies.CHALLENGE, OK, OK]
    assert passwords.read_bytes().removesuffix(b"\0") == password
    if len(password) <= 250:
        passwords.unlink()
        assert greeted(piped(b"USER alice\r\nPASS " + password + b"\r\nQUIT\r\n")) == [OK, OK, OK]
        assert passwords.read_bytes().removesuffix(b"\0") == password


def test_what_pam_does_not_get(host: Host, passwords: Path) -> None:
    """What is too long, or has control characters, is refused and not cut; PAM is not asked, nothing of it is in the log."""
    lines = [
        b"PASS " + b"p" * 251,
        b"PASS " + b"p" * 5000,
        b"PASS sesame\x01",
        b"PASS sesame\t1",
        b"AUTH PLAIN " + plain("alice", b"p" * 513),
        b"AUTH PLAIN " + plain("alice", b"sesame\n1"),
        b"AUTH PLAIN " + plain("al\x1bice", b"sesame"),
        b"AUTH PLAIN " + plain("u" * 251, b"sesame"),
    ]
    said = greeted(piped(b"USER alice\r\n" + b"".join(line + b"\r\n" for line in lines) + b"QUIT\r\n"))
    assert said[0] == said[-1] == OK
    assert [line[:5] for line in said[1:-1]] == [b"-ERR "] * len(lines)
    host.syslog.wait("Didn't attempt authentication")
    assert not passwords.exists()
    assert "sesame" not in host.syslog.text and "ppp" not in host.syslog.text


def test_as_another_user(host: Host, passwords: Path) -> None:
    """Alice's password does not make her bob; the connection ends, PAM is not asked, and no name is logged."""
    said = greeted(piped(b"AUTH PLAIN " + plain("alice", b"sesame-1", "bob") + b"\r\nUSER alice\r\nPASS x\r\n"))
    assert said == [replies.NOT_ANOTHER]
    host.syslog.wait("Login as another user refused")
    assert not passwords.exists()
    assert "alice" not in host.syslog.text and "bob" not in host.syslog.text


@pytest.fixture
def long_account(host: Host) -> Iterator[None]:
    """An account whose name has as many octets as a name may have."""
    with account(LONG, "sesame-1", LONG_UID):
        yield


def test_the_longest_name(host: Host, long_account: None) -> None:
    """It logs in by USER and by AUTH, and deletes mail: files in the state directory begin with a part of it."""
    for login in (
        b"USER " + LONG.encode() + b"\r\nPASS sesame-1\r\n",
        b"AUTH PLAIN\r\n" + plain(LONG, b"sesame-1", LONG) + b"\r\n",
    ):
        mailbox = host.deliver(LONG, MAILBOX * 2)
        said = greeted(piped(login + b"DELE 1\r\nQUIT\r\n"))
        assert said[-3:] == [OK, OK, OK]
        assert mailbox.read_bytes() == MAILBOX
    host.syslog.wait(f"Authentication passed for {LONG}")


def test_dot_lock_of_the_longest_name(host: Host, long_account: None) -> None:
    """The name of its dot-lock is just short enough for a file."""
    host.deliver(LONG, MAILBOX)
    with Talk([*POPA3D, "-c", host.configuration('[mailbox]\nlocks = ["dotlock"]\n')]) as talk:
        assert talk.login(LONG, "sesame-1") == OK
        assert talk.ask(b"DELE 1") == OK
        assert talk.ask(b"QUIT") == OK
    assert Path("/var/mail", LONG).read_bytes() == b""


@pytest.mark.parametrize("told", ["--all", LONG], ids=["all", "one"])
def test_recovery_of_the_longest_name(host: Host, long_account: None, state: Path, told: str) -> None:
    """popa3d-recover finds the account by the part of its name."""
    mailbox = interrupt(host, name=LONG)
    (name,) = os.listdir(STATE / str(LONG_UID))
    assert name.startswith("n" * 40 + "-") and len(name) < 80
    assert recover(told) == (0, "")
    assert mailbox.read_bytes() == AFTER
    assert os.listdir(STATE / str(LONG_UID)) == []
