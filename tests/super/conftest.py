"""What tests of systemd's units share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared.limits import STATE
from tests.host import Host


@pytest.fixture
def state_directory(host: Host) -> Iterator[None]:
    """What systemd does for StateDirectory: it is there, root's, and empty at first."""
    path = Path(STATE)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    path.chmod(0o711)
    yield
    shutil.rmtree(path)
