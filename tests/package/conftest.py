"""The package, built once, and layers to put machines on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import ALICE, CHECKOUT, Host
from tests.package import clean_root
from tests.package.machine import Machine, ready

DEPENDENCIES = ["adduser", "libpam-runtime", "python3", "python3-pampy", "python3-psutil", "update-inetd", "netbase"]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that this tree makes."""
    place = tmp_path_factory.mktemp("package")
    done = subprocess.run(["packaging/make-deb", str(place)], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def minimal() -> list[Path]:
    """Debian with nothing but what is essential."""
    assert clean_root.ROOT.exists(), "make it with: make test, or python3 -m tests.package.clean_root"
    return [clean_root.ROOT]


@pytest.fixture(scope="session")
def depends(minimal: list[Path]) -> Iterator[list[Path]]:
    """The same with what popa3d depends on, an inetd, and the account alice."""
    machine = ready(minimal, ALICE, *DEPENDENCIES, "openbsd-inetd", "libwrap0", "sysvinit-core", "initscripts")
    yield machine.layers()
    machine.discard()


@pytest.fixture(scope="session")
def with_systemd(minimal: list[Path]) -> Iterator[list[Path]]:
    """The same with systemd, and without an inetd."""
    machine = ready(minimal, ALICE, *DEPENDENCIES, "systemd-sysv", "dbus")
    yield machine.layers()
    machine.discard()


@pytest.fixture
def machine(host: Host, depends: list[Path]) -> Iterator[Machine]:
    """A running machine without popa3d."""
    with Machine(depends, "sysv") as machine:
        yield machine
    machine.discard()


@pytest.fixture
def installed(machine: Machine, package: Path) -> Machine:
    """A machine with the package."""
    machine.run("dpkg", "-i", machine.put(package))
    return machine
