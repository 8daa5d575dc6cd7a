"""python3 -m tests.nfs [option of pytest ...]: start the kernel, and end with the status of the tests in it.

Runs as: root, for the kernel's processes have this machine's files as this process has.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import peers
from tests.nfs.inside import SAYS

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """The status that the tests end with; 1 if they did not come to an end."""
    kernel = peers.program("user-mode-linux", "usr/bin/linux.uml")
    with tempfile.TemporaryDirectory() as place:
        script = Path(place, "init")
        script.write_text(
            f'#!/bin/sh\ncd "{CHECKOUT}" && exec .venv/bin/python -B -m tests.nfs.inside {shlex.join(sys.argv[1:])}\n'
        )
        script.chmod(0o755)
        words = ["mem=2048M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={script}", "quiet"]
        words += [f"uml_dir={place}/", "con=null", "con0=null,fd:1", "panic=-1"]
        environment = {"PATH": os.environ["PATH"], "TMPDIR": place}
        with subprocess.Popen([kernel, *words], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            status = 1
            for line in running.stdout:
                text = line.decode(errors="replace").rstrip()
                if text.startswith(SAYS):
                    status = int(text.removeprefix(SAYS))
                else:
                    print(text, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
