"""The real openbsd-inetd in the foreground, with entries for the tests (and for the demonstration)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tests import peers
from tests.host import BASE
from tests.super.foreground import Foreground
from tests.talk import POPA3D

LOOPBACK = ("127.0.0.1",)
RATE = "100000"  # sessions a minute


class Inetd(Foreground):
    """inetd with one entry for each of `addresses`; a context manager that leaves no process and no file behind.

    port: the same for all entries. command: what inetd starts, as root; its arguments are words without spaces.
    Raises OSError (FileNotFoundError if inetd was not fetched, else an entry is not served) when it cannot start.
    """

    def __init__(self, port: int = 110, command: Sequence[str] = tuple(POPA3D), addresses: Sequence[str] = LOOPBACK) -> None:
        words = " ".join([command[0], os.path.basename(command[0]), *command[1:]])
        endpoints = [f"[{each}]:{port} stream tcp6" if ":" in each else f"{each}:{port} stream tcp4" for each in addresses]
        configuration = "".join(f"{endpoint} nowait root {words}\n" for endpoint in endpoints)
        inetd = str(peers.program("openbsd-inetd", "usr/sbin/inetd"))
        try:
            super().__init__([inetd, "-i", "-R", RATE, "{}"], configuration, sockets=len(addresses))  # -i: in the foreground
        except AssertionError:
            raise OSError(f"inetd does not listen on port {port} of {' and '.join(addresses)}: see the system log") from None

    def end(self) -> None:
        """End inetd and what it started; all is dead when this returns."""
        super().end()
        Path(BASE, "inetd.pid").unlink(missing_ok=True)
