"""A session without a socket: its replies, log lines and exit status, what it deletes, and what ends it early."""

from __future__ import annotations

import builtins
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from popa3d.owner import session
from popa3d.owner.mailbox import Changed, InUse
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.update import removal
from popa3d.shared import log, record, replies
from popa3d.shared.connection import EXPIRED, GONE
from popa3d.shared.settings import Settings
from tests.session import MAILBOX, ONE, TWO
from tests.unit.scripted import Scripted

OK = replies.OK
LOADED = "2 messages (48 bytes) loaded for alice"
STARTED_MS = 7_000_000  # of the session, which is looked at four seconds later, but for a millisecond
FAILED = OSError(errno.EIO, "Input/output error")
FULL = OSError(errno.ENOSPC, "No space left on device")


class Alice:
    """A mailbox of alice's with two messages, her state directory, and what is logged (priority and text)."""

    def __init__(self, base: Path) -> None:
        self.mailbox = base / "mailbox"
        self.mailbox.write_bytes(MAILBOX)
        os.utime(self.mailbox, (1, 1))  # old: nobody is writing to it
        self.state = base / "state"
        self.state.mkdir(mode=0o700)
        self.lines: list[tuple[int, str]] = []
        self.closed = 0

    def serve(self, connection: Scripted) -> int:
        """Serve the connection as `main` does: the exit status."""
        status = session._serve(connection, self.handover())  # type: ignore[arg-type]
        connection.flush()
        return status

    def handover(self) -> record.Handover:
        """Root's record for her."""
        path, state = bytes(self.mailbox), bytes(self.state)
        return record.Handover(b"alice", os.getuid(), path, state, b"192.0.2.1", b"", Settings(), started_ms=STARTED_MS)

    def log(self, priority: int, text: str) -> None:
        self.lines.append((priority, text.replace(str(self.mailbox), "MAILBOX")))


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[Alice]:
    """Alice, a log that is a list, and files whose closings are counted."""
    alice = Alice(tmp_path)

    def close(file: MboxFile) -> None:
        alice.closed += 1
        real_close(file)

    real_close = MboxFile.close
    clock = mock.patch.object(session, "time", SimpleNamespace(monotonic=lambda: STARTED_MS / 1000 + 3.999))
    with mock.patch.object(log, "write", alice.log), mock.patch.object(MboxFile, "close", close), clock:
        yield alice


def failing(error: Exception) -> Callable[..., object]:
    """A call that raises that."""
    return mock.Mock(side_effect=error)


def test_a_session(alice: Alice) -> None:
    """PASS is answered, then each command, then QUIT, once the deleted message is gone from the mailbox."""
    connection = Scripted(b"STAT\r\nDELE 1\r\nQUIT\r\nSTAT\r\n")
    assert alice.serve(connection) == 0
    assert connection.sent == OK + b"+OK 2 48\r\n" + OK + OK
    assert alice.mailbox.read_bytes() == TWO
    left = "1 (24) deleted, 1 (24) left for alice messages=0 octets=20 seconds=3"
    assert alice.lines == [(log.INFO, LOADED), (log.INFO, left)]


