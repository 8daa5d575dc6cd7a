"""Several tests at once: what the workers of pytest-xdist (pytest -n 4) have of their own.

Runs as: root. Each worker has a process namespace and a /proc that shows it; tests/host.py adds mounts and a network. So
no worker sees another one's processes, ports, files below /run and /var, or log. What takes long to make they can have in
common, below /tmp or in the checkout (`once`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# Runs the words behind it in new namespaces, and kills what is left there when they end. A shell is the first process,
# because the first one gets the exit status of each process that has lost its parent.
IN_NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh")


def worker() -> str:
    """The worker that xdist's --tx is to start: on a private host if root runs the tests."""
    if os.getuid() != 0:
        return "popen"
    return f"popen//python={shlex.join([*IN_NAMESPACES, sys.executable, '-B'])}"


@contextlib.contextmanager
def once(place: Path) -> Iterator[Path | None]:
    """A directory that is made by the first worker that wants it, while others wait: give it what belongs there.

    It is given another name until it is complete; nothing where it is complete already.
    """
    with Path(f"{place}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            yield None
            return
        making = Path(f"{place}.new")
        shutil.rmtree(making, ignore_errors=True)  # of a run that was interrupted
        making.mkdir()
        yield making
        making.rename(place)
