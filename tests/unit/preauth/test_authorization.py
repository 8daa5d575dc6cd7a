"""The AUTHORIZATION state, without a socket: every command, in every order, however its octets are split."""

from __future__ import annotations

import pytest

from popa3d.preauth.authorization import GO_ON, LOGIN, QUIT, TOO_MANY_INVALID, Authorization
from popa3d.shared import replies
from popa3d.shared.limits import ARGUMENT_OCTETS, INVALID_COMMANDS, LINE_OCTETS, PASSWORD_OCTETS
from tests.unit.splits import TRAILING, pieces, talk

OK, NO = replies.OK, replies.INVALID


def conversation(stream: bytes) -> tuple[bytes, str, bytes, bytes]:
    """All replies to a stream, the last event, the name and the password: the same however it is split and what follows."""
    outcomes = []
    for trailing in TRAILING:
        for split in pieces(stream + trailing):
            machine = Authorization()
            said, event, ahead = talk(machine.receive, GO_ON, split)
            outcomes.append((said, event, machine.user, machine.password))
            assert event == GO_ON or ahead == trailing
        if outcomes[0][1] == GO_ON:
            break  # what follows would be lines of this state, too
    assert [outcome for outcome in outcomes if outcome != outcomes[0]] == []
    return outcomes[0]


@pytest.mark.parametrize(
    ("stream", "user", "password"),
    [
        (b"USER alice\r\nPASS sesame-1\r\n", b"alice", b"sesame-1"),
        (b"user alice\npass sesame-1\n", b"alice", b"sesame-1"),
        (b"USER alice \r\nPASS  two  words \r\n", b"alice", b" two  words "),
        (b"USER " + b"a" * ARGUMENT_OCTETS + b"\nPASS " + b"p" * PASSWORD_OCTETS + b"\n", b"a" * 40, b"p" * 122),
        (b"USER \xff\r\nPASS \xfe\x01\r\n", b"\xff", b"\xfe\x01"),
    ],
    ids=str,
)
def test_login(stream: bytes, user: bytes, password: bytes) -> None:
    """USER and PASS end in LOGIN with the octets that were sent; PASS has no reply here, since root gives it."""
    assert conversation(stream) == (OK, LOGIN, user, password)


def test_quit() -> None:
    """QUIT is answered and ends the state, before and after USER."""
    assert conversation(b"QUIT\r\n") == (OK, QUIT, b"", b"")
    assert conversation(b"USER alice\r\nQuit \r\n") == (OK + OK, QUIT, b"alice", b"")


def test_orders() -> None:
    """PASS needs a USER before it; a second USER is refused, and the first name stays, as in C popa3d."""
    assert conversation(b"PASS x\r\n") == (NO, GO_ON, b"", b"")
    assert conversation(b"PASS x\r\nUSER alice\r\nPASS y\r\n") == (NO + OK, LOGIN, b"alice", b"y")
    assert conversation(b"USER alice\r\nUSER bob\r\nPASS x\r\n") == (OK + NO, LOGIN, b"alice", b"x")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "line",
    [b"USER", b"USER ", b"USER  a", b"USER a b", b"USER " + b"a" * (ARGUMENT_OCTETS + 1), b"USER a\0", b"PASS", b"PASS "]
    + [b"PASS x\0y", b"QUIT now", b"QUIT  "],
    ids=str,
)
def test_wrong_arguments(line: bytes, named: bool) -> None:
    """A command with other arguments than its own changes nothing."""
    before, name = (b"USER alice\r\n", b"alice") if named else (b"", b"")
    assert conversation(before + line + b"\r\n") == (OK * named + NO, GO_ON, name, b"")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "line",
    [b"", b" ", b" USER a", b"STAT", b"RETR 1", b"DELE 1", b"NOOP", b"CAPA", b"AUTH", b"AUTH PLAIN", b"STLS", b"APOP a b"]
    + [b"USERS a", b"x" * LINE_OCTETS, b"x" * 5000, b"\xff", b"\0", b"GET / HTTP/1.0"],
    ids=lambda line: str(line[:20]),
)
def test_what_is_no_command_here(line: bytes, named: bool) -> None:
    """Whatever has no row in the table is refused, and the client may go on to log in."""
    before, answers = (b"USER alice\r\n", OK + NO) if named else (b"", NO + OK)
    after = b"" if named else b"USER alice\r\n"
    assert conversation(before + line + b"\r\n" + after + b"PASS x\r\n") == (answers, LOGIN, b"alice", b"x")


@pytest.mark.parametrize("line", [b"", b"XYZZY", b"PASS x", b"USER", b"\0", b"QUIT now"], ids=str)
def test_too_many_invalid(line: bytes) -> None:
    """So many lines that are no valid commands end the state, whatever valid ones are between; one fewer does not."""
    wrong = (line + b"\r\n") * (INVALID_COMMANDS - 1)
    assert conversation(wrong + b"USER alice\r\nPASS x\r\n") == (NO * (INVALID_COMMANDS - 1) + OK, LOGIN, b"alice", b"x")
    said, event, user, _ = conversation(wrong + b"USER alice\r\nUSER alice\r\n")
    assert (event, user) == (TOO_MANY_INVALID, b"alice")
    assert said == NO * (INVALID_COMMANDS - 1) + OK + NO + replies.TOO_MANY_INVALID


def test_an_unfinished_line() -> None:
    """A line without its end is none, whatever it says."""
    assert conversation(b"USER alice\r\nPASS x") == (OK, GO_ON, b"alice", b"")
    assert conversation(b"QUIT") == (b"", GO_ON, b"", b"")
