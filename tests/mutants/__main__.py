"""make mutants: does each wrong line make a test fail?  python3 -B -m tests.mutants [WORD ...]

With words, only the mutations are run that have one of them in their path, their texts, their tests or their reason.

Runs as: root, in namespaces of its own; the working tree is only read.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.host import CHECKOUT
from tests.mutants.run import KILLED, SURVIVED, UNFIT, run
from tests.mutants.tables import MUTATIONS


def main(words: list[str]) -> int:
    """Run them and print a line each. Returns the exit status: 0 if all were killed."""
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in str(mutation) for word in words)]
    found = dict.fromkeys((KILLED, SURVIVED, UNFIT), 0)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="popa3d-mutants-") as place:
        for verdict in run(chosen, Path(place)):
            mutation = verdict.mutation
            found[verdict.what] += 1
            how = f" ({verdict.how})" if verdict.how else ""
            print(f"{verdict.what}: {mutation.place(CHECKOUT)}: {mutation.why}{how}", flush=True)
            if verdict.what != KILLED:
                print(f"    before: {mutation.before}\n    after:  {mutation.after}\n    tests:  {' '.join(mutation.tests)}")
    said = ", ".join(f"{count} {what}" for what, count in found.items())
    print(f"{len(chosen)} mutations: {said} ({time.monotonic() - began:.0f} s)")
    return 0 if chosen and found[KILLED] == len(chosen) else 1


sys.exit(main(sys.argv[1:]))
