"""Whom the owner's program runs for, which records it accepts from root, and how it ends."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from popa3d.owner import errands, session
from popa3d.owner.mailbox.state_directory import State
from popa3d.shared import record
from popa3d.shared.limits import STATE
from tests.faults.cases import close
from tests.host import ALICE, Host
from tests.session import MAILBOX, WORKER, worker
from tests.session import handover as make_handover
from tests.talk import Talk

UID = ALICE.uid


def read_handover(pieces: list[bytes], uid: int = UID, **ids: Iterable[int]) -> record.Handover | None:
    """What a process with those ids reads from descriptor 3, where the record comes in those pieces."""
    system = SimpleNamespace(
        getresuid=lambda: ids.get("uids", (uid,) * 3),
        getresgid=lambda: ids.get("gids", (uid,) * 3),
        getgroups=lambda: ids.get("groups", []),
        getuid=lambda: uid,
        read=lambda _fd, most: pieces.pop(0)[:most] if pieces else b"",
        close=lambda _fd: None,
    )
    with mock.patch.object(session, "os", system):
        return session._read_handover()


RECORD = make_handover(state=os.fsencode(f"{STATE}/{UID}")).encode()


def test_in_pieces() -> None:
    """A record is one, however the pipe splits it."""
    for size in (1, 7, len(RECORD)):
        handover = read_handover([RECORD[i : i + size] for i in range(0, len(RECORD), size)])
        assert handover is not None and handover.path == b"/var/mail/alice"


def test_as_long_as_it_may_be() -> None:
    """A record of the greatest length is taken; one of an octet more is not, even if that comes late, nor one without end."""
    handover = make_handover(state=os.fsencode(f"{STATE}/{UID}"))
    handover.path += b"/" * (record.HANDOVER_RECORD_OCTETS - len(RECORD))
    longest = handover.encode()
    assert len(longest) == record.HANDOVER_RECORD_OCTETS
    assert read_handover([longest]) is not None
    endless = [b"H" * 10_000] * 1000
    for pieces in ([longest, b"x"], [longest[:-1], longest[-1:], b"x"], endless):
        with pytest.raises(session._Malformed):
            read_handover(pieces)
    assert len(endless) == 998


@pytest.mark.parametrize("forged", [RECORD[:-1], RECORD + b"x", b"x", b"L" + RECORD[1:]], ids=["short", "long", "other", "login"])
def test_of_another_version(forged: bytes) -> None:
    """A record of another form may be that of a daemon which is older than an upgrade: the reason is told."""
    with pytest.raises(session._Malformed):
        read_handover([forged])


def test_empty() -> None:
    """Who closes the pipe has handed over nothing."""
    assert read_handover([]) is None


def test_no_descriptor() -> None:
    """Somebody who starts the program by hand gives it no record."""
    ids = {"getresuid": lambda: (UID,) * 3, "getresgid": lambda: (UID,) * 3, "getgroups": list}
    read = mock.Mock(side_effect=OSError(errno.EBADF, os.strerror(errno.EBADF)))
    with mock.patch.object(session, "os", SimpleNamespace(read=read, **ids)):
        assert session._read_handover() is None


def test_of_another() -> None:
    """A record is for the user whose the process is."""
    assert read_handover([RECORD], UID + 1) is None


@pytest.mark.parametrize("ids", ["uids", "gids"])
@pytest.mark.parametrize("position", range(3))
def test_root_among_its_ids(ids: str, position: int) -> None:
    """With 0 as real, effective or saved id nothing is taken, though the record be right."""
    assert read_handover([RECORD], UID, **{ids: (UID, UID, UID)}) is not None
    assert read_handover([RECORD], UID, **{ids: tuple(0 if i == position else UID for i in range(3))}) is None


def test_root_among_its_groups() -> None:
    """Nor with group 0 as one of several."""
    assert read_handover([RECORD], groups=[8, UID]) is not None
    assert read_handover([RECORD], groups=[8, 0, UID]) is None


@pytest.mark.parametrize(
    ("uids", "gids", "groups"),
    [
        ((0, 0, 0), (0, 0, 0), []),
        ((0, 0, 0), (UID, UID, UID), []),
        ((0, UID, UID), (UID, UID, UID), []),
        ((UID, UID, UID), (0, 0, 0), []),
        ((UID, UID, UID), (0, UID, UID), []),
        ((UID, UID, UID), (UID, UID, UID), [0]),
        ((UID, UID, UID), (UID, UID, UID), []),
    ],
    ids=str,
)
def test_the_program_as_root(host: Host, uids: tuple[int, ...], gids: tuple[int, ...], groups: list[int]) -> None:
    """The real program with the real ids: whoever has 0 among them gets nothing from it, the owner all."""
    host.deliver("alice", MAILBOX)
    handover = make_handover(uid=uids[0])
    reading, writing = os.pipe()
    os.write(writing, handover.encode())
    os.close(writing)

    def become() -> None:
        os.dup2(reading, 3)
        os.setgroups(groups)
        os.setresgid(*gids)
        os.setresuid(*uids)

    with Talk(WORKER, preexec_fn=become, close_fds=False) as talk:
        os.close(reading)
        if 0 in (*uids, *gids, *groups):
            assert talk.rest() == b""
            assert talk.status() == 1
        else:
            assert talk.line() == b"+OK\r\n"


def test_interrupted(host: Host) -> None:
    """SIGINT ends a session as any other program, without a line about a bug."""
    host.deliver("alice", MAILBOX)
    with worker(RECORD) as talk:
        assert talk.line() == b"+OK\r\n"
        talk.process.send_signal(signal.SIGINT)
        assert talk.status() == -signal.SIGINT
    assert "Internal error" not in host.syslog.text


def test_a_bug(host: Host, tmp_path: Path) -> None:
    """An exception that nobody expects ends the program with 70 and one line without its text; the client is told nothing."""
    said = tmp_path / "said"
    child = os.fork()
    if child == 0:
        try:
            out = os.open(said, os.O_WRONLY | os.O_CREAT, 0o600)
            for fd in (1, 2):
                os.dup2(out, fd)
            with mock.patch.object(session, "_read_handover", side_effect=KeyError("sesame-1")):
                session.main()
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 70
    assert said.read_bytes() == b""
    (line,) = host.syslog.lines
    assert "Internal error: KeyError at " in line and "sesame" not in line


def test_a_journal_without_mailbox(host: Host, tmp_path: Path) -> None:
    """Where a recovery finds a journal, but no mailbox, the host is told; without either there is nothing to do."""
    handover = make_handover()
    handover.path, handover.state, handover.recovery = bytes(tmp_path / "mailbox"), bytes(tmp_path), True
    tmp_path.chmod(0o700)
    assert errands.recover(handover) == 0
    state = State(handover.state, handover.owner, handover.path)
    journal = tmp_path / os.fsdecode(state.name(b".journal"))
    close(state)
    journal.write_bytes(b"x")
    assert errands.recover(handover) == 1
    assert journal.exists()
    host.syslog.wait(f"Failed or refused to recover {tmp_path}/mailbox: there is a journal of it, but no mailbox")
