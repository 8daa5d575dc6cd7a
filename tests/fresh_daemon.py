"""Starts the popa3d that is installed here and fetches mail from it as packaging/debian/tests/daemon does: for tests/fresh.py.

Runs as: root, in a network namespace of its own, so nobody else's port 110 is taken.
"""

from __future__ import annotations

import os

from tests.host import CHECKOUT, enter_namespaces

if __name__ == "__main__":
    enter_namespaces()
    program = str(CHECKOUT / "packaging/debian/tests/daemon")
    os.execv(program, [program])
