"""Time must not tell which names are accounts. No clock here: the same work is done for both, which strace shows."""

from __future__ import annotations

import re
from pathlib import Path

from popa3d.shared.limits import NO_ACCOUNT
from tests.faults.kills import attach
from tests.host import PAM_QUICK, Host
from tests.root.one_more import account
from tests.talk import POPA3D, Talk

DENIED = "auth required pam_deny.so\naccount required pam_deny.so\n"  # a stack that does the same for every name


def after_the_record(host: Host, name: str, configuration: str = "") -> list[str]:
    """What root's process does from its record of `name` to the line that the login has failed: calls, and what they open."""
    path = host.base / "trace"
    with Talk([*POPA3D, "-c", host.configuration(configuration)]) as talk:
        talk.line()
        assert talk.ask(b"USER " + name.encode()) == b"+OK\r\n"
        with attach(talk.process.pid, path, "-s", "200"):
            talk.send(b"PASS wrong\r\n")
            talk.rest()
    lines = path.read_text(errors="replace").splitlines()
    (first,) = [i for i, line in enumerate(lines) if line.startswith("read(") and name in line]
    (last,) = [i for i, line in enumerate(lines) if "Authentication failed for" in line]
    names = [line.partition("(")[0] for line in lines[first:last] if re.match(r"\w+\(", line)]
    opened = [re.sub(r'.*"(/[^"]*)".*', r"\1", line) for line in lines[first:last] if line.startswith("openat(")]
    user = name.partition("@")[0]
    for form in (name, name.lower(), user, user.lower(), NO_ACCOUNT):
        opened = [what.replace(form, "NAME") for what in opened]
    return [name for name in names if name not in ("brk", "munmap", "mmap")] + opened


def test_known_and_unknown_names_take_the_same_calls(host: Host) -> None:
    """With a PAM stack that always does the same, root makes the same calls for an account as for a name that is none."""
    host.pam_stack(DENIED)
    known = after_the_record(host, "alice")
    unknown = after_the_record(host, "zlice")
    assert len(known) > 10 and known.count("/etc/passwd") == 2
    assert sorted(known) == sorted(unknown)


def test_all_forms_of_a_name_are_looked_up(host: Host) -> None:
    """Where a name may have a domain and upper case, which of its forms is an account changes no call."""
    host.pam_stack(DENIED)
    login = '[login]\ndomains = ["example.org"]\nlower_case = true\n'
    known = after_the_record(host, "Alice@Example.org", login)
    assert known.count("/etc/passwd") == 8
    assert sorted(known) == sorted(after_the_record(host, "Zlice@Example.org", login))
    with account("alice@example.org", "x", 20030):
        assert sorted(known) == sorted(after_the_record(host, "Alice@Example.org", login))


def test_name_services_are_loaded_before_the_first_name(host: Host) -> None:
    """What a name that nobody has makes the name services load is there before a client's name is looked up."""
    host.pam_stack(DENIED)
    assert not [what for what in after_the_record(host, "zlice") if "libnss" in what]
    passwd = Path("/etc/passwd").read_text()
    assert NO_ACCOUNT not in passwd


def test_right_names_still_log_in(host: Host) -> None:
    """The second look-up changes nothing of who gets in."""
    host.pam_stack(PAM_QUICK)
    with Talk() as talk:
        assert talk.login() == b"+OK\r\n"
    with Talk() as talk:
        assert talk.login("zlice", "sesame-1").startswith(b"-ERR [AUTH] Authentication failed")
