"""The version: lib/popa3d/__init__.py has it, and whatever else names it agrees."""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime
from pathlib import Path

import pytest

from popa3d import DATE, VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_debian_package() -> None:
    """The package's newest version is this one, in a Debian revision; README.md has the name of its file."""
    (version,) = re.findall(r"\Apopa3d \(([^)]*)\)", (ROOT / "packaging/debian/changelog").read_text())
    assert version.rpartition("-")[0] == VERSION
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"popa3d_\S+?_all\.deb", readme)) == {f"popa3d_{version}_all.deb"}


def test_changes() -> None:
    """The newest release that CHANGES.md describes is this one."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGES.md").read_text(), re.M)
    assert next(heading for heading in headings if heading != "Next") == VERSION


def test_project() -> None:
    """pyproject.toml has no version of its own."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["project"]["dynamic"] == ["version"] and "version" not in settings["project"]
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "popa3d.VERSION"}


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("man/*")))
def test_manual_pages(page: str) -> None:
    """A manual page is of this release's date, or newer."""
    (day,) = re.findall(r"^\.Dd (.*)$", (ROOT / "man" / page).read_text(), re.M)
    assert datetime.strptime(day, "%B %d, %Y").date() >= date.fromisoformat(DATE)