def test_all_is_sent_before_anything_is_deleted(alice: Alice) -> None:
    """What a client has asked for has left before UPDATE begins; QUIT's reply only leaves behind it."""
    connection = Scripted(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
    sent_before: list[bytes] = []

    def remove(maildrop: Maildrop, deleted: bytearray) -> None:
        sent_before.append(connection.sent)
        real_remove(maildrop, deleted)

    real_remove = removal.remove
    with mock.patch.object(removal, "remove", remove):
        assert alice.serve(connection) == 0
    before_quit = OK + OK + b"Subject: one\r\n\r\nbody 1\r\n" + replies.END + OK
    assert sent_before == [before_quit]
    assert connection.sent == before_quit + OK


def test_nothing_is_deleted(alice: Alice) -> None:
    """A QUIT without deletions touches nothing, and loads nothing of UPDATE."""
    with mock.patch.object(removal, "remove", failing(AssertionError())):
        assert alice.serve(Scripted(b"DELE 1\r\nRSET\r\nQUIT\r\n")) == 0
    assert alice.mailbox.read_bytes() == MAILBOX
    assert alice.lines[1:] == [(log.INFO, "0 (0) deleted, 2 (48) left for alice messages=0 octets=15 seconds=3")]


def test_what_quit_logs(alice: Alice) -> None:
    """The line of QUIT counts each message that RETR has sent, again if it was sent again, and all octets until then."""
    connection = Scripted(b"RETR 1\r\nRETR 1\r\nTOP 2 0\r\nRETR 3\r\nRETR 2\r\nLIST\r\nQUIT\r\n")
    assert alice.serve(connection) == 0
    octets = len(connection.sent) - len(OK)
    assert alice.lines[1:] == [(log.INFO, f"0 (0) deleted, 2 (48) left for alice messages=3 octets={octets} seconds=3")]


@pytest.mark.parametrize(
    ("ending", "text"), [(GONE, "Premature disconnect for alice"), (EXPIRED, "Connection timed out for alice")]
)
@pytest.mark.parametrize("stream", [b"", b"DELE 1\r\n", b"DELE 1\r\nQUIT"], ids=str)
def test_an_end_without_quit(alice: Alice, ending: str, text: str, stream: bytes) -> None:
    """It deletes nothing, and is the client's affair: the status is 0."""
    assert alice.serve(Scripted(stream, ending)) == 0
    assert alice.mailbox.read_bytes() == MAILBOX
    assert alice.lines == [(log.INFO, LOADED), (log.INFO, text)]


@pytest.mark.parametrize(
    ("ending", "text"), [(GONE, "Premature disconnect for alice"), (EXPIRED, "Connection timed out for alice")]
)
def test_what_was_not_sent_is_not_deleted(alice: Alice, ending: str, text: str) -> None:
    """A whole QUIT has come, but what was asked for before it cannot be sent: nothing is deleted."""
    stream = b"RETR 1\r\nDELE 1\r\nQUIT\r\n"
    everything = len(OK + OK + b"Subject: one\r\n\r\nbody 1\r\n" + replies.END + OK)
    for count in range(1, everything + 1):
        alice.lines.clear()
        assert alice.serve(Scripted(stream, ending, ends_after=count)) == 0
        assert alice.mailbox.read_bytes() == MAILBOX
        assert alice.lines[1:] == [(log.INFO, text)]


@pytest.mark.parametrize(
    ("error", "reply", "text"),
    [
        (InUse("locked"), replies.IN_USE, "Failed or refused to load MAILBOX: locked"),
        (FAILED, replies.NOT_LOADED, "Failed or refused to load MAILBOX: Input/output error"),
        (OSError(), replies.NOT_LOADED, "Failed or refused to load MAILBOX: "),
        (FULL, replies.NOT_LOADED_NOW, "Failed or refused to load MAILBOX: No space left on device"),
    ],
    ids=repr,
)
def test_a_mailbox_that_cannot_be_loaded(alice: Alice, error: Exception, reply: bytes, text: str) -> None:
    """PASS is refused, and the host is told."""
    connection = Scripted(b"STAT\r\nQUIT\r\n")
    with mock.patch.object(session, "_load", failing(error)):
        assert alice.serve(connection) == 1
    assert connection.sent == reply
    assert alice.lines == [(log.WARNING, text)]


def test_a_mailbox_that_is_none(alice: Alice) -> None:
    """So it is with a file that is no mailbox; its descriptor and locks are let go of."""
    alice.mailbox.write_bytes(b"no mailbox\n")
    os.utime(alice.mailbox, (1, 1))
    connection = Scripted(b"STAT\r\n")
    assert alice.serve(connection) == 1
    assert connection.sent == replies.NOT_LOADED
    assert alice.closed > 1  # opening closes first
    assert len(alice.lines) == 1 and alice.lines[0][1].startswith("Failed or refused to load MAILBOX: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Changed(), (log.INFO, "Another MUA active, giving up for alice")),
        (InUse("locked"), (log.ERROR, "Server failure accessing MAILBOX: locked")),
        (FAILED, (log.ERROR, "Server failure accessing MAILBOX: Input/output error")),
    ],
    ids=repr,
)
def test_a_mailbox_that_fails_in_transaction(alice: Alice, error: Exception, line: tuple[int, str]) -> None:
    """The session ends without another word, and deletes nothing. (InUse comes that far in the middle of a message only.)"""
    connection = Scripted(b"STAT\r\nDELE 1\r\nRETR 2\r\nQUIT\r\n")

    def content(_maildrop: Maildrop, i: int, offset: int = 0) -> bytes:
        if offset or not isinstance(error, InUse):
            raise error
        return b"x"

    with mock.patch.object(Maildrop, "content", content):
        assert alice.serve(connection) == 1
    assert connection.sent.startswith(OK + b"+OK 2 48\r\n" + OK)
    assert not connection.sent.endswith(replies.END)
    assert alice.mailbox.read_bytes() == MAILBOX
    assert alice.lines == [(log.INFO, LOADED), line]
    assert alice.closed > 1


