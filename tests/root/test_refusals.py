"""What the host's real PAM refuses, and why: the reply and the log line of each. A wrong password is the same everywhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared import replies
from tests.host import PAM_QUICK, Host, bind, unmount
from tests.talk import Talk

UNIX_AUTH = "auth required pam_unix.so nodelay\n"
UNIX_ACCOUNT = "account required pam_unix.so\n"
PERMIT = "account required pam_permit.so\n"
NOTICE, ERROR = 29, 27  # facility daemon, and the priority


def attempt(host: Host, name: str, password: str | bytes) -> tuple[bytes, int, list[tuple[int, str]]]:
    """The reply to PASS, the exit status, and popa3d's lines about the login, each with its priority."""
    if isinstance(password, str):
        password = password.encode()
    seen = len(host.syslog.lines)
    with Talk() as talk:
        talk.line()
        assert talk.ask(b"USER " + name.encode()) == b"+OK\r\n"
        talk.send(b"PASS " + password + b"\r\nQUIT\r\n")
        reply = talk.line()
        talk.rest()
        status = talk.status()
    lines = []
    for line in host.syslog.lines[seen:]:
        start, ours, text = line.partition(f" popa3d[{talk.process.pid}]: ")
        priority = int(start[1 : start.index(">")])
        if ours and priority < 4 * 8 and not text.startswith("Session from "):  # PAM's own lines have facility authpriv
            lines.append((priority, text.rstrip("\n\0")))
    return reply, status, lines


def refused(host: Host, reply: bytes, text: str, name: str = "alice", password: str = "sesame-1") -> None:
    """The right password is refused with this reply and line, and a wrong one as always."""
    assert attempt(host, name, password) == (reply, 0, [(NOTICE, f"Login refused for {name} from 127.0.0.1: {text}")])
    failed(host, name)


def failed(host: Host, name: str = "alice", shown: str = "", password: str | bytes = "wrong") -> None:
    """The password is refused as wrong ones are."""
    text = f"Authentication failed for {shown or name} from 127.0.0.1"
    assert attempt(host, name, password) == (replies.LOGIN_FAILED, 0, [(NOTICE, text)])


def undecided(host: Host, reply: bytes, text: str, name: str = "alice", password: str = "sesame-1") -> None:
    """PAM's fault is an error in the log; the client gets this reply."""
    shown = name if name in ("alice", "toor") else "UNKNOWN USER"
    assert attempt(host, name, password) == (reply, 1, [(ERROR, f"PAM cannot decide about {shown} from 127.0.0.1: {text}")])


@contextlib.contextmanager
def shadow(host: Host, fields: str, name: str = "alice") -> Iterator[None]:
    """The shadow file with other fields behind the password of one account; without the account if there are none."""
    lines = Path("/etc/shadow").read_text().splitlines()
    changed = [":".join(line.split(":")[:2]) + fields if line.startswith(f"{name}:") else line for line in lines]
    path = host.base / "shadow"
    path.write_text("".join(f"{line}\n" for line in changed if line.count(":") == 8))
    path.chmod(0o600)
    bind(path, "/etc/shadow")
    try:
        yield
    finally:
        unmount("/etc/shadow")


def today() -> int:
    """In days since 1970, as shadow(5) counts."""
    return int(time.time()) // 86400


TO_BE_CHANGED = ":0:0:99999:7:::"
TOO_OLD = f":{today() - 50}:0:30:7:::"
FOR_TOO_LONG = f":{today() - 50}:0:30:7:5::"  # a month, and five days more


def test_expired_account(host: Host) -> None:
    """An account that has expired."""
    host.pam_stack(PAM_QUICK)
    refused(host, replies.ACCOUNT_EXPIRED, "the account has expired", "carol", "expired-1")


@pytest.mark.parametrize("fields", [TO_BE_CHANGED, TOO_OLD, FOR_TOO_LONG])
def test_expired_password(host: Host, fields: str) -> None:
    """A password that has to be changed, is too old, or has been for too long."""
    host.pam_stack(PAM_QUICK)
    with shadow(host, fields):
        refused(host, replies.PASSWORD_EXPIRED, "the password has expired")


def test_shipped_stack(host: Host) -> None:
    """Debian's common-account passes on that a password has to be changed; pam_deny stands for all else that it refuses.

    With a line of its own before it, as INSTALL.md has it, users learn that their account has expired.
    """
    for fields in (TO_BE_CHANGED, TOO_OLD):
        with shadow(host, fields):
            refused(host, replies.PASSWORD_EXPIRED, "the password has expired")
    refused(host, replies.CLOSED, "pam_acct_mgmt returned PAM_AUTH_ERR", "carol", "expired-1")
    shipped = (host.pam_d / "popa3d").read_text()
    host.pam_stack(shipped.replace("@include common-account", UNIX_ACCOUNT + "@include common-account"))
    refused(host, replies.ACCOUNT_EXPIRED, "the account has expired", "carol", "expired-1")
    assert attempt(host, "alice", "sesame-1")[0] == replies.OK


