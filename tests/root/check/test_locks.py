"""Who holds the locks of a mailbox."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from tests.host import Host
from tests.root.check import MBOX, found


@pytest.mark.parametrize("kind", ["fcntl", "flock", "dot-lock"])
def test_locks(host: Host, kind: str) -> None:
    """Who holds a lock is named, and the mailbox is read all the same."""
    path = host.deliver("alice", MBOX)
    with path.open("rb+") as file:
        if kind == "fcntl":
            fcntl.lockf(file, fcntl.LOCK_EX)
        elif kind == "flock":
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            Path(f"{path}.lock").write_text(f"{os.getpid()}\n")
        configuration = host.configuration("[mailbox]\nlocks = ['fcntl', 'flock', 'dotlock']\n")
        told = found("-c", configuration, "alice")
    (lock,) = told["lock"]
    assert (lock["level"], lock["pid"]) == ("note", os.getpid())
    assert lock["text"].startswith(f"{kind} is held by ")
    assert told["messages"][0]["messages"] == 1
    assert ("read while another program has its lock" in told["messages"][0]["text"]) == (kind != "dot-lock")
    assert kind != "dot-lock" or Path(f"{path}.lock").exists()
    assert lock["advice"].startswith("a session waits 20 seconds")


def test_locks_that_do_not_matter(host: Host) -> None:
    """A dot-lock of a process that has ended, and a lock of a kind that popa3d does not take: no session waits for them."""
    path = host.deliver("alice", MBOX)
    ended = subprocess.Popen(["true"])
    ended.wait()
    Path(f"{path}.lock").write_text(f"{ended.pid}\n")
    (lock,) = found("-c", host.configuration("[mailbox]\nlocks = ['dotlock']\n"), "alice")["lock"]
    assert lock["text"] == f"there is a dot-lock of process {ended.pid}, which has ended"
    assert lock["advice"].startswith("popa3d removes it")
    (lock,) = found("alice")["lock"]
    assert lock["advice"].startswith("popa3d does not look at this kind")
    Path(f"{path}.lock").write_text(f"{ended.pid} another.example\n")
    assert found("alice")["lock"][0]["pid"] == ended.pid
    Path(f"{path}.lock").write_text("9" * 20)
    assert "names no process" in found("alice")["lock"][0]["text"]
