"""Who may log in, by the host's real PAM, and what each attempt looks like to the client and in the log."""

from __future__ import annotations

import socket

import pytest

from popa3d import VERSION
from tests.host import PAM_QUICK, PASSWORDS, Host
from tests.talk import POPA3D, Talk, connection

FAILED = b"-ERR [AUTH] Authentication failed (bad password?)\r\n"


def attempt(name: bytes, password: bytes) -> bytes:
    """All that the server says to a USER and a PASS, after the greeting."""
    with Talk() as talk:
        talk.send(b"USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" % (name, password))
        talk.line()
        return talk.rest()


def test_shipped_pam_stack(host: Host) -> None:
    """With the shipped PAM file the right password opens the mailbox and a wrong one does not; both are logged with the peer."""
    assert attempt(b"alice", b"sesame-1") == b"+OK\r\n+OK\r\n+OK 0 0\r\n+OK\r\n"
    host.syslog.wait("0 (0) deleted, 0 (0) left for alice")
    assert "Session from 127.0.0.1" in host.syslog.text
    assert "Authentication passed for alice from 127.0.0.1" in host.syslog.text
    assert "0 messages (0 bytes) loaded for alice" in host.syslog.text
    assert attempt(b"alice", b"sesame-2") == b"+OK\r\n" + FAILED
    host.syslog.wait("Authentication failed for alice from 127.0.0.1")
    # what fail2ban's pam-generic filter reads: a non-empty tty, and the address as rhost
    host.syslog.wait("pam_unix(popa3d:auth): authentication failure; logname= uid=0 euid=0 tty=popa3d ruser= rhost=127.0.0.1")


@pytest.mark.parametrize(
    ("name", "password", "shown"),
    [
        ("nobody-here", "x", "UNKNOWN USER"),
        ("ALICE", "sesame-1", "UNKNOWN USER"),
        ("alice", "sesame-1 ", "alice"),
        ("alice", " sesame-1", "alice"),
        ("carol", "expired-2", "carol"),
        ("dave", "locked-1", "dave"),
        ("nopass", "x", "nopass"),
        ("toor", "root-by-another-name", "toor"),
        ("popa3d", "x", "popa3d"),
        ("../../etc/passwd", "x", "UNKNOWN USER"),
        ("%s%n", "%s%n", "UNKNOWN USER"),
        ("u" * 250, "x" * 250, "UNKNOWN USER"),
        ("\xe4\xf6", "\xfc", "UNKNOWN USER"),
    ],
)
def test_refused(host: Host, name: str, password: str, shown: str) -> None:
    """Wrong passwords, unknown, locked, empty and uid-0 accounts get one and the same answer; the log names accounts only."""
    host.pam_stack(PAM_QUICK)
    assert attempt(name.encode("latin-1"), password.encode("latin-1")) == b"+OK\r\n" + FAILED
    line = host.syslog.wait("Authentication failed for")
    assert line.endswith(f"Authentication failed for {shown} from 127.0.0.1")


def test_root_even_if_pam_says_yes(host: Host) -> None:
    """uid 0 is refused whatever its name and whatever PAM thinks of it."""
    host.pam_stack("auth required pam_permit.so\naccount required pam_permit.so\n")
    for name in (b"root", b"toor"):
        assert attempt(name, b"x") == b"+OK\r\n" + FAILED


def test_root_password_never_reaches_pam(host: Host) -> None:
    """For a uid-0 account PAM is asked with another password than the client's, so that time tells nothing about it."""
    seen = host.base / "seen"
    dump = host.base / "dump"
    dump.write_text(f"#!/bin/sh\ncat > {seen}\n")
    dump.chmod(0o755)
    host.pam_stack(f"auth required pam_exec.so expose_authtok quiet {dump}\naccount required pam_permit.so\n")
    assert attempt(b"toor", b"root-by-another-name") == b"+OK\r\n" + FAILED
    assert seen.read_bytes() and b"another-name" not in seen.read_bytes()
    assert attempt(b"alice", b"two words ") == b"+OK\r\n+OK\r\n+OK 0 0\r\n+OK\r\n"
    assert seen.read_bytes().rstrip(b"\0") == b"two words "


