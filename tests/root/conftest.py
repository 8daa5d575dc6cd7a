"""The directory of the users' state directories, as a fresh host has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared.limits import STATE
from tests.host import Host


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.fixture
def state(host: Host) -> Iterator[Path]:
    """Where it will be: it is missing, as where no user has logged in yet."""
    path = Path(STATE)
    _remove(path)
    yield path
    _remove(path)
