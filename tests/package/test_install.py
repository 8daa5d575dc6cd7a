"""The package on a host with sysvinit: what it makes, what it turns on, and how it is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from popa3d import VERSION
from popa3d.root import settings_file
from popa3d.shared.settings import Settings
from tests.host import ALICE, Host
from tests.package.machine import Machine
from tests.package.sessions import (
    AGAIN,
    INETD_ON,
    STATE,
    documented,
    fetched,
    inetd_lines,
    port_is_open,
    serves,
    wait_for_the_port,
)


def test_what_it_depends_on_is_enough(host: Host, minimal: list[Path], package: Path) -> None:
    """On a Debian with nothing but what is essential, apt installs it with what it depends on, and users can log in."""
    with Machine(minimal) as machine:
        machine.install(machine.put(package))
        assert machine.status() == "ii"
        for program in ("popa3d", "popa3d-status"):
            assert VERSION in machine.run(program, "-V")
        machine.run("popa3d-recover", "--all")
        machine.add(ALICE)
        machine.run("popa3d", "-D")
        serves(machine)
    machine.discard()


def test_nothing_listens(installed: Machine) -> None:
    """After the installation no port is open, now and after a reboot; the entry of inetd is there with one "#"."""
    (line,) = inetd_lines(installed)
    assert line == "#pop3\t\tstream\ttcp\tnowait.1000\troot\t/usr/sbin/tcpd\t/usr/sbin/popa3d"
    for _ in range(2):
        assert not port_is_open() and installed.is_rid_of("popa3d")
        installed.reboot()


def test_modes_on_the_host(installed: Machine) -> None:
    """The directories have the modes that popa3d asks for, the users no home, no shell and no password."""
    for name, mode in ((STATE, 0o711), ("var/lib/popa3d", 0o755)):
        status = (installed.root / name).stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (mode, 0, 0)
        assert not list((installed.root / name).iterdir())
    for user in ("popa3d", "popa3d-tls"):
        name, _, uid, gid, _, home, shell = installed.run("getent", "passwd", user).strip().split(":")
        assert (home, shell) == ("/nonexistent", "/usr/sbin/nologin") and 0 < int(uid) < 1000 and 0 < int(gid) < 1000
        assert installed.run("getent", "shadow", user).split(":")[1] in ("!", "!*", "*")
        assert installed.run("id", "-nG", name).split() == [user]


def test_the_entries_of_systemd_are_the_same(installed: Machine) -> None:
    """What sysusers.d and tmpfiles.d would make on a host with an empty /var is what the package has made."""
    users = re.findall("^u .*$", (installed.root / "usr/lib/sysusers.d/popa3d.conf").read_text(), re.M)
    assert users == ['u popa3d - "POP3 server" /nonexistent', 'u popa3d-tls - "POP3 server, TLS" /nonexistent']
    lines = re.findall("^d .*$", (installed.root / "usr/lib/tmpfiles.d/popa3d.conf").read_text(), re.M)
    assert lines == ["d /var/lib/popa3d 0755 root root -", "d /var/lib/popa3d-state 0711 root root -"]


def test_by_inetd(host: Host, installed: Machine) -> None:
    """The command of README.Debian turns inetd's entry on, and mail is fetched through the real inetd and tcpd."""
    installed.run(*INETD_ON)
    assert serves(installed)
    host.syslog.wait("Authentication passed for alice from 127.0.0.1")
    (installed.root / "etc/hosts.deny").write_text("popa3d: ALL\n")
    assert fetched() == b""


def test_by_itself(host: Host, installed: Machine) -> None:
    """With the commands of README.Debian popa3d -D serves mail, is there after a reboot, and stops when it is told to."""
    installed.run("update-rc.d", "popa3d", "enable")
    installed.run("service", "popa3d", "start")
    serves(installed)
    installed.run("service", "popa3d", "start")
    installed.run("service", "popa3d", "status")
    installed.run("service", "popa3d", "reload")
    assert len(set(installed.processes("popa3d -D"))) == 1
    installed.reboot()
    serves(installed)
    installed.run("service", "popa3d", "restart")
    serves(installed)
    installed.run("service", "popa3d", "stop")
    assert not port_is_open() and installed.is_rid_of("popa3d")
    installed.run("service", "popa3d", "status", status=3)
    installed.run("service", "popa3d", "try-restart")
    assert not port_is_open()


WRONG = "popa3d: /etc/popa3d.toml: unknown key listen.ports"


@pytest.mark.parametrize("action", ["restart", "try-restart", "force-reload", "reload", "start"])
def test_a_wrong_configuration(installed: Machine, action: str) -> None:
    """Nothing that the init script does with a wrong file stops the daemon that works; it fails, and says why."""
    installed.run("service", "popa3d", "start")
    serves(installed)
    (before,) = set(installed.processes("popa3d -D"))
    (installed.root / "etc/popa3d.toml").write_text("[listen]\nports = 110\n")
    if action == "start":
        installed.run("service", "popa3d", "stop")
    said = installed.run("service", "popa3d", action, status=1)
    assert WRONG in said and "failed" in said and "Terminated" not in said
    if action != "start":
        assert set(installed.processes("popa3d -D")) == {before}
        serves(installed)


