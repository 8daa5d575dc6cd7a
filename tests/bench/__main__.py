"""All measurements: make bench, or python3 -B -m tests.bench [--quick] [--only GROUP,...] [--to DIRECTORY], as root."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

from tests.bench import held, imports, logins, mailboxes, measure, report, scale, servers, tls
from tests.bench.bench import Bench

CASES = {
    "Poll": logins.polls,
    "Login": logins.logins,
    "Sessions/s": logins.throughput,
    "Opening": mailboxes.openings,
    "Growth": mailboxes.growth,
    "RETR": mailboxes.fetching,
    "QUIT": mailboxes.deleting,
    "TLS": tls.sessions,
    "Memory": logins.memory,
    "Held": held.sessions,
}


def _facts(place: servers.Place, quick: bool) -> dict[str, str]:
    """What the figures depend on, and nothing that tells which machine it was."""
    models = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    kind = "yescrypt ($y$j9T$, Debian's)" if place.hash.startswith("$y$") else "SHA-512 crypt, 5000 rounds"
    return {
        "Passwords": kind,
        "Processors": f"{os.cpu_count()}, {models[0] if models else platform.machine()}",
        "Disk": f"4 kB are written over and synced in {1000 * measure.synced(Path('build')):.2f} ms",
        "Kernel": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "C popa3d": servers.version("popa3d"),
        "openbsd-inetd": servers.version("openbsd-inetd"),
        "Dovecot": f"left out: {place.missing}" if place.missing else servers.version("dovecot-core"),
        "Rounds": "few, on small mailboxes (QUICK=1)" if quick else "all",
    }


def main() -> int:
    """Measure, print the table, write the page; 1 if something failed."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--to", default="")
    options = parser.parse_args()
    to = Path(options.to or ("build/bench" if options.quick else "docs")).resolve()
    begin = time.monotonic()
    try:
        place = servers.Place()
    except OSError as error:
        print(f"popa3d: needs root and private namespaces ({error})", file=sys.stderr)
        return 1
    rows: list[report.Row] = []
    failures: list[str] = []
    with place.doors() as doors:
        if place.missing:
            failures.append(f"Dovecot does not run here: {place.missing}")
        bench = Bench(place, doors, options.quick)
        for name in options.only.split(","):
            print(f"{time.monotonic() - begin:6.1f} s  {name}", file=sys.stderr, flush=True)
            try:
                rows += CASES[name](bench)
            except (measure.Refused, OSError, AssertionError, ValueError) as error:
                failures.append(f"{name}: {type(error).__name__}: {error}")
            bench.clean_spool()
        facts = _facts(place, options.quick)
        loaded = imports.table(bench.rounds(21, 5))
    print(f"{time.monotonic() - begin:6.1f} s", file=sys.stderr)
    print(report.table(rows), end="")
    for failure in failures:
        print(f"failed: {failure}")
    report.write(to, rows, facts, failures, loaded)
    scale.write(to)
    print(f"written: {to}/BENCHMARKS.md, bench.json and charts")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
