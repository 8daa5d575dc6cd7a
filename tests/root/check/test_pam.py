"""PAM: the service file and its modules, account management, and the shadow file's passwords."""

from __future__ import annotations

import subprocess

import pytest

from tests.host import HOME, PAM_QUICK, Host
from tests.root.check import faults, found


@pytest.mark.parametrize(
    ("stack", "text"),
    [
        ("", "/etc/pam.d/popa3d has no line for account and auth"),
        ("auth required pam_permit.so\n", "/etc/pam.d/popa3d has no line for account"),
        (None, "No PAM service file /etc/pam.d/popa3d"),
    ],
    ids=["empty", "half", "missing"],
)
def test_pam_service_file(host: Host, stack: str | None, text: str) -> None:
    """A service file that Linux-PAM would complete from "other" is a fault."""
    if stack is None:
        (host.pam_d / "popa3d").unlink()
    else:
        host.pam_stack(stack)
    assert faults() == {"pam": text}


def test_account_management(host: Host) -> None:
    """PAM is asked without a password, and its code told: an account that has expired, and a host that is closed."""
    host.pam_stack(PAM_QUICK)
    assert faults("carol") == {"pam": "account management refuses the account: PAM_ACCT_EXPIRED"}
    assert faults("alice") == {}
    host.pam_stack(PAM_QUICK + "account required pam_deny.so\n")
    assert "PAM_" in faults("alice")["pam"]
    assert "chage" in found("alice")["pam"][0]["advice"]
    host.pam_stack("auth required pam_permit.so\naccount required /etc/passwd\n")  # which is there, and no module
    assert "missing or broken" in found("alice")["pam"][0]["advice"]
    assert "authentication failure" not in host.syslog.text


def test_passwords(host: Host) -> None:
    """An empty password is a fault, since popa3d refuses it; a locked one is one where PAM asks for no other."""
    assert faults("nopass")["password"] == "it is empty in /etc/shadow"
    assert "password" not in found("alice")
    assert faults("dave") == {"password": "it is locked in /etc/shadow: no password fits"}
    account = "account required pam_unix.so\n"
    for auth, level, part in (
        ("auth required pam_env.so\nauth required pam_unix.so\nauth required pam_faildelay.so\n", "fault", "passwd -u"),
        ("auth sufficient pam_userdb.so\nauth required pam_unix.so\n", "note", "unless pam_userdb.so knows another one"),
        ("auth required pam_userdb.so\n", "note", "does not ask for that password"),
    ):
        host.pam_stack(auth + account)
        (told,) = found("dave")["password"]
        assert told["level"] == level and part in told["advice"], auth
    host.pam_stack("")
    assert found("dave")["password"][0]["level"] == "note" and faults("dave")["pam"]


GOOD = "auth required pam_unix.so\naccount required pam_unix.so\n"


@pytest.mark.parametrize(
    ("lines", "level", "text"),
    [
        ("account required pam_none.so", "fault", "/etc/pam.d/popa3d:3 names pam_none.so, which is not in "),
        ("account [success=ok ignore=ignore] pam_none.so", "fault", "/etc/pam.d/popa3d:3 names pam_none.so, "),
        ("-account requisite pam_none.so", "fault", "/etc/pam.d/popa3d:3 names pam_none.so, "),
        ("account required /nonexistent/pam.so", "fault", "/etc/pam.d/popa3d:3 names /nonexistent/pam.so, "),
        ("account include more", "fault", "/etc/pam.d/more:2 names pam_none.so, "),
        ("account substack more", "fault", "/etc/pam.d/more:2 names pam_none.so, "),
        ("@include more", "fault", "/etc/pam.d/more:2 names pam_none.so, "),
        ("@include none", "fault", "/etc/pam.d/popa3d:3 includes none, which does not exist"),
        ("account include none", "fault", "/etc/pam.d/popa3d:3 includes none, which does not exist"),
        ("account required", "fault", "/etc/pam.d/popa3d:3 has no kind, control and module"),
        ("account requird pam_unix.so", "fault", "/etc/pam.d/popa3d:3: there is no control requird"),
        ("account optional pam_none.so", "note", "/etc/pam.d/popa3d:3 names pam_none.so, "),
        ("session required pam_none.so", "note", "/etc/pam.d/popa3d:3 names pam_none.so, "),
        ("session include none", "note", "/etc/pam.d/popa3d:3 includes none, which does not exist"),
        ("-account optional pam_none.so", "ok", ""),
        ("-account [default=ignore] pam_none.so", "ok", ""),
        ("@include common-account", "ok", ""),
    ],
)
def test_lines_that_linux_pam_cannot_use(host: Host, lines: str, level: str, text: str) -> None:
    """Each is told with its file and line, and it is a fault if Linux-PAM then refuses logins: this asks it."""
    (host.pam_d / "more").write_text("# modules\naccount required pam_none.so\n")
    host.pam_stack(f"{GOOD}{lines}\n")
    try:
        told = [(each["level"], each["text"]) for each in found()["pam"]]
        code = f"import sys; sys.path.insert(0, {str(HOME / 'lib')!r})\nfrom popa3d.root.pam.adapter import Pam\n"
        code += "sys.exit(Pam().manage_account(b'alice') != 'PAM_SUCCESS')"
        refused = subprocess.run(["/usr/bin/python3", "-IBS", "-c", code], check=False).returncode
    finally:
        (host.pam_d / "more").unlink()
    assert refused == (level == "fault")
    decides = ("ok", "/etc/pam.d/popa3d decides about auth and account")
    assert (decides in told) == (not refused)
    others = [each for each in told if each != decides]
    assert [found_level for found_level, _ in others] == ([] if level == "ok" else [level])
    assert all(found_text.startswith(text) for _, found_text in others)


@pytest.mark.parametrize("line", ["@include popa3d", "auth include popa3d", "session substack other-one"])
def test_files_that_include_each_other(host: Host, line: str) -> None:
    """Linux-PAM runs out of stack: popa3d-check says so, and does not ask it."""
    (host.pam_d / "other-one").write_text("@include popa3d\n")
    host.pam_stack(f"{GOOD}{line}\n")
    try:
        for user in ([], ["alice"]):
            assert "which includes this file" in faults(*user)["pam"]
    finally:
        (host.pam_d / "other-one").unlink()
