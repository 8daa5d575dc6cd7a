"""What is left when the package is removed and purged: mail, and nothing else but what could not be repaired."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.host import ALICE, Host
from tests.package.interrupted import interrupted
from tests.package.machine import Machine
from tests.package.sessions import AGAIN, INETD_ON, STATE, fetched, inetd_lines, port_is_open, serves, wait_for_the_port
from tests.root.interrupted import AFTER
from tests.super.foreground import MBOX


def test_removed_and_installed_again(host: Host, installed: Machine) -> None:
    """Removing it closes the port and leaves mail alone, for inetd and -D; installed again, what was on is on."""
    mailbox = installed.deliver("alice", ALICE.uid, MBOX)
    installed.run(*INETD_ON)
    wait_for_the_port()
    installed.run("dpkg", "-r", "popa3d")
    wait_for_the_port(False)
    assert [line[:12] for line in inetd_lines(installed)] == ["#<off># pop3"]
    assert installed.status() == "rc" and mailbox.read_bytes() == MBOX
    installed.run(*AGAIN)
    serves(installed)
    installed.run("update-inetd", "--disable", "pop3")
    wait_for_the_port(False)
    installed.run("update-rc.d", "popa3d", "enable")
    installed.run("service", "popa3d", "start")
    installed.run("dpkg", "-r", "popa3d")
    assert not port_is_open() and installed.is_rid_of("popa3d -D")
    installed.run(*AGAIN)
    serves(installed)
    installed.reboot()
    serves(installed)
    assert [line[:12] for line in inetd_lines(installed)] == ["#<off># pop3"], "it was off"


@pytest.mark.parametrize("way", ["inetd", "daemon", "nothing"])
def test_purged(machine: Machine, package: Path, way: str) -> None:
    """A purge leaves the host as it was before the installation, whatever was on, but for mail; once more does nothing."""
    mailbox = machine.deliver("alice", ALICE.uid, MBOX)
    before = machine.listing()
    machine.run("dpkg", "-i", machine.put(package))
    if way == "inetd":
        machine.run(*INETD_ON)
    if way == "daemon":
        machine.run("update-rc.d", "popa3d", "enable")
        machine.run("service", "popa3d", "start")
    if way != "nothing":
        assert b"Subject: hello" in fetched()
    assert (machine.root / STATE / str(ALICE.uid)).exists() == (way != "nothing")
    machine.run("dpkg", "-P", "popa3d")
    wait_for_the_port(False)
    assert machine.listing() == before and mailbox.read_bytes() == MBOX
    assert "popa3d" not in machine.run("getent", "passwd") + machine.run("getent", "group")
    machine.run("dpkg", "-P", "popa3d", status=None)
    assert machine.listing() == before
    machine.run(*AGAIN)
    assert not port_is_open()


def test_purged_after_it_was_removed(machine: Machine, package: Path) -> None:
    """Removed first and purged later, with what it depends on gone meanwhile, it leaves nothing either."""
    before = machine.listing()
    machine.run("dpkg", "-i", machine.put(package))
    machine.run("dpkg", "-r", "popa3d")
    kept = {path for path in machine.listing() if path not in before}
    links = {f"/etc/rc{level}.d/{link}" for level in "0123456" for link in ("K01popa3d", "S01popa3d-recover")}
    links.add("/etc/systemd/system/multi-user.target.wants/popa3d-recover.service")
    configuration = {"/etc/init.d/popa3d", "/etc/init.d/popa3d-recover", "/etc/pam.d/popa3d", f"/{STATE}"}
    assert configuration <= kept <= configuration | links
    machine.run("dpkg", "--purge", "python3-pampy", "python3-psutil")
    machine.run("dpkg", "-P", "popa3d")
    assert {path for path in machine.listing() if path not in before} == set()


def test_an_interrupted_update_when_it_is_removed(host: Host, installed: Machine) -> None:
    """Before popa3d is removed, it finishes what a killed session has left: nobody else could."""
    mailbox, journals = interrupted(host, installed)
    installed.run("dpkg", "-r", "popa3d")
    assert mailbox.read_bytes() == AFTER
    assert not any(journal.exists() for journal in journals)


def test_an_interrupted_update_when_it_is_purged(host: Host, installed: Machine) -> None:
    """A journal that could not be finished survives a purge, with a word; installed again, popa3d finishes it."""
    mailbox, journals = interrupted(host, installed)
    index = journals[0].with_suffix(".index")
    index.write_bytes(b"")
    os.chown(mailbox, 0, 0)
    mailbox.chmod(0o600)
    said = installed.run("dpkg", "-P", "popa3d")
    assert "alice" in said and "only popa3d can repair" in said
    assert f"kept /{STATE}" in said
    assert mailbox.read_bytes() != AFTER and all(journal.exists() for journal in journals) and not index.exists()
    os.chown(mailbox, ALICE.uid, 8)
    installed.run(*AGAIN)
    installed.run("popa3d-recover", "--all")
    assert mailbox.read_bytes() == AFTER


def test_recovery_at_boot(host: Host, installed: Machine) -> None:
    """When the host starts, the init script popa3d-recover finishes interrupted updates."""
    mailbox, _ = interrupted(host, installed)
    installed.reboot()
    assert mailbox.read_bytes() == AFTER
