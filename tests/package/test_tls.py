"""docs/TLS.md, word by word: a certificate for the installed package, each way to start it, and certbot's hook."""

from __future__ import annotations

import poplib
import re
import shlex
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import ALICE, CHECKOUT, Host
from tests.package.machine import Machine, layers
from tests.package.sessions import AGAIN, INETD_ON, MAIL
from tests.sockets import listens
from tests.talk import wait_until
from tests.tls import pair

PAGE = (CHECKOUT / "docs/TLS.md").read_text()
CERTIFICATE, KEY = "etc/ssl/certs/popa3d.pem", "etc/ssl/private/popa3d.key"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/popa3d"
SOCKETS = ("popa3d.socket", "popa3d-tls.socket")


def block(start: str) -> str:
    """The indented block of the page that starts with these words."""
    (found,) = re.findall(r"^((?:    .*\n)+)", PAGE[PAGE.index(f"\n    {start}") + 1 :], re.M)[:1]
    return re.sub("^    ", "", str(found), flags=re.M)


def prepare(machine: Machine, package: Path) -> None:
    """popa3d, alice's mail, and a certificate, which popa3d -t likes."""
    machine.run("dpkg", "-i", machine.put(package))
    machine.deliver("alice", ALICE.uid, MAIL)
    machine.run("sh", "-c", block("openssl req"))
    (machine.root / "etc/popa3d.toml").write_text(block("[tls]"))
    assert machine.run(*block("popa3d -t").split()) == ""


def fetch(machine: Machine) -> None:
    """Claim that alice gets her mail on both ports, by the page's commands and by Python's client, with replies to the end."""
    wait_until(lambda: listens(110) and listens(995))
    certificate = machine.root / CERTIFICATE
    commands = block("curl").splitlines()
    assert len(commands) == 2
    for line in commands:
        words = shlex.split(line.replace(f"/{CERTIFICATE}", str(certificate)).replace("NAME", f"{ALICE.name}:{ALICE.password}"))
        done = subprocess.run([*words, "-sS"], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 2, done
        refused = subprocess.run([*words[:1], *words[3:], "-sS"], capture_output=True, timeout=60, check=False)
        assert b"certificate" in refused.stderr, "curl trusts anybody"
    context = ssl.create_default_context(cafile=str(certificate))
    client: poplib.POP3 = poplib.POP3("localhost", 110, timeout=60)
    client.stls(context)
    read(client)
    read(poplib.POP3_SSL("localhost", 995, timeout=60, context=context))


def read(client: poplib.POP3) -> None:
    """Claim that alice can log in and read; QUIT is answered too, though the service manager ends what a session leaves."""
    client.user(ALICE.name)
    client.pass_(ALICE.password)
    assert b"\n".join(client.retr(1)[1]).endswith(b"dock 3")
    assert client.quit().startswith(b"+OK")


def renew(machine: Machine, number: int) -> None:
    """Put another pair into the place of the certificate's."""
    made = pair(number=number)
    (machine.root / CERTIFICATE).write_text(made.certificate)
    (machine.root / KEY).write_text(made.key)


def served(port: int = 995) -> str:
    """The certificate that a client sees, in PEM."""
    return ssl.get_server_certificate(("localhost", port))


def by_hook(machine: Machine) -> None:
    """Claim that certbot's hook lets a daemon have a renewed pair, and says what is wrong with one that cannot be used."""
    machine.run("mkdir", "-p", str(Path(HOOK).parent))
    machine.run(*block("install -m 755").split())
    before = served()
    renew(machine, 5)
    assert served() == before
    assert machine.run(HOOK) == ""
    wait_until(lambda: served() == pair(number=5).certificate)
    (machine.root / KEY).write_text(pair(number=6).key)
    assert f"tls.key: /{KEY} does not belong to /{CERTIFICATE}" in machine.run(HOOK, status=1)
    assert served() == pair(number=5).certificate


@pytest.fixture(scope="module")
def with_openssl(depends: list[Path]) -> list[Path]:
    """Layers with sysvinit, an inetd, and openssl's command."""
    return layers(depends, ALICE, "openssl")


@pytest.fixture
def systemd(host: Host, with_systemd: list[Path], package: Path) -> Iterator[Machine]:
    """A machine with systemd, popa3d and a certificate; nothing listens."""
    with Machine(with_systemd, "systemd") as machine:
        machine.install("openssl")
        prepare(machine, package)
        yield machine
    machine.discard()


def test_the_daemon(host: Host, with_openssl: list[Path], package: Path) -> None:
    """popa3d -D by its init script listens on both ports, and certbot's hook renews the pair."""
    with Machine(with_openssl, "sysv") as machine:
        prepare(machine, package)
        assert not listens(995)
        machine.run("service", "popa3d", "start")
        fetch(machine)
        assert " with TLSv1.3 TLS_" in host.syslog.wait("Authentication passed for alice from ")
        by_hook(machine)
        machine.run("service", "popa3d", "stop")
        assert machine.is_rid_of("popa3d -D")
    machine.discard()


def test_inetd(host: Host, with_openssl: list[Path], package: Path) -> None:
    """The same with the page's line for inetd, which a renewal needs nothing for. Removing the package names the line."""
    with Machine(with_openssl, "sysv") as machine:
        prepare(machine, package)
        with (machine.root / "etc/inetd.conf").open("a") as file:
            file.write(block("pop3s stream"))
        machine.run(*INETD_ON)
        machine.run("service", "openbsd-inetd", "restart")
        fetch(machine)
        renew(machine, 5)
        wait_until(lambda: served() == pair(number=5).certificate)
        assert "/etc/inetd.conf still has an entry" in machine.run("dpkg", "-r", "popa3d")
    machine.discard()


def test_sockets_of_systemd(systemd: Machine) -> None:
    """Both sockets, with all that their units forbid: now, after an upgrade, a reboot, and when it was removed meanwhile."""
    assert not listens(995)
    systemd.run("systemctl", "enable", "--now", "popa3d.socket")
    systemd.run(*block("systemctl enable --now").split())
    fetch(systemd)
    systemd.run(*AGAIN)
    fetch(systemd)
    systemd.reboot()
    fetch(systemd)
    assert systemd.run("systemctl", "--failed", "--no-legend", "list-units", "popa3d*") == ""
    wait_until(lambda: not systemd.processes("/usr/sbin/popa3d"))
    systemd.run("dpkg", "-r", "popa3d")
    assert not listens(995) and not listens(110)
    systemd.run(*AGAIN)
    fetch(systemd)
    systemd.run("dpkg", "-P", "popa3d")
    assert not listens(995)


def test_the_service_of_systemd(systemd: Machine) -> None:
    """popa3d.service takes the place of the sockets, and certbot's hook renews its pair."""
    for unit in SOCKETS:
        systemd.run("systemctl", "start", unit)
    systemd.run("systemctl", "start", "popa3d.service")
    for unit in SOCKETS:
        assert systemd.run("systemctl", "is-active", unit, status=3) == "inactive\n"
    fetch(systemd)
    by_hook(systemd)
    assert "failed" in systemd.run("systemctl", "reload", "popa3d.service", status=1)
    systemd.run("systemctl", "stop", "popa3d.service")
    wait_until(lambda: not listens(995))
