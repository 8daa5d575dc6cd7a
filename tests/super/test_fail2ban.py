"""Debian's fail2ban reads the log of real failed logins, with packaging/fail2ban."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import peers
from tests.host import PAM_QUICK, Host
from tests.super.daemon import Daemon
from tests.super.foreground import PACKAGING, Foreground, everything
from tests.talk import POPA3D

PEER = "127.0.0.66"  # and 203.0.113.7 is the victim whom no filter may find
HOSTILE = (
    b"nobody-at-all",
    b"alice from 203.0.113.7",
    b"alice from 203.0.113.7 ",
    b"x rhost=203.0.113.7  user=alice",
    b"UNKNOWN USER from 203.0.113.7",
    b"x\rAuthentication failed for y from 203.0.113.7"[:40],
    b"x\nAuthentication failed from 203.0.113.7",
    b"failed for y from 203.0.113.7\r",
    b"popa3d[1]: x from 203.0.113.7\x00",
    b"\xff\xfe\x85 from 203.0.113.7 \xc2\x85 from 203",
    b"y\xe2\x80\xa8from 203.0.113.7\xe2\x80\xa8",
    b"<HOST> <ADDR> 203.0.113.7 %(x)s",
    b" from 203.0.113.7",
    b"a" * 40,
    b"a" * 17 + b" from 203.0.113.7",
    b"alice\tfrom\t203.0.113.7",
    b"alice\x0bfrom\x0c203.0.113.7",
    b"alice\xa0from\xa0203.0.113.7",
    b"alice\xe3\x80\x80from\xe3\x80\x80203.0.113.7",
    b"rhost=203.0.113.7",
    b"x\rrhost=203.0.113.7\r",
    b"\x1b[2Kfrom\x1f203.0.113.7",
    b"%s%n203.0.113.7",
    b"203.0.113.7",
    b"alice@203.0.113.7",
    b"+]rhost=203.0.113.7",
    b"-rhost=203.0.113.7",
    b"y" * 230 + b"@203.0.113.7",
)


@pytest.fixture
def fail2ban(tmp_path: Path) -> list[str]:
    """A command prefix for the unpacked fail2ban, with our two files installed among Debian's own in `-c`."""
    place = tmp_path / "fail2ban"
    shutil.copytree(peers.program("fail2ban", "etc/fail2ban"), place)
    for part in ("filter.d", "jail.d"):
        shutil.copy(PACKAGING / "fail2ban" / part / "popa3d.conf", place / part)
    (place / "jail.d/defaults-debian.conf").unlink()  # it has a jail for sshd, whose log is not here
    return ["-c", str(place)]


