"""What several tests of the owner's modules begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.owner.stopped import Stopped, first_write, the_cut


@pytest.fixture(params=[first_write, the_cut], ids=["begun", "done but for the cut"])
def stopped(request: pytest.FixtureRequest, tmp_path: Path) -> Stopped:
    """An update that was stopped before its first, or behind its last step."""
    return Stopped(tmp_path, request.param)
