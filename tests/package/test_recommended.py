"""The package as apt installs it by default, with all that is recommended: nobody's init system is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import ALICE, Host
from tests.package.machine import Machine, layers
from tests.package.sessions import serves
from tests.package.test_upgrade import old

DEFAULT = ("apt-get", "-qy", "-o", "APT::Install-Recommends=true", "install")


@pytest.fixture(scope="module")
def with_sysvinit(minimal: list[Path]) -> list[Path]:
    """Layers for a host with sysvinit and no inetd."""
    return layers(minimal, ALICE, "sysvinit-core", "initscripts")


@pytest.fixture
def machine(host: Host, with_sysvinit: list[Path]) -> Iterator[Machine]:
    """Such a host."""
    with Machine(with_sysvinit, "sysv") as machine:
        yield machine
    machine.discard()


def added(machine: Machine, package: Path) -> str:
    """Install ours; what was installed beside it. AssertionError if something was removed, or the init system is another one."""
    said = machine.run(*DEFAULT, machine.put(package))
    assert "REMOVED" not in said and "0 to remove" in said
    assert machine.status("sysvinit-core") == "ii" and machine.status("systemd-sysv") != "ii"
    return said


def test_an_installation(host: Host, machine: Machine, package: Path) -> None:
    """A new installation leaves sysvinit alone, brings a mail server along, and popa3d serves mail at once and at boot."""
    said = added(machine, package)
    assert "Setting up exim4" in said, "nothing was recommended"
    machine.run("update-rc.d", "popa3d", "enable")
    machine.reboot()
    serves(machine)


def test_an_upgrade(host: Host, machine: Machine, package: Path) -> None:
    """An upgrade from C popa3d does so too."""
    ids = old(machine)
    added(machine, package)
    assert serves(machine) == ids
