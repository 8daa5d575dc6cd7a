"""The TLS process's modules, without root: contexts are made of pairs that anybody may read."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from popa3d.root import certificate
from popa3d.shared.settings import Settings
from tests.tls import Pair, pair


@functools.cache
def context(kind: str = "ec", minimum: str = "1.2") -> Any:
    """A server's context, made as root makes it, but of files of whoever runs this."""
    return made(pair(kind), minimum)


def made(some: Pair, minimum: str = "1.2") -> Any:
    """The same of a pair; raises what root.certificate raises."""
    with tempfile.TemporaryDirectory() as place:
        settings = Settings()
        settings.certificate, settings.key, settings.minimum = f"{place}/certificate", f"{place}/key", minimum
        Path(settings.certificate).write_text(some.certificate)
        Path(settings.key).write_text(some.key)
        Path(settings.key).chmod(0o600)
        Path(settings.certificate).chmod(0o600)
        real = os.fstat
        with mock.patch("posix.fstat", lambda fd: as_root(real(fd))):
            return certificate.context(settings)


def as_root(status: Any) -> Any:
    """A status with root as the owner."""
    return mock.Mock(st_uid=0, st_mode=status.st_mode)
