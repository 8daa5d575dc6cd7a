"""make faults: all the fault tests, in full, with the number of moments each: python3 -B -m tests.faults [CASES]

Runs as: root, in namespaces of its own; the machine's mailboxes and accounts are not touched.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests import host as private_host
from tests.faults import kills, points, test_kills
from tests.faults.cases import Case
from tests.host import Host
from tests.session import THREE


def simulated(cases: int) -> None:
    """The simulated disk, failing calls and the rest, over random mailboxes and deletions."""
    for name, take in points.TESTS.items():
        with tempfile.TemporaryDirectory(dir="/run") as place:
            began, count = time.monotonic(), 0
            for seed in range(cases):
                try:
                    count += take(Case(seed, Path(place)), seed)
                except BaseException:
                    print(f"{name}: broken in case {seed}")
                    raise
            print(f"{name}: {count} moments of {cases} updates, none broken ({time.monotonic() - began:.0f} s)", flush=True)


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
    """Run them all; an AssertionError, and exit status 1, for the first that finds something broken."""
    host = private_host.enter()
    simulated(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
    killed(host)


main()