@pytest.mark.parametrize(
    ("account", "code"),
    [
        ("account required pam_deny.so\n", "PAM_AUTH_ERR"),
        ("account requisite pam_succeed_if.so quiet user = bob\n", "PAM_AUTH_ERR"),
        ("account required pam_access.so accessfile={base}/access\n", "PAM_PERM_DENIED"),
        ("account required pam_nologin.so file={base}/nologin\n", "PAM_AUTH_ERR"),
        ("account required pam_time.so conffile={base}/time\n", "PAM_PERM_DENIED"),
        ("account required pam_exec.so quiet /bin/false\n", "PAM_SYSTEM_ERR"),
        ("account required\n", "PAM_PERM_DENIED"),
    ],
)
def test_closed_account(host: Host, account: str, code: str) -> None:
    """An account that its host does not let in now: nologin, pam_access, pam_time, a program, a condition."""
    (host.base / "access").write_text("-:alice:ALL\n")
    (host.base / "nologin").write_text("The host is down for a moment.\n")
    (host.base / "time").write_text("popa3d;*;alice;!Al0000-2400\n")
    host.pam_stack(UNIX_AUTH + account.format(base=host.base) + UNIX_ACCOUNT)
    refused(host, replies.CLOSED, f"pam_acct_mgmt returned {code}")


def test_account_without_password(host: Host) -> None:
    """An account whose password is locked cannot log in, and whose password is empty neither: that is no account refusal."""
    host.pam_stack(PAM_QUICK)
    failed(host, "dave", password="locked-1")
    failed(host, "nopass")


@pytest.mark.parametrize(
    ("account", "code"),
    [
        ("account required pam_no_such_module.so\n", "PAM_MODULE_UNKNOWN"),
        ("account required pam_listfile.so onerr=fail item=user sense=allow file=/nonexistent\n", "PAM_SERVICE_ERR"),
    ],
)
def test_fault_in_account_management(host: Host, account: str, code: str) -> None:
    """Where account management is broken, whoever has the right password is told to come back."""
    host.pam_stack(UNIX_AUTH + account)
    undecided(host, replies.UNAVAILABLE, f"pam_acct_mgmt returned {code}")
    failed(host)
    failed(host, "nobody-here", "UNKNOWN USER")


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ("auth required pam_no_such_module.so\n", "PAM_MODULE_UNKNOWN"),
        ("auth requisite pam_no_such_module.so\n" + UNIX_AUTH, "PAM_MODULE_UNKNOWN"),
        ("auth required pam_listfile.so onerr=fail item=user sense=allow file=/nonexistent\n", "PAM_SERVICE_ERR"),
        ("auth required pam_debug.so auth=authinfo_unavail\n", "PAM_AUTHINFO_UNAVAIL"),
    ],
)
def test_fault_before_the_password(host: Host, auth: str, code: str) -> None:
    """Where authentication is broken before any module has the password, everybody is told the same."""
    host.pam_stack(auth + PERMIT)
    for name, password in (("alice", "sesame-1"), ("alice", "wrong"), ("nobody-here", "x"), ("toor", "x")):
        undecided(host, replies.UNAVAILABLE, f"pam_authenticate returned {code}", name, password)


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ("auth required pam_no_such_module.so\n", "PAM_MODULE_UNKNOWN"),
        ("auth required pam_debug.so auth=authinfo_unavail\n", "PAM_AUTHINFO_UNAVAIL"),
        ("auth required pam_debug.so auth=service_err\n", "PAM_SERVICE_ERR"),
    ],
)
def test_fault_behind_the_password(host: Host, second: str, code: str) -> None:
    """A fault that only the right password gets to is logged, and the client is told nothing: it would be a guesser's yes."""
    host.pam_stack(UNIX_AUTH + second + PERMIT)
    undecided(host, replies.LOGIN_FAILED, f"pam_authenticate returned {code}")
    failed(host)
    failed(host, "nobody-here", "UNKNOWN USER")


@pytest.mark.parametrize("code", ["acct_expired", "new_authtok_reqd", "perm_denied", "system_err", "maxtries", "user_unknown"])
def test_authentication_that_says_more(host: Host, code: str) -> None:
    """What authentication says of the account beyond yes and no is not passed on: the password may be wrong."""
    host.pam_stack(f"auth required pam_debug.so auth={code}\n" + PERMIT)
    failed(host, password="sesame-1")


def test_no_shadow_entry(host: Host) -> None:
    """An account without an entry in the shadow file looks like one that is not there.

    Linux-PAM has PAM_AUTHINFO_UNAVAIL for it, or where pam_unix asks its helper, a code that says no.
    """
    host.pam_stack(PAM_QUICK)
    with shadow(host, ""):
        reply, _, [(_, line)] = attempt(host, "alice", "sesame-1")
        assert reply == replies.LOGIN_FAILED
        code = "PAM cannot decide about alice from 127.0.0.1: pam_authenticate returned PAM_AUTHINFO_UNAVAIL"
        assert line in (code, "Authentication failed for alice from 127.0.0.1")
        failed(host, "nobody-here", "UNKNOWN USER")
    host.pam_stack(None)
    with shadow(host, ""):
        failed(host, password="sesame-1")


def test_program_that_says_no(host: Host) -> None:
    """A program of pam_exec's that refuses a password has refused it: PAM_SYSTEM_ERR is no fault of the host here."""
    host.pam_stack("auth required pam_exec.so quiet expose_authtok /bin/false\n" + PERMIT)
    failed(host)


def test_root_is_refused_as_ever(host: Host) -> None:
    """Nothing that account management says of root reaches the client or the log, nor that root has no sessions."""
    for account in ("pam_deny.so", "pam_no_such_module.so", "pam_debug.so acct=acct_expired", "pam_permit.so"):
        host.pam_stack(f"auth required pam_permit.so\naccount required {account}\n")
        failed(host, "toor")
