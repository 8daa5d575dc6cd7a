"""The real program, killed at its system calls."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults import kills
from tests.host import Host
from tests.session import ONE, THREE, TWO, open_session

# Small enough that each step goes through the journal's data, and with room for several in the file.
MESSAGES = [ONE, TWO * 1, b"From x\nSubject: long\n\n" + b"line\n" * 3000 + b"\n", TWO, THREE]
COMMANDS = b"DELE 1\r\nDELE 4\r\n"
BEFORE = b"".join(MESSAGES)
AFTER = MESSAGES[1] + MESSAGES[2] + MESSAGES[4]


def check(path: Path, mail: bytes = b"") -> bytes:
    """Log in; the mailbox must be what it was or what it is to be. Which."""
    with open_session() as talk:
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    got = path.read_bytes()
    assert got in (BEFORE + mail, AFTER + mail)
    return got[: len(got) - len(mail)]


def killed_in_update(host: Host, log: Path, kill: tuple[str, int]) -> Path:
    """The mailbox that a session leaves which is killed at a call of UPDATE."""
    path = host.deliver("alice", BEFORE)
    kills.update(COMMANDS, log, kill)
    return path


def all_of_update(host: Host, log: Path) -> list[tuple[str, int]]:
    """UPDATE's calls."""
    path = host.deliver("alice", BEFORE)
    calls = kills.update(COMMANDS, log)
    assert path.read_bytes() == AFTER
    assert ("ftruncate", 1) in calls and len(calls) > 15
    return calls


def test_killed_in_update(host: Host, tmp_path: Path) -> None:
    """SIGKILL at a call of UPDATE, then a delivery: the next session finds all before, or all after, and the new message."""
    calls = all_of_update(host, tmp_path / "log")
    found = set()
    for kill in [*random.Random(1).sample(calls, 6), ("pwrite64", 1), ("ftruncate", 1)]:
        path = killed_in_update(host, tmp_path / "log", kill)
        with open(path, "ab") as file:
            file.write(THREE)
        found.add(check(path, THREE))
    assert found == {BEFORE, AFTER}


def test_killed_in_recovery(host: Host, tmp_path: Path) -> None:
    """SIGKILL at a call of the recovery, of an update that was killed: the next session finishes it."""
    path = killed_in_update(host, tmp_path / "log", ("ftruncate", 1))
    broken = path.read_bytes()
    calls = kills.login(path, tmp_path / "log")
    assert path.read_bytes() == AFTER and broken != AFTER
    assert ("ftruncate", 1) in calls
    for kill in [*random.Random(2).sample(calls, 4), ("pwrite64", 1), ("ftruncate", 1)]:
        path = killed_in_update(host, tmp_path / "log", ("ftruncate", 1))
        kills.login(path, tmp_path / "log", kill)
        assert check(path) == AFTER


@pytest.mark.parametrize("name", ["pwrite64", "ftruncate", "fdatasync", "fsync", "openat", "renameat", "unlinkat"])
def test_every_call_is_reached(host: Host, name: str, tmp_path: Path) -> None:
    """The calls that matter are among those that are killed."""
    assert name in {call.replace("rename", "renameat").replace("atat", "at") for call, _ in all_of_update(host, tmp_path / "log")}
