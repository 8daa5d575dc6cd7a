"""An account more on the private host, with a name that useradd(8) would refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.host import crypted


@contextlib.contextmanager
def account(name: str, password: str, uid: int) -> Iterator[None]:
    """The account `name`, first in its files, and gone afterwards."""
    passwd, shadow = Path("/etc/passwd"), Path("/etc/shadow")
    before = {path: path.read_text() for path in (passwd, shadow)}
    passwd.write_text(f"{name}:x:{uid}:{uid}::/nonexistent:/bin/false\n{before[passwd]}")
    shadow.write_text(f"{name}:{crypted(password)}:19000:0:99999:7:::\n{before[shadow]}")
    try:
        yield
    finally:
        for path, text in before.items():
            path.write_text(text)
