"""The real program, killed while it makes the map of old unique-ids, and in an update of a mailbox that has one.

Some messages are equal, so that popa3d's unique-ids of those that stay are others after the update.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.root import privileges
from tests.faults import kills
from tests.host import ALICE, STATE, Host
from tests.session import WORKER, handover, open_session
from tests.talk import Talk

BASE = b"X-IMAPbase: 1795546443 0000000009\n"
EQUAL = b"From a@b Mon Jan  5 10:00:00 2026\nMessage-ID: <equal>\n%sX-UID: %d\n\n%s\n\n"
MESSAGES = [
    EQUAL % (BASE, 1, b"body"),
    EQUAL % (b"", 2, b"another body" * 2000),
    EQUAL % (b"", 3, b"body"),
    EQUAL % (b"", 4, b"another body" * 2000),
    EQUAL % (b"", 5, b"body"),
]
LATER = b"From a@b Mon Jan  5 10:00:00 2026\nMessage-ID: <equal>\nX-UID: 6\n\nbody\n\n"
BEFORE, AFTER = b"".join(MESSAGES), MESSAGES[1] + MESSAGES[3] + MESSAGES[4]
COMMANDS = b"DELE 1\r\nDELE 3\r\n"
OLD = [b"0000000%d6b05dd4b" % number for number in range(1, 6)]
LEFT = [OLD[1], OLD[3], OLD[4]]
MAP_CALLS = "openat,write,fsync,close,rename,renameat,unlinkat"


def ids() -> list[bytes]:
    """What UIDL shows."""
    with open_session() as talk:
        talk.send(b"UIDL\r\nQUIT\r\n")
        return re.findall(rb"(?m)^\d+ (\S+)\r$", talk.rest())


def migrate(log: Path, *options: str) -> None:
    """The owner's program that makes the map, under strace."""
    told = handover(ahead=b"")
    told.migration = "dovecot"
    reading, writing = os.pipe()
    os.write(writing, told.encode())
    os.close(writing)

    def become() -> None:
        os.dup2(reading, 3)
        privileges.become(told.uid, told.uid)

    with Talk(["strace", "-qq", "-o", str(log), *options, *WORKER], preexec_fn=become, close_fds=False) as talk:
        os.close(reading)
        talk.rest()


def state_files() -> dict[str, bytes]:
    """What is in the state directory, by suffix."""
    return {path.name.partition(".")[2]: path.read_bytes() for path in (STATE / str(ALICE.uid)).iterdir()}


@pytest.fixture
def log(host: Host) -> Iterator[Path]:
    """A file for strace, which alice can write."""
    path = host.base / "trace"
    path.touch()
    path.chmod(0o666)
    yield path
    path.unlink()


def test_killed_while_the_map_is_made(host: Host, log: Path) -> None:
    """Afterwards all messages have their old unique-ids, or none; the next popa3d-migrate makes it whole."""
    host.deliver("alice", BEFORE)
    own = ids()
    migrate(log, "-e", f"trace={MAP_CALLS}")
    assert ids() == OLD
    numbers: dict[str, int] = {}
    calls = []
    for name in re.findall(r"(?m)^(\w+)\(", log.read_text()):
        numbers[name] = numbers.get(name, 0) + 1
        calls.append((name, numbers[name]))
    opening = max(i for i, (name, _) in enumerate(calls) if name == "openat")  # that of the new file
    calls = calls[opening - 1 :]
    assert {"openat", "write", "fsync"} <= {name for name, _ in calls}
    seen = set()
    for name, number in calls:
        for path in (STATE / str(ALICE.uid)).iterdir():
            path.unlink()
        migrate(log, "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={number}")
        found = ids()
        assert found in (own, OLD), (name, number)
        seen.add(found == OLD)
        migrate(log, "-e", "trace=none")
        assert ids() == OLD and set(state_files()) == {"ids"}
    assert seen == {False, True}


def test_killed_in_an_update(host: Host, log: Path) -> None:
    """SIGKILL at each call of UPDATE, then a delivery: each message has its own unique-id, whatever came of the update."""
    host.deliver("alice", BEFORE)
    migrate(log, "-e", "trace=none")
    (name,) = [path for path in (STATE / str(ALICE.uid)).iterdir() if path.suffix == ".ids"]
    made = name.read_bytes()
    calls = kills.update(COMMANDS, log)
    assert ids() == LEFT
    found = []
    for kill in calls:
        path = host.deliver("alice", BEFORE)
        subprocess.run(["rm", "-r", *map(str, name.parent.iterdir())], check=True)
        name.write_bytes(made)
        os.chown(name, ALICE.uid, ALICE.uid)
        name.chmod(0o600)
        kills.update(COMMANDS, log, kill)
        with path.open("ab") as file:
            file.write(LATER)
        shown = ids()
        got = path.read_bytes()
        assert got in (BEFORE + LATER, AFTER + LATER), kill
        found.append(got == AFTER + LATER)
        assert shown[:-1] == (LEFT if found[-1] else OLD), kill
        assert shown[-1] not in shown[:-1] and not shown[-1].endswith(b"6b05dd4b"), kill
        assert "ids" in state_files() and "ids-next" not in state_files(), kill
        assert ids() == shown
    assert set(found) == {False, True}
    assert "limit" not in host.syslog.text and "not used" not in host.syslog.text
