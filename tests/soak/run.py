"""Let deliverers and clients loose on the mailbox, and judge what came of it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.host import CHECKOUT, PAM_OPEN, Host
from tests.session import handover, worker
from tests.soak import OWNER, Delivery, Told, Visit, as_delivered, content, deliver, name_of, notes
from tests.soak.judge import Judge
from tests.unit.owner import plain

LOCKS = ("fcntl", "fcntl,dotlock", "flock")


class Outcome:
    """faults: empty if all is well. counts: for people."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()


def soak(host: Host, locks: str, seconds: float, seed: str) -> Outcome:
    """`seconds` of it with the server's `locks`; a few more until all have finished. All dice are thrown by `seed`."""
    host.pam_stack(PAM_OPEN)
    host.spool.chmod(0o1777)
    now = time.monotonic()
    first = [Delivery(f"first-{i}", now, now, True) for i in range(30)]
    host.deliver(OWNER, b"".join(b"From x\n" + content(seed, delivery.name) + b"\n" for delivery in first))
    deliver.prepare()
    results = host.base / "soak"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    names = "".join(f'"{name}", ' for name in locks.split(","))
    configuration = host.configuration(f"[mailbox]\nlocks = [{names}]\n")
    kinds = ["ours"] * 3 + (["procmail", "maildrop", "maildrop"] if locks != "flock" else []) + ["client"] * 3
    until = str(time.monotonic() + seconds)
    started: list[subprocess.Popen[bytes]] = []
    outcome = Outcome()
    try:
        for i, kind in enumerate(kinds):
            words = [kind, f"{kind}{i}", locks, seed, until, str(results), configuration]
            module = "tests.soak.client" if kind == "client" else "tests.soak.deliver"
            started.append(subprocess.Popen([sys.executable, "-B", "-m", module, *Told(words).words()], cwd=CHECKOUT))
        end = time.monotonic() + seconds + 60
        for i, process in reversed(list(enumerate(started))):  # the clients are last
            while process.poll() is None and time.monotonic() < end:
                if kinds[i] != "client":
                    outcome.faults += _look_after(locks)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
            if process.returncode:
                outcome.faults.append(f"{kinds[i]} {i} failed with status {process.returncode}")
            if process.returncode is None:
                outcome.faults.append(f"{kinds[i]} {i} does not end")
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
    outcome.faults += _look_after(locks)
    _judge(outcome, host, results, locks, seed, first)
    return outcome


def _look_after(locks: str) -> list[str]:
    """A session that finishes what a killed one has begun, and removes its dot-lock: deliverers would wait for minutes."""
    with worker(handover(OWNER, locks=locks).encode()) as talk:
        reply = talk.line()
        talk.send(b"QUIT\r\n")
        talk.rest()
    return [] if reply == b"+OK\r\n" else [f"the last session was told: {reply!r}"]


def _judge(outcome: Outcome, host: Host, results: Path, locks: str, seed: str, first: list[Delivery]) -> None:
    deliveries = [*first]
    deliveries += [Delivery(*note) for note in notes(results, lambda name: not name.startswith("client"))]  # type: ignore[arg-type]
    visits = [Visit(*note) for note in notes(results, lambda name: name.startswith("client"))]  # type: ignore[arg-type]
    ids = {}
    for delivery in deliveries:
        (message,) = plain.messages(b"From x\n" + content(seed, delivery.name)) or []
        ids[message.unique_id] = delivery.name
    named = [
        visit._replace(seen=[ids.get(i, i) for i in visit.seen], deleted=[ids.get(i, i) for i in visit.deleted])
        for visit in visits
    ]
    mailbox = (host.spool / OWNER).read_bytes()
    left = plain.messages(mailbox)
    if left is None:
        outcome.faults.append("what is left is no mailbox")
    for found in left or []:
        whole = found.content if found.content.endswith(b"\n") else found.content + b"\n"
        if not as_delivered(seed, locks, whole):
            outcome.faults.append(f"damaged in the mailbox at {found.start}: {name_of(found.content)}")
    outcome.faults += Judge(deliveries, named, [name_of(found.content) for found in left or []]).faults
    for part in ("Internal error", "put aside", "does not let", "Server failure", "Failed to update", "space left"):
        outcome.faults += [line for line in host.syslog.lines if part in line and "locked by another" not in line]
    if os.path.lexists(f"{host.spool / OWNER}.lock"):
        outcome.faults.append("a dot-lock was left")
    count = outcome.counts
    for delivery in deliveries:
        count["delivered"] += delivery.sure
        count[f"delivered by {delivery.name.rstrip('0123456789-')}"] += delivery.sure
        count["deliveries refused"] += not delivery.sure
    for visit in visits:
        count["sessions"] += 1
        count["fetched"] += len(visit.fetched)
        count["deleted"] += len(visit.deleted) * (visit.outcome == "deleted")
        count["killed"] += visit.said == "killed"
        count["killed behind QUIT"] += visit.outcome == "unknown"
        count[f"session {visit.said}"] += 1
    count["left"] = len(left or [])
    count["updates finished by the next session"] = host.syslog.text.count("An unfinished update was completed")
    count["Another MUA active"] = host.syslog.text.count("Another MUA active")


def report(locks: str, outcome: Outcome) -> str:
    """For people."""
    counts = ", ".join(f"{what} {number}" for what, number in outcome.counts.items() if number)
    faults = "".join(f"\n    {fault[:1000]}" for fault in outcome.faults[:20])
    return f"{locks}: {counts}\n  faults: {len(outcome.faults)}{faults}"


def any_seed() -> str:
    """One that was not used yet."""
    return str(random.SystemRandom().randrange(10**9))
