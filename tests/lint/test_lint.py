"""The tools' own verdicts: ruff, mypy --strict, mandoc."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        [f"{BIN}/ruff", "check", "--no-cache"],
        [f"{BIN}/ruff", "format", "--check", "--no-cache"],
        [f"{BIN}/mypy", "--cache-dir=/dev/null"],
        [f"{BIN}/mypy", "--cache-dir=/dev/null", "bin/popa3d"],
        [f"{BIN}/mypy", "--cache-dir=/dev/null", "bin/popa3d-session"],
        [f"{BIN}/mypy", "--cache-dir=/dev/null", "bin/popa3d-status"],
        [f"{BIN}/mypy", "--cache-dir=/dev/null", "bin/popa3d-recover"],
        [f"{BIN}/mypy", "--cache-dir=/dev/null", "packaging/debian/tests/mail"],
        ["mandoc", "-Tlint", "-Wall", "man/popa3d.8"],
        ["mandoc", "-Tlint", "-Wall", "man/popa3d-status.8"],
        ["mandoc", "-Tlint", "-Wall", "man/popa3d-recover.8"],
        ["mandoc", "-Tlint", "-Wall", "man/popa3d.toml.5"],
    ],
    ids=lambda command: " ".join([Path(command[0]).name, *command[1:]]),
)
def test_clean(command: list[str]) -> None:
    """The tool finds nothing to say."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
