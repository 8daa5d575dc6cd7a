"""Logging in with an e-mail address, or in upper case: whose mailbox it is, what PAM is asked, and what the log says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from popa3d.shared import replies
from popa3d.shared.limits import NO_ACCOUNT
from tests.host import ALICE, TOOR, Host
from tests.root.one_more import account
from tests.talk import POPA3D, Talk

FAILED = replies.LOGIN_FAILED
DOMAINS = '[login]\ndomains = ["example.org"]\n'
ANY = '[login]\ndomains = ["*"]\n'
CASE = "[login]\nlower_case = true\n"
BOTH = f"{DOMAINS}lower_case = true\n"


@pytest.fixture
def asked(host: Host) -> Path:
    """A file with a line for each login: the name that PAM was asked for. Passwords are checked as everywhere."""
    path = host.base / "asked"
    path.write_text("")
    program = host.base / "note"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$PAM_USER" >> {path}\n')
    program.chmod(0o755)
    host.pam_stack(
        f"auth required pam_exec.so quiet {program}\nauth required pam_unix.so nodelay\naccount required pam_unix.so\n"
    )
    return path


def log_in(host: Host, name: str, password: str, configuration: str) -> bytes:
    """The reply to PASS."""
    with Talk([*POPA3D, "-c", host.configuration(configuration)]) as talk:
        reply = talk.login(name, password)
        if reply.startswith(b"+OK"):
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        return reply


@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        ("alice", BOTH),
        ("alice@example.org", DOMAINS),
        ("alice@Example.ORG", DOMAINS),
        ("alice@wherever.example", ANY),
        ("ALICE", CASE),
        ("ALICE@Example.ORG", BOTH),
    ],
)
def test_one_account(host: Host, asked: Path, name: str, configuration: str) -> None:
    """Each form of a name opens the account's mailbox; PAM and the log know the account's name and no other."""
    host.deliver("alice", b"From a\nSubject: hers\n\nbody\n\n")
    assert log_in(host, name, ALICE.password, configuration) == b"+OK\r\n"
    host.syslog.wait("0 (0) deleted, 1 (")
    assert asked.read_text() == "alice\n"
    assert "Authentication passed for alice from 127.0.0.1" in host.syslog.text
    assert "1 message (" in host.syslog.text
    host.syslog.clear()
    assert log_in(host, name, "wrong", configuration) == FAILED
    assert host.syslog.wait("Authentication failed").endswith("for alice from 127.0.0.1")
    assert asked.read_text() == "alice\nalice\n"
    if name != "alice":
        assert name not in host.syslog.text


@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        ("alice@example.org", ""),
        ("alice@example.org", CASE),
        ("alice@example.net", BOTH),
        ("alice@mail.example.org", DOMAINS),
        ("ALICE", DOMAINS),
        ("ALICE@example.org", DOMAINS),
        ("nobody-here@example.org", BOTH),
        ("@example.org", BOTH),
    ],
)
def test_no_account(host: Host, asked: Path, name: str, configuration: str) -> None:
    """A domain that is not configured, or a name that is nobody's, is refused; PAM is asked for it, and no log line has it."""
    assert log_in(host, name, ALICE.password, configuration) == FAILED
    assert host.syslog.wait("Authentication failed").endswith("for UNKNOWN USER from 127.0.0.1")
    assert asked.read_text() == f"{name}\n"
    assert not re.search(r"alice|nobody-here|example", host.syslog.text, re.I)


@pytest.mark.parametrize("name", ["+sesame-1", "-sesame-1", "+\xff]sesame-1"])
def test_names_that_pam_unix_would_log(host: Host, asked: Path, name: str) -> None:
    """pam_unix logs names that begin with + or -, as no account's does. PAM is asked about another one that is nobody's."""
    assert log_in(host, name, "wrong", "") == FAILED
    host.syslog.wait("Authentication failed for UNKNOWN USER from 127.0.0.1")
    assert asked.read_text() == f"{NO_ACCOUNT}\n"
    assert "sesame" not in host.syslog.text and "check pass; user unknown" in host.syslog.text


def test_the_whole_name_wins(host: Host, asked: Path) -> None:
    """An account whose name has an @ is meant by that name, and not the user before the @, with or without upper case."""
    with account("alice@example.org", "another-1", 20030):
        assert log_in(host, "alice@example.org", ALICE.password, BOTH) == FAILED
        assert log_in(host, "alice@example.org", "another-1", BOTH) == b"+OK\r\n"
        assert log_in(host, "ALICE@example.org", "another-1", BOTH) == b"+OK\r\n"
        host.syslog.wait("Authentication passed for alice@example.org from 127.0.0.1")
        assert log_in(host, "alice", ALICE.password, BOTH) == b"+OK\r\n"
        assert log_in(host, "ALICE@example.org", "another-1", DOMAINS) == FAILED
    assert asked.read_text() == "alice@example.org\n" * 3 + "alice\nALICE@example.org\n"


def test_what_was_typed_wins(host: Host, asked: Path) -> None:
    """Of two accounts that differ in their letters' case, each has its own name, and other spellings mean the lower one."""
    with account("ALICE", "another-1", 20031):
        assert log_in(host, "ALICE", "another-1", BOTH) == b"+OK\r\n"
        assert log_in(host, "ALICE@example.org", "another-1", BOTH) == b"+OK\r\n"
        assert log_in(host, "Alice@example.org", ALICE.password, BOTH) == b"+OK\r\n"
    assert asked.read_text() == "ALICE\nALICE\nalice\n"


@pytest.mark.parametrize("name", ["toor@example.org", "TOOR", "root@EXAMPLE.org", "Root@example.org"])
def test_root(host: Host, name: str) -> None:
    """In whatever form root is named, PAM gets another password than the client's, and its yes does not count."""
    seen, dump = host.base / "seen", host.base / "dump"
    seen.write_bytes(b"")
    dump.write_text(f'#!/bin/sh\ncat > {seen}; echo "$PAM_USER" >> {seen}\n')
    dump.chmod(0o755)
    host.pam_stack(f"auth required pam_exec.so expose_authtok quiet {dump}\naccount required pam_permit.so\n")
    assert log_in(host, name, TOOR.password, BOTH) == FAILED
    shown = name.lower().partition("@")[0]
    assert host.syslog.wait("Authentication failed").endswith(f"for {shown} from 127.0.0.1")
    assert seen.read_bytes().endswith(f"{shown}\n".encode()) and TOOR.password.encode() not in seen.read_bytes()
