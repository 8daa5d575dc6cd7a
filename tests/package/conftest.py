"""The package, built once, and layers to put machines on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import parallel
from tests.host import ALICE, CHECKOUT, Host
from tests.package import clean_root
from tests.package.machine import Machine, layers

DEPENDENCIES = ["adduser", "libpam-runtime", "python3", "python3-pampy", "python3-psutil", "update-inetd", "netbase"]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that this tree makes; one for all workers."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "package"
    with parallel.once(place) as making:
        if making is not None:
            done = subprocess.run(["packaging/make-deb", making], cwd=CHECKOUT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    (made,) = place.glob("popa3d_*_all.deb")
    return made


@pytest.fixture(scope="session")
def minimal() -> list[Path]:
    """Debian with nothing but what is essential."""
    assert clean_root.ROOT.exists(), "make it with: make test, or python3 -m tests.package.clean_root"
    return [clean_root.ROOT]


@pytest.fixture(scope="session")
def depends(minimal: list[Path]) -> list[Path]:
    """The same with what popa3d depends on, an inetd, and the account alice."""
    return layers(minimal, ALICE, *DEPENDENCIES, "openbsd-inetd", "libwrap0", "sysvinit-core", "initscripts")


@pytest.fixture(scope="session")
def with_systemd(minimal: list[Path]) -> list[Path]:
    """The same with systemd, and without an inetd."""
    return layers(minimal, ALICE, *DEPENDENCIES, "systemd-sysv", "dbus")


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
