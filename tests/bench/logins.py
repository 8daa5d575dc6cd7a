"""Measurements of whole sessions: a poll, the login alone, sessions at once, memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from functools import partial

from tests.bench import dovecot, measure
from tests.bench.bench import Bench
from tests.bench.report import Row
from tests.bench.servers import BARE, DOVECOT, OURS, C, Door
from tests.host import PAM_OPEN
from tests.talk import wait_until

C_BACKLOG = 5  # compiled into C popa3d -D: more clients at once, and some are never greeted
SMALL = (10, 4000)  # 40 kB
STACKS = (("Debian PAM", None), ("no PAM", PAM_OPEN))


def _rows(bench: Bench, group: str, what: str, unit: str, found: dict[str, list[float]], more: bool = False) -> list[Row]:
    """One row for the servers behind inetd, one for those that listen; Dovecot, which always listens, is in both."""
    rows = []
    for how in ("inetd", "-D"):
        figures = {door.server: found[door.name] for door in bench.at(how) if door.name in found}
        rows.append(Row(group, f"{what}, {how}", unit, figures, more))
    return rows


def _poll(door: Door, patient: bool = False) -> float:
    """Milliseconds."""
    return 1000 * measure.poll(door.port, door.accounts[0], patient=patient)


def polls(bench: Bench) -> list[Row]:
    """Connect, USER, PASS, STAT, UIDL, LIST, three RETR, QUIT."""
    bench.deliver_small()
    rows = []
    for title, stack in STACKS:
        bench.place.pam_stack(stack)
        found = measure.interleave(bench.rounds(60, 15), {door.name: partial(_poll, door) for door in bench.doors}, warm=2)
        rows += _rows(bench, "Poll", title, "ms", found)
        patient = {door.server: partial(_poll, door, patient=True) for door in bench.at("inetd")}
        found = measure.interleave(bench.rounds(20, 5), patient)
        rows.append(Row("Poll", f"{title}, inetd, delayed ACKs", "ms", found))
    return rows


def _login(door: Door) -> tuple[float, float]:
    """Milliseconds from connect to the greeting, and from USER to the reply to PASS."""
    measure.reserve(door.port)
    start = time.perf_counter()
    with measure.Client(door.port) as client:
        client.line()
        greeted = time.perf_counter()
        client.ask(b"USER " + door.accounts[0].name.encode())
        client.ask(b"PASS x")
        inside = time.perf_counter()
        client.ask(b"QUIT")
        client.wait()
    return 1000 * (greeted - start), 1000 * (inside - greeted)


def _bare(times: int) -> tuple[float, float]:
    return 1000 * measure.bare(times), 0.0


def logins(bench: Bench) -> list[Row]:
    """What a session costs before it can do anything, without PAM, beside that many interpreters that do nothing."""
    bench.deliver_small()
    bench.place.pam_stack(PAM_OPEN)
    subjects = {door.name: partial(_login, door) for door in bench.doors}
    subjects |= {"one": partial(_bare, 1), "two": partial(_bare, 2)}
    found = measure.interleave(bench.rounds(60, 20), subjects, warm=2)
    one, two = ([first for first, _ in found.pop(name)] for name in ("one", "two"))
    rows = []
    for what, part, interpreters in (
        ("greeting", (1, 0), {"inetd": one, "-D": []}),
        ("USER and PASS", (0, 1), {"inetd": one, "-D": one}),
        ("both", (1, 1), {"inetd": two, "-D": one}),
    ):
        figures = {name: [part[0] * greeted + part[1] * inside for greeted, inside in values] for name, values in found.items()}
        for row in _rows(bench, "Login", what, "ms", figures):
            floor = interpreters[row.what.rpartition(", ")[2]]
            rows.append(row._replace(figures=row.figures | ({BARE: floor} if floor else {})))
    return rows


def throughput(bench: Bench) -> list[Row]:
    """Polls per second of so many clients at once."""
    bench.deliver_small()
    rows = []
    for title, stack in STACKS:
        bench.place.pam_stack(stack)
        for workers in bench.clients:
            count = bench.rounds(48, 8 if workers < 16 else 16)
            doors = [door for door in bench.doors if (door.server, door.how) != (C, "-D") or workers <= C_BACKLOG]
            subjects = {door.name: partial(measure.at_once, door.port, door.accounts, workers, count) for door in doors}
            found = measure.interleave(bench.rounds(5, 3), subjects, warm=0)
            rows += _rows(bench, "Sessions/s", f"{title}, {workers} at once", "1/s", found, more=True)
        if not bench.place.missing:
            rows.append(_as_isolated(bench, title))
    return rows


def _as_isolated(bench: Bench, title: str) -> Row:
    """The same where Dovecot, too, has a login process for each connection, which is its default."""
    workers = bench.clients[-1]
    doors = [door for door in bench.at("-D") if door.server in (OURS, DOVECOT)]
    subjects = {door.server: partial(measure.at_once, door.port, door.accounts, workers, bench.rounds(48, 16)) for door in doors}
    with dovecot.default_logins(bench.place.host):
        found = measure.interleave(bench.rounds(5, 3), subjects)
    return Row("Sessions/s", f"{title}, {workers} at once, -D, Dovecot's default", "1/s", found, True)


def _memory(door: Door) -> float:
    """Private MB of the session behind a login."""
    with measure.Client(door.port) as client:
        client.login(door.accounts[0])
        (pid,) = measure.processes(door.accounts[0])
        found = measure.private_kilobytes(pid) / 1024
        client.ask(b"QUIT")
        client.wait()
    measure.settle(door.accounts[0])
    return found


def _idle() -> float:
    """Private MB of an interpreter that sleeps."""
    sleeper = subprocess.Popen(["/usr/bin/python3", "-I", "-S", "-c", "import time; time.sleep(1000)"], env={})
    try:
        wait_until(lambda: b"hrtimer_nanosleep" in _waits(sleeper.pid))
        return measure.private_kilobytes(sleeper.pid) / 1024
    finally:
        sleeper.kill()
        sleeper.wait()


def _waits(pid: int) -> bytes:
    with open(f"/proc/{pid}/wchan", "rb") as file:
        return file.read() or b"hrtimer_nanosleep"


def memory(bench: Bench) -> list[Row]:
    """Private memory of the session's process behind the reply to PASS, on mailboxes that were opened before."""
    bench.place.pam_stack(PAM_OPEN)
    rows = []
    for size in (SMALL, *bench.archives):
        doors = bench.at("inetd")
        for door in doors:
            bench.deliver(door.accounts[0], *size)
            measure.opening(door.port, door.accounts[0])
        subjects: dict[str, Callable[[], float]] = {door.server: partial(_memory, door) for door in doors}
        found = measure.interleave(bench.rounds(5, 3), {**subjects, BARE: _idle}, warm=0)
        what = f"{size[0]:,} messages"
        rows.append(Row("Memory", what, "MB", found))
        bare = sorted(found[BARE])[len(found[BARE]) // 2]
        rows.append(Row("Memory", f"{what}, beyond Python", "MB", {OURS: [value - bare for value in found[OURS]]}))
    return rows
