"""A minute (or SECONDS) of it for all kinds of locks, with counts, then sessions over TLS (many.py).

python3 -B -m tests.soak [SECONDS [SEED]]    as root
"""

from __future__ import annotations

import sys

from tests import host
from tests.soak import many, run


def main(words: list[str]) -> int:
    """Run it; 1 if there are faults."""
    seconds = float(words[0]) if words else 60.0
    seed = words[1] if len(words) > 1 else run.any_seed()
    try:
        here = host.enter()
    except OSError as error:
        print(f"needs root and private namespaces ({error})", file=sys.stderr)
        return 1
    faults = 0
    print(f"seed {seed}", flush=True)
    for locks in run.LOCKS:
        here.reset()
        outcome = run.soak(here, locks, seconds / len(run.LOCKS), seed)
        print(run.report(locks, outcome), flush=True)
        faults += len(outcome.faults)
    here.reset()
    left = many.sessions(here)
    print(f"{many.COUNT} sessions over TLS: faults: {len(left)}", *left[:20], sep="\n    ", flush=True)
    faults += len(left)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
