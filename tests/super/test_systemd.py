"""The units of packaging/systemd: what systemd says of them, and sessions as Accept=yes starts them.

There is no systemd to start units here; systemd-socket-activate starts a session just as popa3d.socket does.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared.limits import STATE
from tests.host import BASE, Host
from tests.super.foreground import HELLO, INSTALLED, MBOX, PACKAGING, Foreground, connected, everything, login, packaged
from tests.super.units import RECOVERY, SERVICES, UNITS, places, setting
from tests.talk import POPA3D, wait_until

pytestmark = pytest.mark.usefixtures("state_directory")

EXPOSURE = 4.0
LOCAL = BASE / "popa3d.sock"
ADDRESSES: tuple[str | Path, ...] = ("127.0.0.1", "::1", LOCAL)


@pytest.fixture
def socket_unit(host: Host) -> Iterator[Foreground]:
    """What popa3d.socket does, on three kinds of address: accept, and start the program for each connection."""
    command = ["systemd-socket-activate", "--inetd", "-a"]
    for address in ("127.0.0.1:110", "[::1]:110", str(LOCAL)):
        command += ["-l", address]
    with Foreground([*command, *POPA3D], sockets=3) as running:
        yield running
    LOCAL.unlink()


def test_the_units_are_right(tmp_path: Path) -> None:
    """systemd-analyze verify has nothing to say about the units."""
    for unit in UNITS:
        text = re.sub(rf"{INSTALLED}[-a-z]*", "/bin/true", (PACKAGING / "systemd" / unit).read_text())
        (tmp_path / unit).write_text(text)
    # --man=no: the manual page is installed with the program, which is not installed here.
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit) for unit in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", SERVICES)
def test_the_units_expose_little(unit: str) -> None:
    """systemd-analyze security rates each service at most 4.0."""
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", str(PACKAGING / "systemd" / unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level and float(level[1]) <= EXPOSURE


@pytest.mark.parametrize("address", ADDRESSES, ids=["IPv4", "IPv6", "local socket"])
def test_a_session(host: Host, socket_unit: Foreground, address: str | Path) -> None:
    """Started for one connection, popa3d serves a session over IPv4, IPv6 or a local socket and exits 0."""
    host.deliver("alice", MBOX)
    assert HELLO in everything(address, login())
    host.syslog.wait("Session from a pipe" if isinstance(address, Path) else f"Session from {address}")
    wait_until(lambda: "died with code" in socket_unit.said())
    assert re.findall("died with code ([0-9]+)", socket_unit.said()) == ["0"]


@pytest.mark.parametrize("said", [b"", login(then=b"")], ids=["before the login", "after the login"])
@pytest.mark.parametrize("address", ADDRESSES, ids=["IPv4", "IPv6", "local socket"])
def test_a_client_that_hangs_up(host: Host, socket_unit: Foreground, address: str | Path, said: bytes) -> None:
    """A client that goes without QUIT is no failure of the unit: the session exits 0."""
    host.deliver("alice", MBOX)
    with connected(address) as client:
        assert client.recv(1000).startswith(b"+OK")
        client.sendall(said)
        if said:
            host.syslog.wait("loaded")
    wait_until(lambda: "died with code" in socket_unit.said())
    assert re.findall("died with code ([0-9]+)", socket_unit.said()) == ["0"]


def test_no_socket_waits_for_a_service() -> None:
    """popa3d-recover comes before no socket: systemd opens those before services are started, and would leave one of them out."""
    assert ".socket" not in " ".join(re.findall("^Before=(.*)$", packaged(f"systemd/{RECOVERY}"), re.M))


def test_the_state_directory_stays_roots() -> None:
    """Each service has the state directory that popa3d uses by default, mode 0711, and is root's: systemd chowns it otherwise."""
    for unit in SERVICES:
        assert places(unit)[1] == STATE and setting(unit, "StateDirectoryMode") == ["0711"]
        assert not re.search("^(User|Group|DynamicUser)=", packaged(f"systemd/{unit}"), re.M)
