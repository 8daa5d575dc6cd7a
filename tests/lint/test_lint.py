"""The tools' own verdicts: ruff, mypy --strict, mandoc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PROGRAMS = (*sorted(ROOT.glob("bin/*")), ROOT / "packaging/debian/tests/mail", ROOT / "packaging/nginx/popa3d-hosts")


def finds_nothing(*command: str | Path, **environment: str) -> None:
    """Claim that a tool ends with status 0."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_style() -> None:
    """Ruff finds nothing in the library, the programs and the tests, and would change no line."""
    finds_nothing(BIN / "ruff", "check", "--no-cache")
    finds_nothing(BIN / "ruff", "format", "--check", "--no-cache")


def test_types(tmp_path: Path) -> None:
    """mypy --strict finds nothing, in one run over the library, the tests and the programs."""
    for program in PROGRAMS:  # by its own name each would be __main__, or popa3d
        (tmp_path / f"program_{program.name.replace('-', '_')}.py").symlink_to(program)
    finds_nothing(BIN / "mypy", "--cache-dir=/dev/null", "lib", "tests", *tmp_path.iterdir(), MYPYPATH=str(tmp_path))


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("man/*")))
def test_manual_pages(page: str) -> None:
    """Mandoc finds nothing in a manual page."""
    finds_nothing("mandoc", "-Tlint", "-Wall", f"man/{page}")