@pytest.mark.parametrize(
    ("error", "reply", "line"),
    [
        (InUse("locked"), replies.IN_USE, (log.WARNING, "Failed to update MAILBOX: locked")),
        (FAILED, replies.NOT_UPDATED, (log.ERROR, "Failed to update MAILBOX: Input/output error")),
        (FULL, replies.NOT_UPDATED_NOW, (log.ERROR, "Failed to update MAILBOX: No space left on device")),
    ],
    ids=repr,
)
def test_an_update_that_fails(alice: Alice, error: Exception, reply: bytes, line: tuple[int, str]) -> None:
    """QUIT is refused, and the host is told."""
    connection = Scripted(b"DELE 1\r\nQUIT\r\n")
    with mock.patch.object(removal, "remove", failing(error)):
        assert alice.serve(connection) == 1
    assert connection.sent == OK + OK + reply
    assert alice.lines[1:] == [line]


def test_an_update_that_the_next_session_will_finish(alice: Alice) -> None:
    """Where the update has left its journal, the log says what becomes of it."""

    def remove(maildrop: Maildrop, _deleted: bytearray) -> None:
        (alice.state / os.fsdecode(maildrop.state.name(b".journal"))).write_bytes(b"x")
        raise FAILED

    with mock.patch.object(removal, "remove", remove):
        assert alice.serve(Scripted(b"DELE 1\r\nQUIT\r\n")) == 1
    text = "Failed to update MAILBOX: Input/output error: the next session will finish it"
    assert alice.lines[1:] == [(log.ERROR, text)]


def test_changed_before_the_update(alice: Alice) -> None:
    """A mailbox that was written to by others is left alone, and QUIT has no reply."""
    connection = Scripted(b"DELE 1\r\nQUIT\r\n")
    with mock.patch.object(removal, "remove", failing(Changed())):
        assert alice.serve(connection) == 1
    assert connection.sent == OK + OK
    assert alice.lines[1:] == [(log.INFO, "Another MUA active, giving up for alice")]


def test_upgraded_before_transaction(alice: Alice) -> None:
    """A popa3d that was replaced while this session loaded its mailbox ends it, behind the reply to PASS."""
    connection = Scripted(b"STAT\r\nQUIT\r\n")
    with mock.patch.object(session, "_BEGAN_WITH", (0, 0, 0, 0)):
        assert alice.serve(connection) == 1
    assert connection.sent == OK
    assert alice.lines[1:] == [(log.WARNING, "popa3d was upgraded or removed meanwhile: the session of alice ends")]


@pytest.mark.parametrize("same", [1, 2], ids=["before", "while it is loaded"])
def test_upgraded_before_dele(alice: Alice, same: int) -> None:
    """One that was replaced later refuses to delete, and serves all else."""
    connection = Scripted(b"DELE 1\r\nSTAT\r\nDELE 2\r\nQUIT\r\n")
    answers = [session._BEGAN_WITH] * same + [(0, 0, 0, 0)]
    with mock.patch.object(session, "_installed", mock.Mock(side_effect=answers)):
        assert alice.serve(connection) == 0
    assert connection.sent == OK + replies.UNAVAILABLE + b"+OK 2 48\r\n" + replies.UNAVAILABLE + OK
    assert alice.mailbox.read_bytes() == MAILBOX
    text = "popa3d was upgraded or removed meanwhile: the session of alice deletes nothing"
    assert alice.lines[1:2] == [(log.WARNING, text)] and len(alice.lines) == 3


def test_read_only(alice: Alice) -> None:
    """Where the file system can only be read, the host is told that nothing will be deleted."""
    with mock.patch.object(MboxFile, "reopen", read_only(MboxFile.reopen)):
        assert alice.serve(Scripted(b"QUIT\r\n")) == 0
    assert alice.lines[0] == (log.WARNING, "MAILBOX is on a file system that can only be read: no message can be deleted")


def read_only(reopen: Callable[[MboxFile], None]) -> Callable[[MboxFile], None]:
    """Opening a file that has the mark then."""

    def marked(file: MboxFile) -> None:
        reopen(file)
        file.read_only = True

    return marked


def test_one_message(alice: Alice) -> None:
    """Log lines count in English."""
    alice.mailbox.write_bytes(ONE)
    os.utime(alice.mailbox, (1, 1))
    assert alice.serve(Scripted(b"QUIT\r\n")) == 0
    assert alice.lines[0] == (log.INFO, "1 message (24 bytes) loaded for alice")


# How the program begins and ends.


class Exited(BaseException):
    """The process has ended, with this status."""


def run_main(handover: record.Handover | None, connection: Scripted | None = None, **parts: Callable[..., object]) -> int:
    """The exit status of `main` with that handover and connection; parts: functions of the session that are replaced."""
    ended = mock.Mock(side_effect=Exited)
    everything: dict[str, Any] = {
        "_read_handover": lambda: handover,
        "_has_ids_of_roots": lambda: False,
        "Connection": lambda _ahead, _timeout_s: connection,
        "_signal": mock.Mock(),
        **parts,
    }
    with (
        mock.patch.multiple(session, **everything),
        mock.patch.object(log, "start"),
        mock.patch("posix._exit", ended),
        pytest.raises(Exited),
    ):
        session.main()
    return int(ended.call_args.args[0])


