"""The package on hosts where something is unusual: a killed dpkg, a policy, scripts and daemons of the administrator's own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import ALICE, Host
from tests.package.interrupted import interrupted
from tests.package.machine import Machine
from tests.package.sessions import AGAIN, INETD_ON, MAIL, inetd_lines, port_is_open, serves, wait_for_the_port
from tests.package.test_upgrade import old, upgrade
from tests.root.interrupted import AFTER
from tests.super.daemon import Connected
from tests.talk import wait_until

BACK = "cd /srv/archive && dpkg -i --force-confnew popa3d_1.0.3-1.1*.deb"


def altered(package: Path, place: Path, file: str, text: str) -> Path:
    """The package with `text` added to one of its files."""
    tree, made = place / "tree", place / "popa3d_altered.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    with (tree / file).open("a") as opened:
        opened.write(text)
    subprocess.run(["dpkg-deb", "-b", tree, made], check=True, stdout=subprocess.DEVNULL)
    return made


@pytest.mark.parametrize("standalone", [True, False], ids=["daemon", "inetd"])
def test_a_killed_upgrade(host: Host, machine: Machine, package: Path, standalone: bool, tmp_path: Path) -> None:
    """dpkg is killed when preinst has turned off what was on: the next attempt still knows, and turns it on again."""
    ids = old(machine, standalone)
    machine.run("dpkg", "-i", machine.put(altered(package, tmp_path, "DEBIAN/preinst", "\nkill -9 $PPID\n")), status=-9)
    wait_for_the_port(False)
    machine.run("dpkg", "-i", machine.put(package))
    assert serves(machine) == ids
    assert not (machine.root / "var/lib/popa3d.was-on").exists()


def test_a_policy(host: Host, machine: Machine, package: Path) -> None:
    """Where policy-rc.d forbids it, neither is the old daemon stopped nor ours started; the next boot does that."""
    ids = old(machine)
    policy = machine.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    assert "policy-rc.d does not let" in upgrade(machine, package)
    assert serves(machine, "C") == ids
    policy.unlink()
    machine.reboot()
    assert serves(machine) == ids


@pytest.mark.parametrize("line", [" RUN_STANDALONE=yes", "export RUN_STANDALONE='1'"])
def test_a_default_file_in_another_style(host: Host, machine: Machine, package: Path, line: str) -> None:
    """However the shell reads that the daemon is wanted, it is replaced."""
    old(machine)
    (machine.root / "etc/default/popa3d").write_text(line + "\n")
    upgrade(machine, package)
    serves(machine)


def test_an_init_script_that_was_kept(host: Host, machine: Machine, package: Path) -> None:
    """The changed script of C popa3d cannot stop our daemon: the administrator is told, and removing the package does stop it."""
    old(machine)
    with (machine.root / "etc/init.d/popa3d").open("a") as file:
        file.write("# mine\n")
    said = upgrade(machine, package, "-oDpkg::Options::=--force-confold")
    assert "/etc/init.d/popa3d is not the one of this package" in said
    serves(machine)
    machine.run("dpkg", "-r", "popa3d")
    assert not port_is_open() and machine.is_rid_of("popa3d -D")


COMMANDS = ["popa3d -D", "popa3d -c /etc/mine.toml -4DF", "/sbin/popa3d -F", "cd / && usr/sbin/popa3d -c/etc/mine.toml -D"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_daemon_of_its_own(installed: Machine, command: str) -> None:
    """One that somebody has started by hand: an upgrade tells that it is the old one, and removing the package ends it."""
    (installed.root / "etc/mine.toml").touch()
    installed.run("sh", "-c", f"{{ {command}; }} < /dev/null > /dev/null 2>&1 &")
    wait_for_the_port()
    (pid,) = re.findall("process ([0-9]+) is popa3d -D as it was before the upgrade", installed.run(*AGAIN))
    assert command.split()[-1] in installed.run("cat", f"/proc/{pid}/cmdline").split("\0")
    serves(installed)
    installed.run("dpkg", "-r", "popa3d")
    assert not port_is_open() and installed.is_rid_of("popa3d")


def test_a_session_is_no_daemon(installed: Machine) -> None:
    """A session that inetd has started before an upgrade is not taken for a daemon, whatever its configuration is called."""
    (installed.root / "etc/popa3d-DF.toml").touch()
    with (installed.root / "etc/inetd.conf").open("a") as file:
        file.write("pop3 stream tcp nowait root /usr/sbin/popa3d popa3d -c /etc/popa3d-DF.toml\n")
    installed.run("service", "openbsd-inetd", "restart")
    wait_for_the_port()
    with Connected() as talk:
        assert talk.line().startswith(b"+OK")
        assert "as it was before the upgrade" not in installed.run(*AGAIN)
        installed.run("dpkg", "-r", "popa3d")
        assert talk.ask(b"QUIT") == b"+OK\r\n"


def test_a_policy_when_it_is_removed(installed: Machine) -> None:
    """Where policy-rc.d forbids it, a daemon is not stopped when the package is removed, but named."""
    installed.run("service", "popa3d", "start")
    policy = installed.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    assert "policy-rc.d does not let it be stopped" in installed.run("dpkg", "-r", "popa3d")
    assert installed.processes("popa3d -DF")


def test_back_with_a_default_file(host: Host, machine: Machine, package: Path) -> None:
    """A daemon that was turned off meanwhile is not turned on by what a file says that was kept; its other lines stay."""
    old(machine)
    file = machine.root / "etc/default/popa3d"
    file.write_text("RUN_STANDALONE=yes\nMINE=1\n")
    upgrade(machine, package)
    machine.run("service", "popa3d", "stop")
    machine.run("update-rc.d", "popa3d", "disable")
    machine.run("sh", "-c", BACK)
    machine.reboot()
    assert not port_is_open() and "MINE=1\n" in file.read_text()


def test_started_but_not_enabled(installed: Machine) -> None:
    """A daemon that the init system must not start is not started again, and the administrator is told."""
    installed.run("service", "popa3d", "start")
    assert "as it was before the upgrade" in installed.run(*AGAIN)
    installed.run("update-rc.d", "popa3d", "enable")
    assert "as it was before the upgrade" not in installed.run(*AGAIN)


def test_an_entry_of_its_own(installed: Machine) -> None:
    """An entry that update-inetd does not know (docs/TLS.md has one) cannot be turned off: removing the package says so."""
    with (installed.root / "etc/inetd.conf").open("a") as file:
        file.write("127.0.0.1:pop3 stream tcp nowait.1000 root /usr/sbin/popa3d popa3d\n")
    assert "/etc/inetd.conf still has an entry that starts popa3d" in installed.run("dpkg", "-r", "popa3d")


def test_without_update_inetd(installed: Machine) -> None:
    """With update-inetd gone by force, the package can still be removed, and says what it could not do."""
    installed.run(*INETD_ON)
    installed.run("dpkg", "--force-depends", "-r", "openbsd-inetd", "update-inetd")
    assert "still has an entry that starts popa3d" in installed.run("dpkg", "-r", "popa3d")
    assert installed.status() == "rc"


def test_a_state_directory_that_cannot_be_made(installed: Machine) -> None:
    """A link to a disk that is not there does not leave the package half configured; mail is served."""
    state = installed.root / "var/lib/popa3d-state"
    state.rmdir()
    state.symlink_to("/srv/nowhere")
    assert "without /var/lib/popa3d-state" in installed.run(*AGAIN)
    installed.run(*INETD_ON)
    serves(installed)


@pytest.mark.parametrize("standalone", [True, False], ids=["daemon", "inetd"])
def test_back_to_c_popa3d(host: Host, machine: Machine, package: Path, standalone: bool) -> None:
    """There and back: C popa3d serves as before, and what ours had left unfinished was finished first."""
    ids = old(machine, standalone)
    upgrade(machine, package)
    assert serves(machine) == ids
    mailbox, _ = interrupted(host, machine)
    machine.run("sh", "-c", BACK)
    assert mailbox.read_bytes() == AFTER
    wait_until(lambda: not [name for name in machine.processes("popa3d") if "python" in name], 20)
    for _ in range(2):
        assert serves(machine, "C") == ids
        machine.reboot()
    if not standalone:
        assert [line.partition("\t")[0] for line in inetd_lines(machine)] == ["pop3"]


@pytest.fixture
def modern(host: Host, with_systemd: list[Path], package: Path) -> Iterator[Machine]:
    """A running machine with systemd and the package."""
    with Machine(with_systemd, "systemd") as machine:
        machine.run("dpkg", "-i", machine.put(package))
        yield machine
    machine.discard()


@pytest.mark.parametrize("unit", ["popa3d.socket", "popa3d.service"])
def test_back_to_c_popa3d_with_systemd(modern: Machine, unit: str) -> None:
    """C popa3d has no units: none of ours stays on, or is left as a link to nowhere; its daemon serves."""
    modern.run("systemctl", "enable", "--now", unit)
    wait_for_the_port()
    modern.run("sh", "-c", BACK)
    serves(modern, "C")
    assert modern.run("find", "/etc/systemd", "-name", "*popa3d*") == ""
    assert modern.run("systemctl", "--failed", "--no-legend", "list-units", "popa3d*") == ""
    modern.reboot()
    serves(modern, "C")


@pytest.mark.parametrize("what", ["upgraded", "removed"])
def test_a_session_that_outlives_it(host: Host, installed: Machine, package: Path, what: str, tmp_path: Path) -> None:
    """A session deletes mail as it was when it began: not with the modules of another version, or with missing ones."""
    module = "usr/lib/popa3d/popa3d/owner/update/removal.py"
    newer = altered(package, tmp_path, module, "\nraise SystemError('of another version')\n")
    installed.run(*INETD_ON)
    wait_for_the_port()
    mailbox = installed.deliver("alice", ALICE.uid, MAIL)
    with Connected() as early, Connected() as late:
        for talk in (early, late):
            assert talk.login() == b"+OK\r\n"
        assert early.ask(b"DELE 2") == b"+OK\r\n"
        installed.run("dpkg", *(["-i", installed.put(newer)] if what == "upgraded" else ["-r", "popa3d"]))
        assert late.ask(b"DELE 1").startswith(b"-ERR")
        assert late.ask(b"QUIT") == b"+OK\r\n"
        assert mailbox.read_bytes() == MAIL
        assert early.ask(b"QUIT") == b"+OK\r\n"
    assert mailbox.read_bytes() == MAIL[: MAIL.index(b"\nFrom ", 1) + 1]
    assert not [line for line in host.syslog.lines if "Internal error" in line]
