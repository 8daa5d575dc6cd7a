"""docs/TLS.md, word by word: the real stunnel4 in front of popa3d, and clients that speak TLS."""

from __future__ import annotations

import poplib
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import ALICE, CHECKOUT, Host
from tests.package.machine import Machine, ready
from tests.package.sessions import MAIL
from tests.sockets import listening, listens
from tests.talk import wait_until

PAGE = (CHECKOUT / "docs/TLS.md").read_text()
STUNNEL = ("stunnel4", "openssl")


def block(start: str) -> str:
    """The indented block of the page that starts with these words."""
    (found,) = re.findall(r"^((?:    .*\n)+)", PAGE[PAGE.index(f"\n    {start}") + 1 :], re.M)[:1]
    return re.sub("^    ", "", str(found), flags=re.M)


def prepare(machine: Machine, package: Path) -> Path:
    """popa3d, alice's mail, and stunnel with a certificate of its own; that certificate."""
    machine.run("dpkg", "-i", machine.put(package))
    machine.deliver("alice", ALICE.uid, MAIL)
    machine.run("sh", "-c", block("openssl req"))
    machine.run("cp", "/usr/share/doc/popa3d/examples/stunnel/popa3d.conf", "/etc/stunnel/popa3d.conf")
    return machine.root / "etc/stunnel/popa3d.crt"


def fetch(certificate: Path) -> None:
    """Claim that alice gets her mail through TLS by Python's client and by curl, and that nobody else listens for her."""
    wait_until(lambda: {each.address for each in listening()} == {"0100007F:006E", "0" * 32 + ":03E3"}, 60)
    for _ in range(2):
        client = poplib.POP3_SSL("localhost", 995, timeout=20, context=ssl.create_default_context(cafile=str(certificate)))
        client.user(ALICE.name)
        client.pass_(ALICE.password)
        assert b"\n".join(client.retr(1)[1]).endswith(b"dock 3")
        client.quit()
    ask = ["curl", "-sS", "--user", f"{ALICE.name}:{ALICE.password}", "pop3s://localhost/2"]
    done = subprocess.run([*ask, "--cacert", str(certificate)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and b"Subject: dots\r\n" in done.stdout, done.stderr
    refused = subprocess.run(ask, capture_output=True, timeout=60, check=False)
    assert b"certificate" in refused.stderr, "curl trusts anybody"


@pytest.fixture(scope="module")
def with_stunnel(depends: list[Path]) -> Iterator[list[Path]]:
    """Layers with sysvinit, an inetd and stunnel."""
    machine = ready(depends, ALICE, *STUNNEL)
    yield machine.layers()
    machine.discard()


def test_the_daemon(host: Host, with_stunnel: list[Path], package: Path) -> None:
    """stunnel's init script and popa3d -D, with the file that the page has: mail is fetched, and port 110 is the host's own."""
    with Machine(with_stunnel, "sysv") as machine:
        certificate = prepare(machine, package)
        (machine.root / "etc/popa3d.toml").write_text(block("[listen]"))
        machine.run("update-rc.d", "popa3d", "enable")
        machine.run("service", "popa3d", "start")
        machine.run(*block("service stunnel4 restart").split())
        fetch(certificate)
        host.syslog.wait("Authentication passed for alice from 127.0.0.1")
    machine.discard()


def test_inetd(host: Host, with_stunnel: list[Path], package: Path) -> None:
    """The same with the entry that the page has for inetd."""
    with Machine(with_stunnel, "sysv") as machine:
        certificate = prepare(machine, package)
        (machine.root / "etc/inetd.conf").write_text(block("127.0.0.1:pop3"))
        machine.run("service", "openbsd-inetd", "restart")
        machine.run("service", "stunnel4", "restart")
        fetch(certificate)
    machine.discard()


def test_systemd(host: Host, with_systemd: list[Path], package: Path) -> None:
    """popa3d.socket with what the page adds to it, and stunnel as a unit of systemd, are there after a reboot too.

    stunnel's init script, which was started before, is stopped by what the page says, and stays off.
    """
    with Machine(with_systemd, "systemd") as machine:
        machine.install(*STUNNEL)
        certificate = prepare(machine, package)
        place = machine.root / "etc/systemd/system/popa3d.socket.d"
        place.mkdir()
        (place / "override.conf").write_text(block("[Socket]"))
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "enable", "--now", "popa3d.socket")
        machine.run(*block("service stunnel4 restart").split())
        wait_until(lambda: listens(995), 60)
        machine.run("sh", "-ec", block("systemctl stop stunnel4"))
        for later in (False, True):
            if later:
                machine.reboot()
            fetch(certificate)
            assert len(machine.processes("/etc/stunnel/popa3d.conf")) == 1
            assert machine.run("systemctl", "is-active", "stunnel@popa3d.service") == "active\n"
            assert machine.run("systemctl", "is-active", "stunnel4.service", status=3) == "inactive\n"
    machine.discard()
