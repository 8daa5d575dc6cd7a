"""Decisions of a session's sequence: the host's limits, and the wait for the pre-auth child's record."""

from __future__ import annotations

import os
import posix
import time
from collections.abc import Callable
from unittest import mock

import pytest

from popa3d.root import preauthentication, sequence
from popa3d.root.ending import End
from popa3d.root.peer import Peer
from popa3d.shared import log, record
from popa3d.shared.census.counts import Counts
from popa3d.shared.settings import Settings


def limit(total: int, of_source: int, unseen: int = 0, address: str = "192.0.2.1", **limits: int) -> str:
    """The reason for which a session is refused on a host with these sessions and limits; empty if it is not."""
    settings = Settings()
    for key, value in limits.items():
        setattr(settings, key, value)
    counts = Counts()
    counts.total, counts.of_source, counts.unseen = total, of_source, unseen
    try:
        sequence._limit(lambda _: counts, Peer.accepted(address), settings)
    except End as end:
        return end.reason if (end.priority, end.reply) == (log.WARNING, b"") else "not only a warning"
    return ""


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the source comes first; as many as the limit are allowed, this one included."""
    assert limit(1000, 1000) == ""
    assert limit(5, 1, sessions=5) == ""
    assert limit(6, 1, sessions=5) == "192.0.2.1: sessions limit reached"
    assert limit(6, 3, sessions=5, sessions_per_source=3) == "192.0.2.1: sessions limit reached"
    assert limit(6, 4, sessions=5, sessions_per_source=3) == "192.0.2.1: per source limit reached"
    assert limit(6, 6, sessions=5, sessions_per_source=3, address="") == "local: sessions limit reached"


def test_not_counted_without_limits() -> None:
    """Counting takes time: it is done only where the administrator has set a limit."""

    def count(_: str) -> Counts:
        raise AssertionError

    sequence._limit(count, Peer.accepted(""), Settings())


def test_unseen_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator is told which sessions a limit by source does not count."""
    lines: list[str] = []
    monkeypatch.setattr(log, "write", lambda _, text: lines.append(text))
    assert limit(5, 1, 1, sessions_per_source=9) == limit(5, 1, 2, sessions_per_source=9) == limit(5, 1, 2, sessions=9) == ""
    assert lines == [
        "1 session may not be looked at: sessions_per_source does not count it",
        "2 sessions may not be looked at: sessions_per_source does not count them",
    ]


def received(child: Callable[[int], None], login_timeout_s: int = 5) -> bytes:
    """What root receives of a child that does this with its pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            child(writing)
        finally:
            os._exit(3)
    os.close(writing)
    preauth = preauthentication.Preauthentication(mock.Mock(), mock.Mock(), 600, False)
    preauth._pid, preauth._pipe, preauth._deadline = pid, reading, time.monotonic() + login_timeout_s
    data = preauth.receive()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)
    return data


def write_slowly(pipe: int) -> None:
    """A record in two parts."""
    os.write(pipe, b"L1")
    time.sleep(0.05)
    os.write(pipe, b"23")


def linger(pipe: int) -> None:
    """A record, and no end."""
    os.write(pipe, b"Q")
    os.close(pipe)
    time.sleep(60)


def write_too_much(pipe: int) -> None:
    """More than a record can have."""
    os.write(pipe, b"x" * 60_000)


def test_received() -> None:
    """The parts of a record are joined, and no more is taken than one octet beyond the longest."""
    assert received(write_slowly) == b"L123"
    assert len(received(write_too_much)) == record.LOGIN_RECORD_OCTETS + 1


def test_a_child_that_lingers() -> None:
    """A child that has written and closed its pipe, and goes on, is ended."""
    began = time.monotonic()
    assert received(linger) == b"Q"
    assert time.monotonic() - began < 30


def test_nothing_received(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that ends without a record, and one that is late, end the session."""
    with pytest.raises(End, match=r"ended without a record \(wait status 0x"):
        received(lambda pipe: None)
    monkeypatch.setattr(preauthentication, "RECORD_GRACE_S", 0)
    with pytest.raises(End, match="late with its record"):
        received(lambda pipe: time.sleep(60), login_timeout_s=0)


def test_a_child_that_was_never_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a spare session could not have its child, to which its client was sent, another one greets; no other process ends."""
    ended: list[int] = []
    monkeypatch.setattr(posix, "kill", lambda pid, _: ended.append(pid))
    preauth = preauthentication.Preauthentication(mock.Mock(), mock.Mock(), 600, False)
    preauth._pipe, theirs = os.pipe()
    monkeypatch.setattr(posix, "fork", lambda: 4_194_304)  # no process has it
    preauth.start((False, False, True), time.monotonic(), b"", is_greeted=True)
    assert preauth._pid == 4_194_304
    preauth._pid = -1
    os.close(theirs)
    with pytest.raises(ProcessLookupError):
        preauth.receive()
    assert not ended


LOCAL = ("127.0.0.1", "127.8.9.1", "::1", "")
REMOTE = ("192.0.2.1", "2001:db8::1", "::2", "1270.0.0.1")


@pytest.mark.parametrize(("rule", "allowed"), [("never", ()), ("local", LOCAL), ("always", LOCAL + REMOTE)])
def test_who_may_log_in_without_tls(rule: str, allowed: tuple[str, ...]) -> None:
    """As the settings say; with TLS everybody may. TLS is offered to all that have none."""
    settings = Settings()
    settings.certificate, settings.plaintext_logins = "/x", rule
    for address in LOCAL + REMOTE:
        peer = Peer.accepted(address)
        assert sequence._offer(settings, peer, False) == (True, False, address in allowed)
        assert sequence._offer(settings, peer, True) == (False, True, True)


def test_without_a_certificate() -> None:
    """All is as if there were no TLS."""
    settings = Settings()
    for address in LOCAL + REMOTE:
        assert sequence._offer(settings, Peer.accepted(address), False) == (False, False, True)
