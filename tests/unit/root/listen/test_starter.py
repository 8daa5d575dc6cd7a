"""The starter as the listener has it, and spare sessions: what it knows of processes that end."""

from __future__ import annotations

import _socket
import os
import socket
from collections.abc import Iterator

import pytest

from popa3d.root import process
from popa3d.root.listen import starter as listen_starter
from popa3d.root.listen.log_queue import LogQueue
from popa3d.root.listen.spares import Client, Spares
from popa3d.root.starter import READY, Starter

PID = 2**22  # no process has it


class Started:
    """Starters that are none, of which each has said what it is told to say. placed: what became STARTER_FD."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
        self.said = said
        self.count = 0
        self.placed: list[int | None] = []
        self.log = LogQueue(lambda _: 0)
        monkeypatch.setattr(process, "place", self._place)
        monkeypatch.setattr(process, "place_null", lambda _: self.placed.append(None))
        self.session_starter = listen_starter.SessionStarter(self._start, self.log)

    def _place(self, fd: int, number: int) -> int:
        os.close(fd)
        self.placed.append(number)
        return number

    def _start(self, _spare: int, _logins: int) -> Starter:
        self.count += 1
        reading, writing = os.pipe()
        os.write(writing, self.said)
        os.close(writing)
        return Starter(PID, os.open("/dev/null", os.O_RDWR), reading)


@pytest.mark.parametrize("is_heard", [True, False])
def test_one_that_was_ready_has_ended(monkeypatch: pytest.MonkeyPatch, is_heard: bool) -> None:
    """There is another one at once, also if the listener hears that it was ready and that it has ended at the same time."""
    started = Started(monkeypatch, READY)
    started.session_starter.begin(0.0, 4)
    if is_heard:
        started.session_starter.answered()
        assert started.session_starter.can_be_asked()
    assert started.session_starter.ended(PID)
    assert not started.session_starter.can_be_asked()
    assert started.placed[-1] is None
    started.session_starter.begin(0.0, 4)
    assert started.count == 2


def test_one_that_was_never_ready_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one comes later."""
    started = Started(monkeypatch, b"")
    started.session_starter.begin(0.0, 4)
    assert started.session_starter.ended(PID)
    started.session_starter.begin(0.0, 4)
    assert started.count == 1


@pytest.fixture
def spares() -> Iterator[Spares]:
    """Nobody waits."""
    result = Spares()
    yield result
    result.dismiss()


def test_spares_that_end(spares: Spares) -> None:
    """Only those that wait for a client are told apart: where these cannot live, others need not be tried at once."""
    spares.add(lambda *fds: PID)
    assert not spares.ended(PID - 1)
    assert spares.ended(PID)
    assert not spares.ended(PID)


def test_out_of_descriptors(monkeypatch: pytest.MonkeyPatch, spares: Spares) -> None:
    """Where there is no room for a spare session, the next one is not tried at once."""
    assert spares.due_s(4) == 0

    def fail(*_: int) -> None:
        raise OSError("no room")

    monkeypatch.setattr(_socket, "socketpair", fail)
    with pytest.raises(OSError, match="no room"):
        spares.add(lambda *_: PID)
    assert (spares.due_s(4) or 0) > 0


@pytest.mark.parametrize("order", [b"", b"order"])
def test_given(spares: Spares, order: bytes) -> None:
    """One whose process has ended gets no client, and one that has a client is no spare session any more."""
    theirs: list[tuple[int, ...]] = []

    def start(*fds: int) -> int:
        theirs.append(tuple(os.dup(fd) for fd in fds))
        return PID + len(theirs)

    for _ in range(2):
        spares.add(start)
    for fd in theirs[0]:
        os.close(fd)
    client = Client("192.0.2.1", False)
    with socket.socket() as connection:
        pid, waiting = spares.give(connection.fileno(), client, order)
    assert pid == PID + 2 and waiting is not None
    waiting.close()
    assert client.is_greeted == bool(order)
    assert not spares.ended(PID + 2)
    for fd in theirs[1]:
        os.close(fd)