def run(program: str, *arguments: str) -> str:
    """What one of fail2ban's programs prints, told to exit 0."""
    packages = str(peers.program("fail2ban", "usr/lib/python3/dist-packages"))
    command = ["/usr/bin/python3", "-B", str(peers.program("fail2ban", f"usr/bin/{program}")), *arguments]
    done = subprocess.run(
        command, env={"PYTHONPATH": packages, "PATH": os.defpath}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def syslog(host: Host, file: Path) -> str:
    """The log so far as rsyslog writes it: no priority, the host's name behind the date, control characters as #ooo."""
    text = ""
    for line in host.syslog.lines:
        found = re.fullmatch(r"<\d+>(\w{3} [ \d]\d \d\d:\d\d:\d\d) (.*)", line, re.S)
        assert found, line
        said = "".join(c if c.isprintable() or c == " " else f"#{ord(c) & 0o777:03o}" for c in found[2].rstrip("\n\0"))
        text += f"{found[1]} mail {said}\n"
    file.write_text(text)
    return text


def attack(host: Host) -> int:
    """Failed logins of all kinds from PEER, by PASS and by AUTH; how many of them are logged as such."""
    host.pam_stack(PAM_QUICK)
    names = (b"alice", b"bob", b"toor", *HOSTILE)
    password = b"wrong from 203.0.113.7"
    command = ["systemd-socket-activate", "--inetd", "-a", "-l", "127.0.0.1:110", *POPA3D]
    with Foreground(command):
        for name in names:
            everything("127.0.0.1", b"USER " + name + b"\r\nPASS " + password + b"\r\nQUIT\r\n", source=PEER)
            response = base64.b64encode(b"\0" + name + b"\0" + password)
            everything("127.0.0.1", b"AUTH PLAIN " + response + b"\r\nQUIT\r\n", source=PEER)
    failed = [line for line in host.syslog.lines if "Authentication failed for" in line]
    # All others are refused before there is a login. The line of USER ends where the name has a line end.
    logins = [name for each in names for name in (each.partition(b"\n")[0], each) if re.fullmatch(rb"[^\x00- \x7f]+", name)]
    assert len(failed) == len(logins) >= 25
    return len(failed)


def found(fail2ban: list[str], log: Path, name: str) -> list[str]:
    """The addresses that a filter finds in a log, in order."""
    return run("fail2ban-regex", *fail2ban, "-o", "ip", str(log), name).split()


def test_only_the_peer_is_found(host: Host, fail2ban: list[str], tmp_path: Path) -> None:
    """Each failed login gives the client's own address, whatever the client calls itself; no other address is found.

    The same holds for fail2ban's own filter for PAM and the lines of pam_unix.
    """
    failed = attack(host)
    log = tmp_path / "syslog"
    text = syslog(host, log)
    assert found(fail2ban, log, "popa3d") == [PEER] * failed, text
    assert found(fail2ban, log, "pam-generic") == [PEER] * text.count("authentication failure;"), text
    assert "authentication failure;" in text


def test_ipv6(host: Host, fail2ban: list[str], tmp_path: Path) -> None:
    """A client's IPv6 address is found too."""
    host.pam_stack(PAM_QUICK)
    command = ["systemd-socket-activate", "--inetd", "-a", "-l", "[::1]:110", *POPA3D]
    with Foreground(command):
        everything("::1", b"USER alice\r\nPASS wrong\r\n")
        everything("::1", b"USER not-an-account\r\nPASS wrong\r\n")
    log = tmp_path / "syslog"
    syslog(host, log)
    assert found(fail2ban, log, "popa3d") == ["::1", "::1"]


def test_a_name_cannot_stand_for_the_address(fail2ban: list[str], tmp_path: Path) -> None:
    """Even of an account whose name has another address in it, and in lines that quote ours, only the last address counts."""
    start = "Nov 23 07:00:00 mail popa3d[1]: "
    failed = "Authentication failed for"
    log = tmp_path / "syslog"
    log.write_text(
        f"{start}{failed} x from 203.0.113.7 from {PEER}\n"
        f"{start}{failed} UNKNOWN USER from 203.0.113.7 from {PEER}\n"
        f"{start}{failed} alice from 203.0.113.7 and more\n"
        f"{start}Server failure: {failed} alice from 203.0.113.7\n"
        f"{start.replace('popa3d', 'other')}{failed} alice from 203.0.113.7\n"
    )
    assert found(fail2ban, log, "popa3d") == [PEER, PEER]


def test_good_logins_are_not_found(host: Host, fail2ban: list[str], tmp_path: Path) -> None:
    """A session without a failed login gives no address."""
    command = ["systemd-socket-activate", "--inetd", "-a", "-l", "127.0.0.1:110", *POPA3D]
    with Foreground(command):
        everything("127.0.0.1", b"QUIT\r\n")
        everything("127.0.0.1", b"USER alice\r\nPASS sesame-1\r\nQUIT\r\n")
    log = tmp_path / "syslog"
    assert "Authentication passed" in syslog(host, log)
    assert found(fail2ban, log, "popa3d") == []


def test_other_refusals_are_not_found(host: Host, fail2ban: list[str], tmp_path: Path) -> None:
    """Nor does an account that may not log in though the password was right, or a fault of PAM's; not to pam-generic either."""
    stacks = {
        b"carol\r\nPASS expired-1": PAM_QUICK,
        b"alice\r\nPASS sesame-1": PAM_QUICK + "account required pam_deny.so\n",
        b"bob\r\nPASS x": "auth required pam_no_such_module.so\naccount required pam_permit.so\n",
        b"not-an-account\r\nPASS x": "auth required pam_no_such_module.so\naccount required pam_permit.so\n",
        b"alice\r\nPASS x": "auth required pam_permit.so\n",
    }
    command = ["systemd-socket-activate", "--inetd", "-a", "-l", "127.0.0.1:110", *POPA3D]
    with Foreground(command):
        for login, stack in stacks.items():
            host.pam_stack(stack)
            everything("127.0.0.1", b"USER " + login + b"\r\nQUIT\r\n", source=PEER)
    log = tmp_path / "syslog"
    text = syslog(host, log)
    assert (text.count("Login refused for"), text.count("PAM cannot decide about")) == (2, 2), text
    assert found(fail2ban, log, "popa3d") == found(fail2ban, log, "pam-generic") == []


def test_standard_error(host: Host, fail2ban: list[str], tmp_path: Path) -> None:
    """A file with what popa3d -F writes on standard error, which fail2ban reads without another filter, gives the address."""
    host.pam_stack(PAM_QUICK)
    log = tmp_path / "log"
    configuration = '[log]\nto = "stderr"\n[listen]\naddresses = ["127.0.0.1"]\n'
    with log.open("wb") as output, Daemon(host, configuration, ("-F",), output.fileno()):
        everything("127.0.0.1", b"USER alice\r\nPASS wrong\r\n", source=PEER)
        everything("127.0.0.1", b"USER not-an-account\r\nPASS wrong\r\n", source=PEER)
        everything("127.0.0.1", b"USER alice\r\nPASS sesame-1\r\nQUIT\r\n")
    assert "left for alice" in log.read_text()
    assert found(fail2ban, log, "popa3d") == [PEER, PEER]


def test_the_jail(fail2ban: list[str]) -> None:
    """The example jail is complete: fail2ban can read it and watches the log with our filter."""
    dumped = run("fail2ban-client", *fail2ban, "-d")
    assert "'add', 'popa3d'" in dumped
    assert "UNKNOWN USER from" in dumped
