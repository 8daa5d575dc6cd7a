"""How a session ends that does not come to the owner's program: what is done, in which order."""

from __future__ import annotations

import pytest

from popa3d.root import ending
from popa3d.root.ending import End
from popa3d.shared import log
from popa3d.shared.limits import RECORD_GRACE_S
from tests.unit.root.accounts import account

NOBODY = account("popa3d", 77, 78)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done, instead of doing it."""
    done: list[str] = []
    monkeypatch.setattr("popa3d.root.ending._signal.alarm", lambda seconds: done.append(f"alarm {seconds}"))
    monkeypatch.setattr(log, "write", lambda priority, text: done.append(f"log {priority} {text}"))
    monkeypatch.setattr("popa3d.root.privileges.become", lambda uid, gid: done.append(f"become {uid} {gid}"))
    monkeypatch.setattr("popa3d.root.ending.os.write", lambda fd, data: done.append(f"write {fd} {data!r}"))
    return done


def test_refuse(steps: list[str]) -> None:
    """Root logs, under an alarm, and replies only when it is root no more."""
    assert ending.refuse(End("no", b"-ERR\r\n", log.NOTICE), NOBODY) == 0
    assert steps == [f"alarm {RECORD_GRACE_S}", f"log {log.NOTICE} no", "become 77 78", "write 1 b'-ERR\\r\\n'"]


def test_finish(steps: list[str]) -> None:
    """What is not root any more, or says nothing to the client, logs and ends."""
    assert ending.finish(End("bad")) == 1
    assert steps == [f"alarm {RECORD_GRACE_S}", f"log {log.ERROR} bad"]


@pytest.mark.parametrize(("priority", "status"), [(log.INFO, 0), (log.NOTICE, 0), (log.WARNING, 0), (log.ERROR, 1)])
def test_status(steps: list[str], priority: int, status: int) -> None:
    """The exit status is 1 for what the host should know."""
    assert ending.finish(End("x", priority=priority)) == status


def test_a_peer_that_has_gone(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that nobody reads is no error."""

    def write(fd: int, data: bytes) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("popa3d.root.ending.os.write", write)
    assert ending.finish(End("x", b"-ERR\r\n", log.INFO)) == 0
