"""What popa3d-status shows, run as an operator runs it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.host import HOME

STATUS = str(HOME / "bin/popa3d-status")


def ran(*arguments: str, **options: Any) -> str:
    """The output of popa3d-status, which exits 0 and complains of nothing."""
    done = subprocess.run([STATUS, *arguments], capture_output=True, text=True, timeout=60, env={}, check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout)


def shown(**options: Any) -> dict[int, dict[str, Any]]:
    """The sessions of --json by process id."""
    return {row["pid"]: row for row in json.loads(ran("--json", **options))}
