"""make faults: all the fault tests, in full, with the number of moments each.

    python3 -B -m tests.faults [CASES]              CASES: how many random mailboxes
    python3 -B -m tests.faults --only TEST SEED     one test on one case, as a failure names them

Runs as: root, in namespaces of its own; the machine's mailboxes and accounts are not touched.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests import host as private_host
from tests.faults import kills, points, test_kills
from tests.host import Host
from tests.session import THREE


def simulated(names: Iterable[str], seeds: Sequence[int]) -> None:
    """The simulated disk, failing calls and the rest, over random mailboxes and deletions."""
    for name in names:
        began, moments = time.monotonic(), 0
        for seed in seeds:
            with tempfile.TemporaryDirectory(dir="/run") as place:
                moments += points.take(name, seed, Path(place))
        seconds = time.monotonic() - began
        print(f"{name}: {moments} moments of {len(seeds)} updates, none broken ({seconds:.0f} s)", flush=True)


def killed(host: Host) -> None:
    """SIGKILL at each system call of the real program."""
    log = host.base / "strace"
    found = dict.fromkeys((test_kills.BEFORE, test_kills.AFTER), 0)
    calls = test_kills.all_of_update(host, log)
    for kill in calls:
        path = test_kills.killed_in_update(host, log, kill)
        with open(path, "ab") as file:
            file.write(THREE)
        found[test_kills.check(path, THREE)] += 1
    print(f"SIGKILL at each of {len(calls)} calls of UPDATE: {', '.join(map(str, found.values()))} (before, after), none broken")
    seconds = 0
    for first in calls:
        path = test_kills.killed_in_update(host, log, first)
        broken = path.read_bytes(), list((private_host.STATE / str(private_host.ALICE.uid)).iterdir())
        if not broken[1]:
            continue
        again = kills.login(path, log)
        for second in again:
            path = test_kills.killed_in_update(host, log, first)
            kills.login(path, log, second)
            test_kills.check(path)
            seconds += 1
    print(f"SIGKILL at each call of the recovery, after each of these: {seconds} moments, none broken")


def main() -> None:
    """Run them; the exception of the first that finds something broken, and exit status 1."""
    host = private_host.enter()
    match sys.argv[1:]:
        case ["--only", name, seed]:
            simulated([name], [int(seed)])
        case arguments:
            simulated(points.TESTS, range(int(arguments[0]) if arguments else 300))
            killed(host)


main()
