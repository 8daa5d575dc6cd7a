"""The tests that the source package brings along (packaging/debian/tests), run by autopkgtest itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from popa3d import VERSION
from tests.host import ALICE, Host
from tests.package.machine import Machine, layers

TESTS = ["inetd", "daemon", "tls", "systemd"]


@pytest.fixture(scope="session")
def with_autopkgtest(with_systemd: list[Path]) -> list[Path]:
    """Layers for a host with systemd that can run them."""
    return layers(with_systemd, ALICE, "autopkgtest")


def test_autopkgtest(host: Host, with_autopkgtest: list[Path], package: Path) -> None:
    """On a host with systemd, from the source package and the built one, each of the tests passes, and none is skipped."""
    with Machine(with_autopkgtest, "systemd") as machine:
        shutil.copytree(package.parent / f"deb/popa3d-{VERSION}", machine.root / "srv/popa3d")
        shutil.copy(package, machine.root / "srv")
        said = machine.run(
            "autopkgtest", "--ignore-restrictions=isolation-container", "--output-dir=/srv/tested",
            "--no-built-binaries", "/srv/popa3d/", f"/srv/{package.name}", "--", "null",
            status=None,
        )  # fmt: skip
        summary = (machine.root / "srv/tested/summary").read_text()
    machine.discard()
    assert [line.split() for line in summary.splitlines()] == [[name, "PASS"] for name in TESTS], said