def test_started_by_hand(alice: Alice) -> None:
    """Without a handover the program complains to whoever has started it, and neither serves nor logs."""
    complain, serve = mock.Mock(), mock.Mock()
    assert run_main(None, None, _complain=complain, _serve=serve) == 1
    assert complain.call_args_list == [mock.call("popa3d-session is started by popa3d only, never as root")]
    assert not serve.called and alice.lines == []


def test_handed_over_by_another_version(alice: Alice) -> None:
    """The client reads that it may come again, and the log has the reason."""
    serve = mock.Mock()
    handover = mock.Mock(side_effect=session._Malformed("the reason"))
    with mock.patch("posix.write") as write:
        assert run_main(None, None, _read_handover=handover, _serve=serve) == 1
    assert write.call_args_list == [mock.call(1, replies.UNAVAILABLE)]
    assert not serve.called and alice.lines == [(log.ERROR, "the reason")]


def test_what_is_said_last_is_sent(alice: Alice) -> None:
    """The reply to QUIT, or to a PASS that is refused, leaves before the program ends; its status is the session's."""
    connection = Scripted()

    def serve(_connection: Scripted, _handover: record.Handover) -> int:
        connection.put(replies.NOT_LOADED)
        return 1

    assert run_main(alice.handover(), connection, _serve=serve) == 1
    assert connection.sent == replies.NOT_LOADED


@pytest.mark.parametrize("status", [0, 1])
def test_recovery_serves_nobody(alice: Alice, status: int) -> None:
    """With popa3d-recover's handover there is no session."""
    handover = alice.handover()
    handover.recovery = True
    serve = mock.Mock()
    assert run_main(handover, Scripted(), _run_errand=lambda _handover: status, _serve=serve) == status
    assert not serve.called


@pytest.mark.parametrize(("mode", "complains"), [(stat.S_IFCHR, True), (stat.S_IFREG, True), (stat.S_IFSOCK, False)])
def test_who_reads_complaints(mode: int, complains: bool) -> None:
    """A client never does: with inetd standard error is its socket."""
    write = mock.Mock()
    system = SimpleNamespace(fstat=lambda _fd: SimpleNamespace(st_mode=mode | 0o600), write=write)
    with mock.patch.object(session, "os", system):
        session._complain("text")
    assert write.call_args_list == ([mock.call(2, b"text\n")] if complains else [])


def test_nobody_reads_complaints() -> None:
    """A closed standard error is no fault."""
    with mock.patch.object(session, "os", SimpleNamespace(fstat=failing(OSError(errno.EBADF, "")))):
        session._complain("text")


# What identifies an installation.


def test_installed(tmp_path: Path) -> None:
    """An installation makes its first file anew, which shows; so does its removal."""
    first = tmp_path / "__init__.py"
    first.touch()
    with mock.patch.object(session, "__file__", str(tmp_path / "owner/session.py")):
        before = session._installed()
        assert before is not None and session._installed() == before
        (tmp_path / "new").touch()
        (tmp_path / "new").rename(first)
        assert session._installed() not in (None, before)
        first.unlink()
        assert session._installed() is None


@pytest.mark.parametrize("missing", ["loop", "removal"])
def test_removed_in_between(alice: Alice, missing: str) -> None:
    """A module that is gone though the first file is not yet counts as an upgrade."""
    real_import = builtins.__import__

    def importing(name: str, *context: object) -> object:
        if isinstance(context[2], tuple) and missing in context[2]:
            raise ImportError(missing)
        return real_import(name, *context)  # type: ignore[arg-type]

    connection = Scripted(b"DELE 1\r\nQUIT\r\n")
    with mock.patch.object(builtins, "__import__", importing):
        assert alice.serve(connection) == (1 if missing == "loop" else 0)
    assert connection.sent == (OK if missing == "loop" else OK + replies.UNAVAILABLE + OK)
    assert alice.mailbox.read_bytes() == MAILBOX
    assert alice.lines[1][1].startswith("popa3d was upgraded or removed meanwhile: the session of alice ")


def test_a_journal_that_cannot_be_looked_for(alice: Alice) -> None:
    """An update that fails is told, though nobody can say what becomes of it."""

    def remove(maildrop: Maildrop, _deleted: bytearray) -> None:
        maildrop.state.has_journal = failing(OSError())  # type: ignore[method-assign,assignment]
        raise FAILED

    with mock.patch.object(removal, "remove", remove):
        assert alice.serve(Scripted(b"DELE 1\r\nQUIT\r\n")) == 1
    assert alice.lines[1:] == [(log.ERROR, "Failed to update MAILBOX: Input/output error")]
