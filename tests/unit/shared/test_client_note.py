"""The note of a client's address: who can see it sees that, and nothing can be made of the file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from popa3d.shared import client_note

NOTE_FD = 987


@pytest.fixture(autouse=True)
def number(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A number that nothing else of the tests has."""
    monkeypatch.setattr(client_note, "NOTE_FD", NOTE_FD)
    yield
    os.closerange(NOTE_FD, NOTE_FD + 1)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:1111:2222:3333:4444:5555:6666"])
def test_a_note(address: str) -> None:
    """Others read what was left, for this process and those that it forks; a new one takes the place of the old."""
    assert client_note.read(os.getpid()) == "" and not client_note.is_left()
    client_note.leave("::1")
    assert client_note.is_left()
    client_note.leave(address)
    assert client_note.read(os.getpid()) == address
    assert not os.get_inheritable(NOTE_FD)
    client_note.keep()
    assert os.get_inheritable(NOTE_FD)


def test_it_stays_empty() -> None:
    """Nobody can write it, or make it longer: else a session could fill it with a program, and execute that."""
    client_note.leave("192.0.2.1")
    with pytest.raises(PermissionError):
        os.write(NOTE_FD, b"#!/bin/sh\n")
    with pytest.raises(PermissionError):
        os.truncate(NOTE_FD, 1)


def test_no_note() -> None:
    """Another file under that number, none, a process that has ended, and what is no address are no note."""
    assert client_note.read(os.getpid()) == client_note.read(2**22 + 1) == ""
    client_note.keep()  # without one
    forged = [b"popa3d-client:" + text for text in (b"\xff", b"", b"192.0.2.1x", b"192.0.2.1\n", b"::1%lo", b"a" * 200)]
    for name in (b"popa3d", b"xpopa3d-client:192.0.2.1", *forged):
        file = os.memfd_create(os.fsdecode(name))
        os.dup2(file, NOTE_FD)
        os.close(file)
        assert client_note.read(os.getpid()) == ""


def test_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no room for a note, a session goes on without."""

    def none(*_: object) -> int:
        raise OSError(errno.ENFILE, "")

    monkeypatch.setattr("posix.memfd_create", none)
    client_note.leave("192.0.2.1")
    assert client_note.read(os.getpid()) == ""
