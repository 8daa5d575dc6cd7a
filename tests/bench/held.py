"""Many sessions held open at once, as clients that wait for mail do: what they cost, and the next client's greeting."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from tests.bench import measure
from tests.bench.bench import Bench
from tests.bench.report import Row
from tests.bench.servers import DOVECOT, OURS, PREFIX, Door
from tests.host import PAM_OPEN
from tests.talk import wait_until

# What the command lines of a server's processes contain.
WORDS = {OURS: os.fsencode(PREFIX) + b"/sbin/popa3d", DOVECOT: b"dovecot"}
GREETINGS = 21
_TICKS_MS = 1000 / os.sysconf("SC_CLK_TCK")


def processes(server: str) -> list[int]:
    """The server's, those that popa3d's listener has executed among them."""
    words = (WORDS[server], b"/popa3d-starter") if server == OURS else (WORDS[server],)
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):  # it has ended
                line = Path("/proc", name, "cmdline").read_bytes()
                if any(word in line for word in words):
                    found.append(int(name))
    return found


def kilobytes(pid: int) -> int:
    """A process's share of memory: what is its own, and of each page that is shared its part (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def cpu_ms(server: str) -> float:
    """The processor time of the server's processes, and of those that have ended and were collected."""
    total = 0
    for pid in processes(server):
        with contextlib.suppress(OSError):
            total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return total * _TICKS_MS


def greeting(door: Door) -> float:
    """Milliseconds."""
    time.sleep(0.06)
    start = time.perf_counter()
    with measure.Client(door.port) as client:
        client.line()
        return 1000 * (time.perf_counter() - start)


def sessions(bench: Bench) -> list[Row]:
    """popa3d -D and Dovecot."""
    bench.place.pam_stack(PAM_OPEN)
    bench.deliver_small()
    count = bench.rounds(500, 100)
    memory, spent, greetings = {}, {}, {}
    for door in bench.at("-D"):
        if door.server not in WORDS:
            continue
        alone = sum(map(kilobytes, processes(door.server)))
        before = cpu_ms(door.server)
        with contextlib.ExitStack() as stack:
            for number in range(count):
                client = stack.enter_context(measure.Client(door.port))
                client.login(door.accounts[number % len(door.accounts)])
            memory[door.server] = [(sum(map(kilobytes, processes(door.server))) - alone) / 1024 / count]
            greetings[door.server] = [greeting(door) for _ in range(GREETINGS)]
        wait_until(lambda door=door: not any(measure.processes(account) for account in door.accounts))
        spent[door.server] = [(cpu_ms(door.server) - before) / count]
    return [
        Row("Held", f"{count} sessions, each", "MB", memory),
        Row("Held", f"{count} sessions, CPU of each", "ms", spent),
        Row("Held", f"greeting of number {count + 1}", "ms", greetings),
    ]
