"""An account, its state directory, and the process that looks at its mailbox."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess

import pytest

from popa3d.owner.mailbox.state_directory import State
from tests.host import HOME, STATE, Host
from tests.root.check import CHECK, MBOX, edited, faults, found, run
from tests.talk import children, descriptors, ids, script, wait_until


def test_names(host: Host) -> None:
    """The user may be named as clients name her."""
    file = host.configuration("[login]\ndomains = ['example.org']\nlower_case = true\n")
    assert "alice has uid 20001" in found("-c", file, "Alice@example.org")["account"][0]["text"]
    assert faults("Alice@example.org") == {"account": "there is no account Alice@example.org"}


@pytest.mark.parametrize(("name", "part"), [("toor", "uid 0"), ("nobody-at-all", "there is no account")])
def test_accounts_without_sessions(host: Host, name: str, part: str) -> None:
    """For these popa3d goes no further, and neither does popa3d-check."""
    assert part in faults(name)["account"]
    assert set(found(name)) == {"configuration", "account"}


def test_group_zero(host: Host) -> None:
    """Group 0 is refused, as popa3d does."""
    for _ in edited("/etc/passwd", lambda text: text.replace("bob:x:20002:20002:", "bob:x:20002:0:")):
        assert "group 0" in faults("bob")["account"]


def test_faults_of_the_host(host: Host) -> None:
    """They keep every user from their mail: one line more says that there are some, and which."""
    assert "host" not in found("alice")
    (host.chroot / "file").touch()
    try:
        for _ in edited("/etc/passwd", lambda text: re.sub("(?m)^popa3d:.*\n", "", text)):
            told = found("alice")
            done = run("alice")
    finally:
        (host.chroot / "file").unlink()
    assert [(each["level"], each["text"]) for each in told["host"]] == [
        ("fault", "the host has faults that concern all users: user and chroot")
    ]
    assert done.returncode == 1
    assert done.stdout.endswith("-> start popa3d-check without a user, which says what is to be done\n")
    host.pam_stack("")
    assert set(faults("alice")) == {"pam"}  # which is told already


def test_journal(host: Host) -> None:
    """A journal is told of, and the user's state directory if others can write it."""
    host.deliver("alice", MBOX)
    subprocess.run([str(HOME / "bin/popa3d")], input=script(b"QUIT\r\n"), env={}, check=True, capture_output=True)
    directory = STATE / "20001"
    (directory / State(b"", b"alice", b"/var/mail/alice").name(b".journal").decode()).touch()
    assert "interrupted" in found("alice")["journal"][0]["text"]
    directory.chmod(0o777)
    told = faults("alice")
    assert set(told) == {"state", "journal"}


def test_the_owners_process(host: Host) -> None:
    """What looks at the mailbox has nothing of root's; if its user ends it, that is a fault, and the rest is still told."""
    path = host.deliver("alice", b"From bob Mon Nov 23 06:00:00 2026\n\n")
    os.truncate(path, 2**30)  # zeros that take no room, and seconds to read
    with (
        subprocess.Popen([CHECK, "--json", "alice"], stdout=subprocess.PIPE, env={"SOMETHING": "else"}) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)  # if something fails below
        wait_until(lambda: any(ids(pid)["Uid"].split() == ["20001"] * 4 for pid in children(process.pid)))
        (pid,) = children(process.pid)
        wait_until(lambda: ids(pid)["NoNewPrivs"] == "1")
        said = ids(pid)
        assert (said["Gid"].split(), said["Groups"].strip(), said["CapEff"]) == (["20001"] * 4, "", "0" * 16)
        assert os.getsid(pid) == pid
        wait_until(lambda: str(path) in descriptors(pid).values())
        opened = descriptors(pid)
        assert [opened.pop(fd) for fd in (0, 1, 2)] == ["/dev/null"] * 3
        assert {what.partition(":")[0] for what in opened.values()} <= {
            "pipe",
            "socket",
            str(path),
            "/proc/locks",
        }
        assert sum(what.startswith("pipe:") for what in opened.values()) == 1
        os.kill(pid, signal.SIGKILL)
        assert process.stdout is not None
        told = json.loads(process.stdout.read())
        assert process.wait(60) == 1
    texts = {each["subject"]: each["text"] for each in told["findings"]}
    assert texts["mailbox"] == "the process that looks at it as its owner gave no report"
    assert "pam" in texts
