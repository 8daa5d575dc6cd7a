"""The host: users, directories, ports, the sandbox, the log, delivery agents."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.host import STATE, Host, tmpfs, unmount
from tests.root.check import edited, faults, found


@pytest.mark.parametrize(
    ("line", "text"),
    [("", "there is no user popa3d"), ("popa3d:x:20100:0::/nonexistent:/bin/false\n", "user popa3d has uid 0 or group 0")],
    ids=["missing", "group 0"],
)
def test_user(host: Host, line: str, text: str) -> None:
    """The user of the pre-auth child."""
    old = "popa3d:x:20100:20100::/nonexistent:/usr/sbin/nologin\n"
    for _ in edited("/etc/passwd", lambda passwd: passwd.replace(old, line)):
        assert faults() == {"user": text}


def test_directories(host: Host) -> None:
    """The chroot directory and that of state directories, by owner, mode and content; and the spool's mode."""
    (host.chroot / "file").touch()
    STATE.mkdir()
    STATE.chmod(0o777)
    host.spool.chmod(0o777)
    try:
        told = faults()
    finally:
        (host.chroot / "file").unlink()
    assert told.pop("chroot") == "/var/lib/popa3d must be empty"
    assert told.pop("state") == f"{STATE}: not a directory of user 0 that nobody else can write"
    assert "mode 0777" in told.pop("spool") and told == {}


def test_ports(host: Host) -> None:
    """Who listens is named; nobody is worth a note, and another program too."""
    (told,) = found()["port"]
    assert (told["level"], told["text"]) == ("note", "nobody listens on port 110")
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((address, 1110), family=family):
            (told,) = found("-c", host.configuration("[listen]\nport = 1110\n"))["port"]
        assert told["level"] == "note" and f"(process {os.getpid()}) listens on port 1110" in told["text"]


def test_sandbox(host: Host) -> None:
    """What holds processes back is told; a host without it must not be configured to require it."""
    (told,) = found()["sandbox"]
    assert told["level"] in ("ok", "note") and "in force: " in told["text"]
    file = host.configuration("[sandbox]\nrequire = true\n")
    (required,) = found("-c", file)["sandbox"]
    assert required["level"] == ("ok" if told["level"] == "ok" else "fault")


def test_log(host: Host) -> None:
    """Where nobody takes log lines, that is worth a note."""
    assert found()["log"][0]["level"] == "ok"
    os.rename("/dev/log", "/dev/away")
    try:
        assert found()["log"][0]["level"] == "note"
    finally:
        os.rename("/dev/away", "/dev/log")


def test_delivery_agents(host: Host) -> None:
    """An agent without a lock in common with popa3d is a fault, and only those that are installed are looked at."""
    assert found()["delivery"][0]["level"] == "note"
    tmpfs("/usr/libexec")
    try:
        Path("/usr/libexec/postfix").mkdir()
        Path("/usr/libexec/postfix/local").touch()
        assert [each["level"] for each in found()["delivery"]] == ["ok"]
        file = host.configuration("[mailbox]\nlocks = ['flock']\n")
        assert (
            "Postfix is installed, and takes dotlock and fcntl by default; popa3d takes flock" in faults("-c", file)["delivery"]
        )
        Path("/usr/libexec/opensmtpd").mkdir()
        Path("/usr/libexec/opensmtpd/mail.local").touch()
        assert [each["level"] for each in found()["delivery"]] == ["ok", "fault"]
    finally:
        unmount("/usr/libexec")