def test_empty_password(host: Host) -> None:
    """An empty password is no PASS command and never reaches PAM, not even for an account that has none."""
    host.pam_stack("auth required pam_unix.so nullok nodelay\naccount required pam_unix.so\n")
    for line in (b"PASS", b"PASS "):
        with Talk() as talk:
            talk.line()
            assert talk.ask(b"USER nopass") == b"+OK\r\n"
            assert talk.ask(line).startswith(b"-ERR")
            assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert "pam_unix" not in host.syslog.text
    assert "Authentication failed" not in host.syslog.text


def test_null_tokens_are_disallowed_whatever_the_stack_says(host: Host) -> None:
    """An account without a password is refused for any password, though the PAM stack says nullok."""
    host.pam_stack("auth required pam_unix.so nullok nodelay\naccount required pam_unix.so\n")
    assert attempt(b"nopass", b"anything") == b"+OK\r\n" + FAILED


@pytest.mark.parametrize("family", [socket.AF_INET6, socket.AF_UNIX])
def test_other_peers(host: Host, family: socket.AddressFamily) -> None:
    """IPv6 and local peers are served; the log says what is known of them."""
    ends = socket.socketpair() if family == socket.AF_UNIX else connection(family)
    with Talk(ends=ends) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert talk.status() == 0
    known = "Authentication passed for alice from ::1" if family == socket.AF_INET6 else "Authentication passed for alice"
    assert host.syslog.wait("Authentication passed").endswith(known)


def test_mapped_peer(host: Host) -> None:
    """An IPv4 peer on an IPv6 socket is logged, and told to PAM, by its IPv4 address."""
    host.pam_stack(PAM_QUICK)
    with socket.socket(socket.AF_INET6) as listening:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(("::", 0))
        listening.listen(1)
        client = socket.create_connection(("127.0.0.1", listening.getsockname()[1]))
        server, _ = listening.accept()
    with Talk(ends=(client, server)) as talk:
        assert talk.login(password="wrong") == FAILED
    host.syslog.wait("Authentication failed for alice from 127.0.0.1")
    host.syslog.wait("rhost=127.0.0.1")


def test_one_pass_per_connection(host: Host) -> None:
    """After a failed PASS the connection ends, whatever was sent behind it."""
    host.pam_stack(PAM_QUICK)
    with Talk() as talk:
        talk.line()
        talk.send(b"USER alice\r\nPASS wrong\r\nUSER alice\r\nPASS sesame-1\r\nSTAT\r\n")
        assert talk.rest() == b"+OK\r\n" + FAILED
        assert talk.status() == 0


def test_no_password_in_the_log(host: Host) -> None:
    """Neither a right nor a wrong password, nor a password typed as a user name, is ever logged."""
    host.pam_stack(PAM_QUICK)
    attempt(b"alice", b"sesame-1")
    attempt(b"alice", b"typo-sesame-1")
    attempt(b"sesame-1", b"x")
    host.syslog.wait("UNKNOWN USER")
    assert "sesame" not in host.syslog.text
    assert set(PASSWORDS.values()) & set(host.syslog.text.split()) <= {""}


@pytest.mark.parametrize(
    ("option", "logged"),
    [
        (["-c", "/nonexistent"], "/nonexistent: No such file"),
        (["-x"], "unknown option -x"),
        (["-c"], "option -c needs a file"),
        (["word"], "unexpected argument word"),
        (["--version"], "unknown option --"),
        (["-4"], "option -4 needs -D or -F"),
    ],
)
def test_wrong_options(host: Host, option: list[str], logged: str) -> None:
    """A wrong option says nothing on the connection (standard error is the socket here, as under inetd), and is logged."""
    with Talk([*POPA3D, *option]) as talk:
        assert talk.rest() == b""
        assert talk.status() == 1
    host.syslog.wait(logged)


def test_version_behind_which_is_a_mistake(host: Host) -> None:
    """-V is answered whatever stands behind it."""
    with Talk([*POPA3D, "-Vx"]) as talk:
        assert talk.rest().startswith(b"popa3d version %s (" % VERSION.encode())
