"""popa3d-recover, started as an administrator starts it."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator

from tests.host import HOME, Host, bind, unmount

RECOVER = str(HOME / "bin/popa3d-recover")


def recover(*arguments: str, program: str = RECOVER, **options: object) -> tuple[int, str]:
    """Exit status and standard error of popa3d-recover, which has nothing to say on standard output."""
    done = subprocess.run(  # type: ignore[call-overload]
        [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, **options
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@contextlib.contextmanager
def limited(host: Host, **values: int) -> Iterator[None]:
    """Other values of params than the shipped ones."""
    params = HOME / "lib/popa3d/shared/limits.py"
    other = host.base / "params.py"
    text = params.read_text()
    for name, value in values.items():
        text, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert found == 1
    other.write_text(text)
    bind(other, params)
    try:
        yield
    finally:
        unmount(params)
        other.unlink()