def test_to_see_that_it_works(host: Host, installed: Machine) -> None:
    """What INSTALL.md says for that: curl lists a user's messages, and so does a session by hand on a terminal."""
    installed.run("service", "popa3d", "start")
    serves(installed)
    command = documented("curl pop3://localhost/").replace("NAME", f"{ALICE.name}:{ALICE.password}")
    done = subprocess.run(command.split(), capture_output=True, timeout=60, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [b"1", b"2"]
    installed.run("service", "popa3d", "stop")
    typed = f"USER {ALICE.name}\nPASS {ALICE.password}\nLIST\nQUIT\n"
    (installed.root / "srv/typed").write_text(typed)
    said = installed.run("sh", "-c", "script -qec popa3d /dev/null < /srv/typed")
    assert len(re.findall("^[12] [0-9]+\r+$", said, re.M)) == 2


def test_a_port_that_is_taken(installed: Machine) -> None:
    """If popa3d cannot listen, the init script says so, by its status too."""
    installed.run(*INETD_ON)
    wait_for_the_port()
    assert "failed" in installed.run("service", "popa3d", "start", status=1)
    assert installed.is_rid_of("popa3d -D")


def test_bytecode(installed: Machine) -> None:
    """Modules have bytecode that is current, programs images; sessions neither write nor need any other; a removal takes all."""
    current = (
        "import pathlib, importlib.util\n"
        "for path in pathlib.Path('/usr/lib/popa3d').rglob('*.py'):\n"
        "    head = pathlib.Path(importlib.util.cache_from_source(path)).read_bytes()[:16]\n"
        "    status = path.stat()\n"
        "    print([int.from_bytes(head[i:i + 4], 'little') for i in (4, 8, 12)] == [0, int(status.st_mtime), status.st_size])\n"
    )
    made = installed.run("python3", "-c", current).split()
    assert set(made) == {"True"} and len(made) > 40
    library = installed.root / "usr/lib/popa3d"
    assert sorted(path.name for path in library.glob("*.image*")) == ["popa3d-session.image", "popa3d.image"]
    before = {str(path): path.stat().st_mtime_ns for path in library.rglob("*")}
    installed.run("service", "popa3d", "start")
    serves(installed)
    assert {str(path): path.stat().st_mtime_ns for path in library.rglob("*")} == before
    for path in library.rglob("*.pyc"):
        assert path.stat().st_mode & 0o444 == 0o444, "a session would compile it each time"
    installed.run("dpkg", "-r", "popa3d")
    assert not library.exists()


def test_configured_again(installed: Machine) -> None:
    """Configuring it another time, and installing the same version over it, changes nothing."""
    before = installed.listing()
    installed.run("dpkg-reconfigure", "popa3d")
    assert installed.listing() == before
    installed.run(*AGAIN)
    assert installed.listing() == before
    assert not port_is_open()


def test_inetd_is_installed_later(minimal: list[Path], host: Host, package: Path) -> None:
    """Where there was no inetd, configuring the package again adds the entry."""
    with Machine(minimal) as machine:
        machine.install(machine.put(package))
        (machine.root / "etc/inetd.conf").unlink(missing_ok=True)
        machine.install("openbsd-inetd")
        machine.run("sh", "-c", "[ -e /etc/inetd.conf ] || echo > /etc/inetd.conf")
        machine.run("dpkg-reconfigure", "popa3d")
        assert [line[:5] for line in inetd_lines(machine)] == ["#pop3"]
    machine.discard()


def test_an_upgrade_while_it_runs(installed: Machine) -> None:
    """A newer package over a running daemon: the new program serves mail afterwards; one that is stopped stays stopped."""
    installed.run("update-rc.d", "popa3d", "enable")
    installed.run("service", "popa3d", "start")
    pid = installed.run("cat", "/run/popa3d.pid")
    installed.run(*AGAIN)
    serves(installed)
    assert installed.run("cat", "/run/popa3d.pid") != pid
    installed.run("service", "popa3d", "stop")
    installed.run(*AGAIN)
    assert not port_is_open()


def test_a_chroot_that_is_not_empty(machine: Machine, package: Path) -> None:
    """What is in /var/lib/popa3d stays, the administrator is told, and the package is installed."""
    place = machine.root / "var/lib/popa3d"
    place.mkdir()
    (place / "mine").write_text("kept")
    os.chown(place, 33, 33)
    said = machine.run("dpkg", "-i", machine.put(package))
    assert "/var/lib/popa3d must be empty" in said
    assert place.stat().st_uid == 0
    machine.run("dpkg", "-P", "popa3d")
    assert (place / "mine").read_text() == "kept"
    shutil.rmtree(place)


def test_the_example_of_a_configuration(installed: Machine) -> None:
    """The example can be used as it is, and says what the defaults are."""
    example = installed.root / "usr/share/doc/popa3d/examples/popa3d.toml"
    found, defaults = vars(settings_file.read(str(example))), vars(Settings())
    assert (found.pop("port"), found.pop("addresses")) == (110, ("0.0.0.0", "::"))
    assert (defaults.pop("port"), defaults.pop("addresses")) == (0, ())
    assert found == defaults
