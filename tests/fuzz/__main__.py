"""make fuzz: python3 -B -m tests.fuzz [--seconds N] [--seed N] [TARGET ...]

Runs each target for its part of the time. What is not true of some octets is printed, and stored as a case that `make test`
repeats. Ends with status 1 then.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time

from tests.fuzz import cases
from tests.fuzz.engine import Fuzzer, Target
from tests.fuzz.targets import TARGETS

_MEMORY = 2 << 30  # octets of address space: what takes more is a finding
_HANG_S = 30  # so is an execution that takes longer
_KEPT = 2000  # inputs for the next run


class Hung(Exception):
    """One execution takes too long."""


def _hang(*_: object) -> None:
    raise Hung


def fuzz(target: Target, seconds: float, seed: int) -> bool:
    """Run one target. Returns whether it found nothing."""
    fuzzer = Fuzzer(target, seed, (*cases.read(cases.CORPUS / f"{target.name}.txt"), *cases.read(cases.WORKING / target.name)))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        signal.alarm(_HANG_S)
        for _ in range(50):
            fuzzer.step()
    signal.alarm(0)
    said = f"{fuzzer.executions} executions, {len(fuzzer.pool)} inputs, {len(fuzzer.ways)} ways, {len(fuzzer.findings)} findings"
    print(f"{target.name}: {said}", flush=True)
    cases.write(cases.WORKING / target.name, fuzzer.pool[-_KEPT:])
    for finding in fuzzer.findings.values():
        path = cases.CORPUS / f"{target.name}.txt"
        print(f"\n{finding.report}\nThe octets, which are in {path} now: {finding.data!r}\n")
        if finding.data not in cases.read(path):
            cases.add(path, finding.data, finding.place)
    return not fuzzer.findings


def main() -> int:
    """The exit status: 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python3 -B -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=" ".join(TARGETS))
    options = parser.parse_args()
    unknown = set(options.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {' '.join(sorted(unknown))}")
    chosen = [TARGETS[name] for name in options.targets or TARGETS]
    print(f"Seed {options.seed}; repeat with --seed {options.seed}", flush=True)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGALRM, _hang)
    found_nothing = [fuzz(target, options.seconds / len(chosen), options.seed) for target in chosen]
    return 0 if all(found_nothing) else 1


if __name__ == "__main__":
    sys.exit(main())
