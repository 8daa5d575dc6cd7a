"""The package on a host with systemd: its units are off until asked for, work with all that they forbid, and stay as chosen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import ALICE, Host
from tests.package.interrupted import interrupted
from tests.package.machine import Machine
from tests.package.sessions import AGAIN, MAIL, documented, port_is_open, serves, wait_for_the_port
from tests.package.test_upgrade import old, upgrade
from tests.root.interrupted import AFTER
from tests.super.foreground import everything, login


@pytest.fixture
def machine(host: Host, with_systemd: list[Path]) -> Iterator[Machine]:
    """A running machine with systemd and without popa3d."""
    with Machine(with_systemd, "systemd") as machine:
        yield machine
    machine.discard()


def enabled(machine: Machine) -> list[str]:
    """Which of popa3d's units start with the host."""
    names = ["popa3d.service", "popa3d.socket", "popa3d-tls.socket", "popa3d-recover.service"]
    return [name for name in names if machine.run("systemctl", "is-enabled", name, status=None).strip() == "enabled"]


def session_with_deletion(machine: Machine) -> None:
    """Claim that a session can remove a message, for which it has to write in two places."""
    mailbox = machine.deliver("alice", ALICE.uid, MAIL + MAIL)
    wait_for_the_port()
    assert everything("127.0.0.1", login(then=b"DELE 1\r\nDELE 2\r\nDELE 4\r\nQUIT\r\n")).endswith(b"+OK\r\n" * 3)
    assert mailbox.read_bytes() == MAIL[: MAIL.index(b"\nFrom ", 1) + 1]


def test_nothing_listens(installed: Machine) -> None:
    """After the installation, now and after a reboot, no port is open, and only popa3d-recover.service is enabled."""
    for _ in range(2):
        assert not port_is_open() and installed.is_rid_of("popa3d")
        assert enabled(installed) == ["popa3d-recover.service"]
        assert installed.run("systemctl", "--failed", "--no-legend", "list-units", "popa3d*") == ""
        installed.reboot()
    units = ["popa3d.socket", "popa3d-tls.socket", "popa3d.service", "popa3d-recover.service"]
    said = installed.run("systemd-analyze", "verify", "--man=no", *units)
    assert "popa3d" not in said


@pytest.mark.parametrize("unit", ["popa3d.socket", "popa3d.service"])
def test_a_unit(installed: Machine, unit: str) -> None:
    """Enabled as README.Debian has it, a unit serves mail, logs where INSTALL.md says, outlives a reboot, can be turned off."""
    installed.run("systemctl", "enable", "--now", unit)
    assert serves(installed)
    installed.run("journalctl", "--sync")
    assert "Authentication passed for alice" in installed.run("sh", "-c", f"{documented('journalctl')} --no-pager")
    session_with_deletion(installed)
    if unit == "popa3d.service":
        installed.run("systemctl", "reload", unit)
        serves(installed)
        file = installed.root / "etc/popa3d.toml"
        file.write_text("[listen]\nports = 110\n")
        assert "failed" in installed.run("systemctl", "reload", unit, status=1)
        assert "unknown key listen.ports" in installed.run("journalctl", "-u", unit)
        serves(installed)
        file.unlink()
    installed.reboot()
    session_with_deletion(installed)
    installed.run("systemctl", "disable", "--now", unit)
    wait_for_the_port(False)
    assert enabled(installed) == ["popa3d-recover.service"]


@pytest.mark.parametrize("unit", ["popa3d.socket", "popa3d.service"])
def test_an_upgrade(installed: Machine, unit: str) -> None:
    """A newer package over a running unit restarts it, over a stopped one it does not start it; the choice stays."""
    installed.run("systemctl", "enable", "--now", unit)
    before = installed.run("systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", unit)
    installed.run(*AGAIN)
    assert installed.run("systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", unit) != before
    session_with_deletion(installed)
    installed.run("systemctl", "stop", unit)
    installed.run(*AGAIN)
    assert not port_is_open() and enabled(installed) == sorted([unit, "popa3d-recover.service"], key=lambda name: "-" in name)


@pytest.mark.parametrize("unit", ["popa3d.socket", "popa3d.service"])
def test_removed_and_installed_again(installed: Machine, unit: str) -> None:
    """Removing it closes the port; installed again it serves mail as before; a purge forgets the choice."""
    installed.run("systemctl", "enable", "--now", unit)
    wait_for_the_port()
    installed.run("dpkg", "-r", "popa3d")
    assert not port_is_open() and installed.is_rid_of("popa3d")
    installed.run(*AGAIN)
    session_with_deletion(installed)
    installed.run("dpkg", "-P", "popa3d")
    assert not port_is_open()
    installed.run(*AGAIN)
    assert not port_is_open() and enabled(installed) == ["popa3d-recover.service"]


def test_purged(machine: Machine, package: Path) -> None:
    """A purge leaves the host as it was before the installation."""
    before = machine.listing()
    machine.run("dpkg", "-i", machine.put(package))
    machine.run("systemctl", "enable", "--now", "popa3d.socket")
    machine.run("dpkg", "-P", "popa3d")
    after = machine.listing()
    assert {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)} == set()


def test_from_the_daemon_of_c_popa3d(host: Host, machine: Machine, package: Path) -> None:
    """Its init script had started the daemon: after the upgrade popa3d.service is enabled and serves, and after a reboot too."""
    ids = old(machine)
    upgrade(machine, package)
    assert serves(machine) == ids
    assert enabled(machine) == ["popa3d.service", "popa3d-recover.service"]
    assert machine.run("systemctl", "is-active", "popa3d.service") == "active\n"
    machine.reboot()
    assert serves(machine) == ids


@pytest.mark.parametrize("way", ["inetd", "disabled", "masked", "removed"])
def test_from_c_popa3d_that_was_off(host: Host, machine: Machine, package: Path, way: str) -> None:
    """Its daemon was not wanted, for one reason or another: no unit is enabled or started, now or at boot."""
    old(machine) if way != "inetd" else prefer_inetd(machine)
    if way == "disabled":
        machine.run("systemctl", "disable", "popa3d")
        machine.run("systemctl", "stop", "popa3d")
    if way == "masked":
        machine.run("systemctl", "mask", "--now", "popa3d")
    if way == "removed":
        machine.run("dpkg", "-r", "popa3d")
    wait_for_the_port(False)
    upgrade(machine, package)
    assert not port_is_open()
    machine.reboot()
    assert not port_is_open() and machine.is_rid_of("popa3d")
    if way != "masked":
        assert enabled(machine) == ["popa3d-recover.service"]


def prefer_inetd(machine: Machine) -> None:
    """C popa3d on a host that has chosen an inetd, and has none."""
    machine.run("sh", "-c", "echo popa3d popa3d/standalone boolean false | debconf-set-selections")
    machine.install("popa3d=1.0.3-1.1")


def test_recovery_at_boot(host: Host, installed: Machine) -> None:
    """When the host starts, popa3d-recover.service finishes interrupted updates."""
    mailbox, journals = interrupted(host, installed)
    installed.reboot()
    assert mailbox.read_bytes() == AFTER and not any(journal.exists() for journal in journals)
    installed.run("journalctl", "--sync")
    assert "An unfinished update was completed" in installed.run("journalctl", "--no-pager")
