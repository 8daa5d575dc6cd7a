"""Measurements of mailboxes: opening, growth, fetching, deleting."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.bench import mail, measure
from tests.bench.bench import Bench
from tests.bench.dovecot import dovecot_home
from tests.bench.report import Row
from tests.bench.servers import BARE, STATE, Door, floor, together
from tests.host import PAM_OPEN, Account

PHASES = ("first time", "again", "10 new messages")


def forget(account: Account) -> None:
    """Remove what the servers know of this account's mailbox."""
    for directory in (STATE / str(account.uid), dovecot_home(account)):
        for path in directory.iterdir() if directory.exists() else ():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _openings(door: Door, bench: Bench, size: tuple[int, int], phases: int, signed: bool) -> tuple[float, ...]:
    """Milliseconds beyond those of a small mailbox, for each of the first `phases` of PHASES."""
    account, small = door.accounts[:2]
    bench.deliver(account, *size, signed)
    forget(account)
    taken = []
    for phase in PHASES[:phases]:
        if phase == PHASES[2]:
            mail.add(Path("/var/mail", account.name), account, 10, size[1], 1, signed)
        base = measure.opening(door.port, small)
        taken.append(1000 * (measure.opening(door.port, account) - base))
    return tuple(taken)


def _open_rows(bench: Bench, group: str, size: tuple[int, int], rounds: int, phases: int, signed: bool = False) -> list[Row]:
    subjects = {door.server: partial(_openings, door, bench, size, phases, signed) for door in bench.at("inetd")}
    found = measure.interleave(rounds, subjects, warm=0)
    what = f"{size[0] * size[1] / 1e6:,.0f} MB" + ", headers of 4 kB" * signed
    return [
        Row(group, f"{what}, {phase}", "ms", {server: [each[i] for each in taken] for server, taken in found.items()})
        for i, phase in enumerate(PHASES[:phases])
    ]


def openings(bench: Bench) -> list[Row]:
    """USER, PASS, STAT, UIDL, QUIT on an archive, net of the same on a small mailbox."""
    bench.place.pam_stack(PAM_OPEN)
    bench.deliver_small()
    rows = []
    for size in bench.archives:
        rows += _open_rows(bench, "Opening", size, bench.rounds(5 if size[0] < 50_000 else 3, 3), 3)
    return rows + _open_rows(bench, "Opening", (18_000, 7800), bench.rounds(5, 3), 3, signed=True)


def growth(bench: Bench) -> list[Row]:
    """The same for one, two, four and eight times as many messages."""
    bench.place.pam_stack(PAM_OPEN)
    bench.deliver_small()
    rows = []
    for times in (1, 2, 4, 8):
        rows += _open_rows(bench, "Growth", (times * bench.rounds(2500, 500), 6000), bench.rounds(5, 3), 2)
    return rows


def _fetch(port: int, account: Account, messages: int) -> tuple[float, float]:
    """Messages and MB a second, each asked for when the one before has come."""
    with measure.Client(port) as client:
        client.login(account)
        start = time.perf_counter()
        octets = sum(client.multi(b"RETR %d" % (number + 1)) for number in range(messages))
        took = time.perf_counter() - start
        client.ask(b"QUIT")
        client.wait()
    measure.settle(account)
    return messages / took, octets / took / 1e6


def fetching(bench: Bench) -> list[Row]:
    """RETR one by one, beside a server that only copies."""
    bench.place.pam_stack(PAM_OPEN)
    rows = []
    large = bench.rounds(500, 100)
    for messages, octets, what in (
        (bench.rounds(5000, 2000), 6000, "6 kB messages"),
        (bench.rounds(100, 30), 1_000_000, "1 MB messages"),
        (1, large * 1_000_000, f"one of {large} MB"),
    ):
        made = bench.made(messages, octets)
        subjects: dict[str, Callable[[], tuple[float, float]]] = {}
        for door in bench.at("inetd"):
            bench.deliver(door.accounts[0], messages, octets)
            forget(door.accounts[0])
            subjects[door.server] = partial(_fetch, door.port, door.accounts[0], messages)
        small = octets < 100_000
        with floor(made, made.stat().st_size // messages) as port:
            subjects[BARE] = partial(_fetch, port, bench.doors[0].accounts[0], messages)
            if small:
                with together():
                    rows += _fetch_rows(f"{what}, one processor", measure.interleave(bench.rounds(7, 3), subjects), small)
            rows += _fetch_rows(what, measure.interleave(bench.rounds(7, 3), subjects), small)
        bench.clean_spool()
    return rows


def _fetch_rows(what: str, found: Mapping[str, list[tuple[float, float]]], small: bool) -> list[Row]:
    rates = {server: [rate for rate, _ in taken] for server, taken in found.items()}
    octets = {server: [rate for _, rate in taken] for server, taken in found.items()}
    return [Row("RETR", what, "1/s", rates, True)] * small + [Row("RETR", what, "MB/s", octets, True)]


def _delete(door: Door, bench: Bench, size: tuple[int, int], numbers: range) -> float:
    """Milliseconds from QUIT to its reply, on a mailbox that was opened before."""
    account = door.accounts[0]
    bench.deliver(account, *size)
    forget(account)
    measure.opening(door.port, account)
    with measure.Client(door.port) as client:
        client.login(account)
        for number in numbers:
            client.ask(b"DELE %d" % number)
        start = time.perf_counter()
        client.ask(b"QUIT")
        took = 1000 * (time.perf_counter() - start)
        client.wait()
    measure.settle(account)
    with measure.Client(door.port) as client:
        client.login(account)
        left = int(client.ask(b"STAT").split()[1])
        client.ask(b"QUIT")
        client.wait()
    measure.settle(account)
    if left != size[0] - len(numbers):
        raise measure.Refused(f"{door.name}: {left} messages are left")
    return took


def deleting(bench: Bench) -> list[Row]:
    """How long QUIT takes."""
    bench.place.pam_stack(PAM_OPEN)
    size = (bench.rounds(20_000, 5000), 6000)
    octets = f"{size[0] * size[1] / 1e6:.0f} MB"
    rows = []
    for what, numbers in (("half", range(1, size[0], 2)), ("the first", range(1, 2))):
        subjects = {door.server: partial(_delete, door, bench, size, numbers) for door in bench.at("inetd")}
        found = measure.interleave(bench.rounds(5, 3), subjects, warm=0)
        rows.append(Row("QUIT", f"{what} of {octets}, in memory", "ms", found))
        with bench.place.on_disk():
            found = measure.interleave(bench.rounds(5, 3), subjects, warm=0)
        rows.append(Row("QUIT", f"{what} of {octets}, on a disk", "ms", found))
    return rows
