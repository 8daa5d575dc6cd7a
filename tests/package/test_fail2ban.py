"""fail2ban on a host without rsyslog, set up as INSTALL.md says, by the real fail2ban and the real journal."""

from __future__ import annotations

import re
from pathlib import Path

from tests.host import Host
from tests.package.machine import Machine
from tests.package.sessions import documented, wait_for_the_port
from tests.super.foreground import everything
from tests.talk import wait_until

PEER = "127.0.0.66"  # the host's own addresses do not count


def failures(machine: Machine) -> str:
    """What the jail has counted; empty if fail2ban does not answer."""
    return "".join(re.findall("Total failed:\\s*([0-9]+)", machine.run("fail2ban-client", "status", "popa3d", status=None)))


def test_the_journal(host: Host, with_systemd: list[Path], package: Path) -> None:
    """fail2ban starts with all of Debian's jails, and its jail for popa3d sees the failed logins."""
    with Machine(with_systemd, "systemd") as machine:
        machine.install("fail2ban", "python3-systemd")
        machine.run("dpkg", "-i", machine.put(package))
        machine.run("systemctl", "start", "popa3d.socket")
        wait_for_the_port()
        commands = [documented(start) for start in ("cp filter.d", "cp jail.d", "printf '[DEFAULT]")]
        machine.run("sh", "-ec", "\n".join(["cd /usr/share/doc/popa3d/examples/fail2ban", *commands]))
        machine.run("systemctl", "restart", "fail2ban.service")
        wait_until(lambda: failures(machine) == "0", 60)
        for _ in range(2):
            everything("127.0.0.1", b"USER alice\r\nPASS wrong\r\nQUIT\r\n", source=PEER)
        wait_until(lambda: failures(machine) == "2", 60)
    machine.discard()
