"""From Debian's C popa3d 1.0.3-1.1 to this package, on a host with sysvinit: what was on stays on, what was off stays off."""

from __future__ import annotations

from pathlib import Path

import pytest

from popa3d import VERSION
from tests.clients import MESSAGES, Home, received
from tests.clients.conftest import home
from tests.host import ALICE, Host
from tests.package.machine import Machine
from tests.package.sessions import MAIL, PACKAGE, STATE, THIRD, fetched, inetd_lines, port_is_open, serves, wait_for_the_port

__all__ = ["home"]  # a fixture

OLD = "popa3d=1.0.3-1.1"
OLD_ENTRY = "pop3\t\tstream\ttcp\tnowait\troot\t/usr/sbin/tcpd\t/usr/sbin/popa3d"
UPGRADE = ("apt-get", "-qy", "--no-install-recommends", "install")


def old(machine: Machine, standalone: bool = True) -> list[bytes]:
    """Install C popa3d, with an answer to its question; the unique-ids that it gives."""
    answer = f"popa3d popa3d/standalone boolean {str(standalone).lower()}"
    machine.run("sh", "-c", f"echo {answer} | debconf-set-selections")
    machine.install(OLD)
    return serves(machine, "C")


def upgrade(machine: Machine, package: Path, *options: str) -> str:
    """Install ours over it, as apt does; what that says."""
    said = machine.run(*UPGRADE, *options, machine.put(package))
    assert machine.status() == "ii" and f"{VERSION}-1" in machine.run("dpkg-query", "-W", "popa3d")
    return said


def test_the_daemon(host: Host, machine: Machine, package: Path) -> None:
    """The daemon was on: it is on afterwards, and after a reboot, with the same unique-ids; mail that came before is there."""
    ids = old(machine)
    said = upgrade(machine, package)
    assert "onfiguration file" not in said, "dpkg has asked about a configuration file"
    assert serves(machine) == ids
    assert not [name for name in machine.processes("popa3d") if "python" not in name]
    machine.reboot()
    assert serves(machine) == ids
    assert not any(line.startswith("pop3") for line in inetd_lines(machine))


def test_inetd(host: Host, machine: Machine, package: Path) -> None:
    """The entry of inetd was on: it is on afterwards as it was, with the same unique-ids, and no daemon is started at boot."""
    ids = old(machine, standalone=False)
    assert inetd_lines(machine) == [OLD_ENTRY]
    upgrade(machine, package)
    assert inetd_lines(machine) == [OLD_ENTRY]
    assert serves(machine) == ids
    machine.reboot()
    assert serves(machine) == ids
    assert machine.is_rid_of("popa3d")


@pytest.mark.parametrize("mark", ["#<off># ", "#"])
def test_inetd_that_was_off(host: Host, machine: Machine, package: Path, mark: str) -> None:
    """The administrator had turned the entry off, in one way or the other: it stays as it is, and no port is opened."""
    old(machine, standalone=False)
    machine.run("update-inetd", "--comment-chars", mark, "--disable", "pop3")
    wait_for_the_port(False)
    upgrade(machine, package)
    machine.reboot()
    assert inetd_lines(machine) == [mark + OLD_ENTRY] and not port_is_open() and machine.is_rid_of("popa3d")


def test_a_daemon_that_was_off(host: Host, machine: Machine, package: Path) -> None:
    """The daemon was stopped, and its links in /etc/rc?.d were disabled: so it is afterwards."""
    old(machine)
    machine.run("update-rc.d", "popa3d", "disable")
    machine.run("service", "popa3d", "stop")
    wait_for_the_port(False)
    upgrade(machine, package)
    assert not port_is_open()
    machine.reboot()
    assert not port_is_open()


def test_a_daemon_that_was_stopped(host: Host, machine: Machine, package: Path) -> None:
    """The daemon was stopped for a while only: the upgrade does not start it, the next boot does."""
    old(machine)
    machine.run("service", "popa3d", "stop")
    wait_for_the_port(False)
    upgrade(machine, package)
    assert not port_is_open()
    machine.reboot()
    serves(machine)


def test_a_daemon_of_its_own(host: Host, machine: Machine, package: Path) -> None:
    """A C popa3d -D that nobody but its administrator has started goes on until they stop it; then ours can be started."""
    old(machine, standalone=False)
    machine.run("update-inetd", "--comment-chars", "#", "--disable", "pop3")
    wait_for_the_port(False)
    machine.run("popa3d", "-D")
    upgrade(machine, package)
    serves(machine, "C")


@pytest.mark.parametrize("standalone", [True, False], ids=["daemon", "inetd"])
def test_one_that_was_removed(host: Host, machine: Machine, package: Path, standalone: bool) -> None:
    """C popa3d was removed and not purged, some time ago: nothing is turned on, now or at boot."""
    old(machine, standalone)
    machine.run("dpkg", "-r", "popa3d")
    assert machine.is_rid_of("popa3d")
    assert machine.status() == "rc"
    upgrade(machine, package)
    machine.reboot()
    assert not port_is_open() and machine.is_rid_of("popa3d")


