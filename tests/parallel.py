"""Several tests at once: what the workers of pytest-xdist (pytest -n 4) have of their own.

Runs as: root. Each worker has a process namespace and a /proc that shows it; tests/host.py adds mounts and a network. So
no worker sees another one's processes, ports, files below /run and /var, or log.
"""

from __future__ import annotations

import os
import shlex
import sys

# Runs the words behind it in new namespaces, and kills what is left there when they end. A shell is the first process,
# because the first one gets the exit status of each process that has lost its parent.
IN_NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh")


def worker() -> str:
    """The worker that xdist's --tx is to start: on a private host if root runs the tests."""
    if os.getuid() != 0:
        return "popen"
    return f"popen//python={shlex.join([*IN_NAMESPACES, sys.executable, '-B'])}"
