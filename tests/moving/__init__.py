"""Moving here from another server: clients that left mail there must not fetch it again, but all that is new."""

from __future__ import annotations

import subprocess

from tests.host import HOME

MIGRATE = str(HOME / "bin/popa3d-migrate")


def migrate(*arguments: str, status: int = 0, **options: object) -> tuple[str, str]:
    """Standard output and standard error of popa3d-migrate, which ends with this status."""
    done = subprocess.run(  # type: ignore[call-overload]
        [MIGRATE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, **options
    )
    assert done.returncode == status, f"exit status {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout, done.stderr