def test_what_only_the_old_package_had(host: Host, machine: Machine, package: Path) -> None:
    """RUN_STANDALONE and the answer to debconf's question are gone; the user is who it was; a purge leaves nothing of either."""
    before = machine.listing()
    old(machine)
    mailbox = machine.root / "var/mail/alice"
    before["/var/mail/alice"] = machine.listing()["/var/mail/alice"]
    user = machine.run("getent", "passwd", "popa3d")
    upgrade(machine, package)
    assert not (machine.root / "etc/default/popa3d").exists()
    assert (
        "popa3d"
        not in machine.run("sh", "-c", "echo METAGET popa3d/standalone owners | debconf-communicate", status=None).split()
    )
    assert machine.run("getent", "passwd", "popa3d") == user
    machine.run("dpkg", "-P", "popa3d")
    after = machine.listing()
    assert {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)} == set()
    assert mailbox.read_bytes() == MAIL


def test_more_in_the_default_file(host: Host, machine: Machine, package: Path) -> None:
    """An /etc/default/popa3d with more than the package has written is kept, and the administrator is told."""
    old(machine)
    with (machine.root / "etc/default/popa3d").open("a") as file:
        file.write("ulimit -n 4096\n")
    assert "/etc/default/popa3d is not read any more" in upgrade(machine, package)
    assert (machine.root / "etc/default/popa3d").exists()
    serves(machine)


def test_a_changed_pam_file(host: Host, machine: Machine, package: Path) -> None:
    """A PAM file that the administrator has changed stays so: dpkg asks, keeps it by default, and it decides who may log in."""
    old(machine)
    mine = "auth required pam_deny.so\naccount required pam_deny.so\n"
    (machine.root / "etc/pam.d/popa3d").write_text(mine)
    upgrade(machine, package, "-o", "Dpkg::Options::=--force-confold")
    assert (machine.root / "etc/pam.d/popa3d").read_text() == mine
    assert b"-ERR" in fetched()


@pytest.mark.parametrize("standalone", [True, False], ids=["daemon", "inetd"])
def test_an_upgrade_that_fails(host: Host, machine: Machine, package: Path, standalone: bool, tmp_path: Path) -> None:
    """If the new package turns out to be damaged half way, C popa3d goes on as before; the next attempt succeeds."""
    ids = old(machine, standalone)
    damaged = tmp_path / "damaged.deb"
    damaged.write_bytes(package.read_bytes()[:-20_000])
    said = machine.run("dpkg", "-i", machine.put(damaged), status=1)
    assert "error processing archive" in said
    assert "1.0.3-1.1" in machine.run("dpkg-query", "-W", "popa3d") and machine.status() == "ii"
    assert serves(machine, "C") == ids
    upgrade(machine, package)
    assert serves(machine) == ids


def test_unpacked_and_configured_later(host: Host, machine: Machine, package: Path) -> None:
    """Between unpacking and configuring, and after a reboot in between, what was on is not forgotten."""
    old(machine, standalone=False)
    machine.run("dpkg", "--unpack", machine.put(package))
    machine.run("dpkg", "--unpack", PACKAGE)
    machine.reboot()
    assert not port_is_open()
    machine.run("dpkg", "--configure", "popa3d")
    serves(machine)
    assert not (machine.root / "var/lib/popa3d.was-on").exists()


@pytest.fixture
def people(host: Host, home: Home) -> Home:
    """A person with mpop, who leaves mail on the server."""
    home.write(
        ".mpoprc",
        f"account default\nhost 127.0.0.1\nport 110\nuser {ALICE.name}\npassword {ALICE.password}\nauth user\ntls off\n"
        f"received_header off\nkeep on\nuidls_file ~/uidls\ndelivery mda {home.deliver}\n",
    )
    return home


@pytest.mark.parametrize("standalone", [True, False], ids=["daemon", "inetd"])
def test_nothing_is_fetched_twice(host: Host, machine: Machine, package: Path, people: Home, standalone: bool) -> None:
    """A client that polls before and after the upgrade, and leaves mail, gets each message once; new mail arrives."""
    old(machine, standalone)
    mailbox = machine.deliver("alice", ALICE.uid, MAIL)
    people.run("mpop")
    assert len(people.mail()) == 2
    upgrade(machine, package)
    wait_for_the_port()
    people.run("mpop")
    assert len(people.mail()) == 2
    with mailbox.open("ab") as file:
        file.write(THIRD)
    people.run("mpop")
    assert people.mail() == received(MESSAGES[:3])
    assert (machine.root / STATE / str(ALICE.uid)).exists(), "it was ours"
