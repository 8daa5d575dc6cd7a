"""popa3d-recover among users who stop their programs: each that could not be finished is named, and the others are finished."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from popa3d.shared import limits
from tests.host import ALICE, BOB, DAVE, HOME, Host, bind, unmount
from tests.root.interrupted import AFTER, interrupt
from tests.root.recovering import RECOVER, limited, recover
from tests.talk import wait_until

PAUSE = """
import os, time
while os.getuid() in {uids} and not os.access({go!r}, os.F_OK):
    time.sleep(0.05)
"""


def programs(*uids: int) -> list[str]:
    """The process ids of the programs of these users."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if place.stat().st_uid in uids and b"popa3d-session" in (place / "cmdline").read_bytes():
                found.append(place.name)
    return sorted(found)


@contextlib.contextmanager
def stopped(host: Host, *uids: int) -> Iterator[None]:
    """The programs of these users do nothing, as if these had stopped them; in the end they go on.

    They cannot stop themselves, since they may send no signal, nor execute another program.
    """
    worker, go = HOME / "bin/popa3d-session", host.base / "go"
    script = host.base / "popa3d-session"
    start = "sys.path.append(LIBRARY)\n"
    text = worker.read_text()
    assert start in text
    script.write_text(text.replace(start, start + PAUSE.format(uids=uids, go=str(go))))
    script.chmod(0o755)
    bind(script, worker)
    try:
        yield
    finally:
        go.touch()
        wait_until(lambda: not programs(*uids))
        unmount(worker)
        go.unlink()


def left(said: str, least: int, most: int) -> list[str]:
    """The lines, without the number of the process that they end with, and without a time that is in these bounds."""
    without = re.sub(r" \(process \d+\)$", "", said, flags=re.M)
    return re.sub(
        r"still at work after (\d+) seconds$",
        lambda match: "still at work" if least <= int(match[1]) <= most else match[0],
        without,
        flags=re.M,
    ).splitlines()


def test_some_are_stopped(host: Host, state: Path) -> None:
    """Users who stop their programs hold up nobody for long; each is named, with the process, which goes on in the end."""
    mailboxes = [interrupt(host, name=name) for name in ("alice", "bob", "carol")]
    before = [mailbox.read_bytes() for mailbox in mailboxes]
    with (
        limited(host, RECOVERIES_AT_ONCE=1, RECOVERY_SLOW_S=1, RECOVERY_TIMEOUT_S=6, RECOVERY_LIMIT_S=12),
        stopped(host, ALICE.uid, BOB.uid),
    ):
        status, said = recover("--all")
        pids = programs(ALICE.uid, BOB.uid)
        assert sorted(re.findall(r"\(process (\d+)\)$", said, re.M)) == pids and len(pids) == 2
        assert left(said, 6, 11) == [f"popa3d-recover: {name}: still at work" for name in ("alice", "bob")]
        assert status == 1
        assert [mailbox.read_bytes() for mailbox in mailboxes] == [*before[:2], AFTER]
    assert [mailbox.read_bytes() for mailbox in mailboxes] == [AFTER] * 3


def test_several_at_once(host: Host, state: Path) -> None:
    """One that has not had its time yet takes one of several places."""
    mailboxes = [interrupt(host, name=name) for name in ("alice", "bob", "carol")]
    before = mailboxes[0].read_bytes()
    with limited(host, RECOVERIES_AT_ONCE=2, RECOVERY_SLOW_S=60, RECOVERY_LIMIT_S=8), stopped(host, ALICE.uid):
        status, said = recover("alice", "bob", "carol", "alice")
        assert (status, left(said, 8, 60)) == (1, ["popa3d-recover: alice: still at work"])
        assert [mailbox.read_bytes() for mailbox in mailboxes] == [before, AFTER, AFTER]


def test_too_many_are_stopped(host: Host, state: Path, tmp_path: Path) -> None:
    """There are no more at once than there may be, and an end to it, which names all that are left; root sleeps meanwhile."""
    mailboxes = [interrupt(host, name=name) for name in ("alice", "bob", "carol", "dave")]
    before = [mailbox.read_bytes() for mailbox in mailboxes]
    trace = tmp_path / "trace"
    with (
        limited(host, RECOVERIES_AT_ONCE=1, RECOVERY_SLOW_S=1, RECOVERIES=2, RECOVERY_LIMIT_S=6),
        stopped(host, ALICE.uid, BOB.uid),
    ):
        status, said = recover("-qq", "-o", str(trace), RECOVER, "--all", program="strace")
        assert (status, left(said, 1, 60)) == (1, [
            "popa3d-recover: carol: not looked at: 6 seconds are over",
            f"popa3d-recover: {state}/{DAVE.uid}: not looked at: 6 seconds are over",
            "popa3d-recover: alice: still at work",
            "popa3d-recover: bob: still at work",
        ])  # fmt: skip
        assert [mailbox.read_bytes() for mailbox in mailboxes] == before
    calls = trace.read_text()
    assert calls.count("rt_sigtimedwait(") in range(2, 12) and calls.count("wait4(") < 30 and "sleep" not in calls


def test_the_unit_lets_it_come_to_its_end() -> None:
    """popa3d-recover.service waits longer than popa3d-recover takes, and has room for all processes that it may leave."""
    unit = (HOME / "packaging/systemd/popa3d-recover.service").read_text()
    (minutes,) = re.findall(r"^TimeoutStartSec=(\d+)min$", unit, re.M)
    (tasks,) = re.findall(r"^TasksMax=(\d+)$", unit, re.M)
    assert int(minutes) * 60 >= limits.RECOVERY_LIMIT_S + limits.RECOVERY_TIMEOUT_S
    assert int(tasks) > limits.RECOVERIES * -(-limits.RECOVERY_LIMIT_S // limits.RECOVERY_TIMEOUT_S)
