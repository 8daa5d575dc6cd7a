"""The pre-auth child's loop on a connection that is a list: what it sends, when, and the one record it leaves to root."""

from __future__ import annotations

import os
from types import SimpleNamespace
from unittest import mock

import pytest

from popa3d.preauth import loop
from popa3d.shared import record, replies
from popa3d.shared.connection import EXPIRED, GONE
from popa3d.shared.limits import INVALID_COMMANDS, LOGIN_LINES
from tests.unit.scripted import Scripted


def served(
    connection: Scripted, timeout_s: int = 600, login_timeout_s: int = 120, offer: tuple[bool, bool, bool] = (False, False, True)
) -> tuple[bytes, mock.Mock]:
    """The record that `run` leaves, and how it has made the connection."""
    made = mock.Mock(return_value=connection)
    reading, writing = os.pipe()
    with mock.patch.object(loop, "Connection", made), mock.patch.object(loop, "time", SimpleNamespace(monotonic=lambda: 1000.0)):
        loop.run(writing, timeout_s, login_timeout_s, offer, replies.GREETING, lambda: None, None)
    os.close(writing)
    with open(reading, "rb") as pipe:
        return pipe.read(), made


def test_login() -> None:
    """The record has the name and the password. All replies are sent by then; PASS has none of the child's."""
    connection = Scripted(b"USER alice\r\nPASS sesame-1\r\n")
    left, _ = served(connection)
    login = record.decode_login(left)
    assert login is not None
    assert (login.user, login.password, login.ahead) == (b"alice", b"sesame-1", b"")
    assert connection.sent == replies.GREETING + replies.OK


@pytest.mark.parametrize("ahead", [b"STAT\r\nQUIT\r\n", b"\r\n", b"half a line", b"\0"], ids=str)
def test_what_is_sent_ahead(ahead: bytes) -> None:
    """What comes behind PASS is in the record, as it came."""
    login = record.decode_login(served(Scripted(b"USER alice\r\nPASS x\r\n" + ahead))[0])
    assert login is not None and login.ahead == ahead


def test_quit() -> None:
    """QUIT is answered; what comes behind it is nothing any more."""
    connection = Scripted(b"QUIT\r\nUSER alice\r\nPASS x\r\n")
    assert served(connection)[0] == record.LEFT
    assert connection.sent == replies.GREETING + replies.OK


@pytest.mark.parametrize(
    ("line", "answers"),
    [(b"", replies.INVALID * INVALID_COMMANDS), (b"AUTH", replies.MECHANISMS * LOGIN_LINES)],
    ids=["invalid", "valid"],
)
def test_too_many(line: bytes, answers: bytes) -> None:
    """The last reply says why the connection ends."""
    connection = Scripted((line + b"\r\n") * 1000)
    assert served(connection)[0] == record.TOO_MANY
    assert connection.sent == replies.GREETING + answers + replies.TOO_MANY


TLS = (True, False, True)


def test_start_tls() -> None:
    """Root is told of STLS; what USER has said is not, and there is no reply: the TLS process gives it."""
    connection = Scripted(b"USER alice\r\nSTLS\r\n")
    assert served(connection, offer=TLS)[0] == record.START_TLS
    assert connection.sent == replies.GREETING + replies.OK


@pytest.mark.parametrize("behind", [b"USER alice\r\nPASS x\r\n", b"C", b"\r\n", b"\0", b"\x16\x03\x01"], ids=str)
def test_injected(behind: bytes) -> None:
    """What is behind STLS in what was read was not encrypted: the connection ends."""
    connection = Scripted(b"STLS\r\n" + behind)
    assert served(connection, offer=TLS)[0] == record.INJECTED
    assert connection.sent == replies.GREETING


def test_as_another_user() -> None:
    """Root is told that somebody tried, and not who: no credentials of such a login are left."""
    connection = Scripted(b"AUTH PLAIN Ym9iAGFsaWNlAHNlc2FtZS0x\r\nUSER alice\r\nPASS x\r\n")
    assert served(connection)[0] == record.NOT_ANOTHER
    assert connection.sent == replies.GREETING + replies.NOT_ANOTHER


@pytest.mark.parametrize(("ended", "left"), [(GONE, record.LEFT), (EXPIRED, record.EXPIRED)])
def test_the_connection_ends(ended: str, left: bytes) -> None:
    """Without a login root is told how the connection ended."""
    connection = Scripted(b"USER alice\r\nPASS x", ended)
    assert served(connection)[0] == left
    assert connection.sent == replies.GREETING + replies.OK


@pytest.mark.parametrize(("timeout_s", "login_timeout_s", "least"), [(600, 120, 120), (60, 120, 60), (120, 120, 120)])
def test_limits(timeout_s: int, login_timeout_s: int, least: int) -> None:
    """Each line has the idle limit or less; all of them together the login limit, from the start."""
    connection = Scripted(b"NOOP\r\nUSER alice\r\n")
    _, made = served(connection, timeout_s, login_timeout_s)
    assert made.call_args_list == [mock.call(b"", least)]
    assert connection.deadlines == [1000.0 + login_timeout_s] * 3


@pytest.mark.parametrize("behind", [b"", b"USER alice\r\nPASS x\r\nSTAT\r\n"])
def test_through_a_proxy(behind: bytes) -> None:
    """Confined first, then the proxy's header, then the greeting and the offer that root gives; what was behind counts."""
    connection = Scripted()
    events: list[object] = []

    def meet() -> tuple[tuple[bool, bool, bool], bytes, bytes]:
        events.append(("met", connection.sent))
        return (False, False, True), b"+OK hello\r\n", behind

    reading, writing = os.pipe()
    with mock.patch.object(loop, "Connection", mock.Mock(return_value=connection)):
        loop.run(writing, 600, 120, (False, False, False), b"", lambda: events.append("confined"), meet)
    os.close(writing)
    with open(reading, "rb") as pipe:
        left = pipe.read()
    assert events == ["confined", ("met", b"")]
    assert connection.sent == b"+OK hello\r\n" + (replies.OK if behind else b"")
    login = record.decode_login(left)
    assert (login is not None and (login.user, login.password, login.ahead) == (b"alice", b"x", b"STAT\r\n")) == bool(behind)
    assert behind or left == record.LEFT


def test_a_proxy_without_a_header() -> None:
    """There is no greeting and no record: root has the report."""
    connection = Scripted(b"USER alice\r\nPASS x\r\n")
    reading, writing = os.pipe()
    with mock.patch.object(loop, "Connection", mock.Mock(return_value=connection)):
        loop.run(writing, 600, 120, (False, False, False), b"", lambda: None, lambda: None)
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == b""
    assert connection.sent == b"" and connection.deadlines == []
