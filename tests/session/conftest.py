"""What tests of sessions share beside the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host import Host


@pytest.fixture
def spool(host: Host) -> Path:
    """The spool, in which users may make dot-locks."""
    host.spool.chmod(0o1777)
    return host.spool
