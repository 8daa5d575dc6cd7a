"""The TRANSACTION state, without a connection: every command, wrong arguments, order, and when the mailbox is read."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner.mailbox import Changed, InUse
from popa3d.owner.pop3 import transaction
from popa3d.owner.pop3.transaction import GO_ON, QUIT, Transaction
from popa3d.shared import capabilities, replies
from tests.unit.owner import plain
from tests.unit.owner.pop3.maildrops import BLOCK, Served
from tests.unit.splits import TRAILING, pieces, talk

OK, END = replies.OK, replies.END
NO, NONE = replies.INVALID, replies.NO_SUCH_MESSAGE


def said(machine: Transaction, line: bytes) -> bytes:
    """The whole reply to a line."""
    blocks, event = machine.receive(line)
    assert event == GO_ON
    return b"".join(blocks)


def conversation(served: Served, stream: bytes) -> tuple[bytes, str, bytes, tuple[int, int]]:
    """All replies to a stream, the last event, the marks and what they leave: the same however it is split."""
    outcomes = []
    for trailing in TRAILING:
        for split in pieces(stream + trailing):
            machine = served.machine()

            def receive(line: bytes, machine: Transaction = machine) -> tuple[bytes, str]:
                blocks, event = machine.receive(line)
                return b"".join(blocks), event

            reply, event, ahead = talk(receive, GO_ON, split)
            outcomes.append((reply, event, bytes(machine.deleted), (machine.left, machine.left_octets)))
            assert event == GO_ON or ahead == trailing
        if outcomes[0][1] == GO_ON:
            break  # what follows would be lines of this state, too
    assert [outcome for outcome in outcomes if outcome != outcomes[0]] == []
    return outcomes[0]


def sizes(served: Served) -> list[int]:
    return [message.octets for message in served.messages]


def retr(served: Served, number: int) -> bytes:
    """The reply to RETR, by the plain definition."""
    return OK + plain.sent(served.messages[number - 1].content) + END


def test_each_command(served: Served) -> None:
    """Each command as RFC 1939 has it, in one stream; LAST as RFC 1460."""
    one, two, three = sizes(served)
    ids = [message.unique_id.encode() for message in served.messages]
    lines: list[tuple[bytes, bytes]] = [
        (b"STAT", b"+OK 3 %d\r\n" % (one + two + three)),
        (b"LIST", OK + b"1 %d\r\n2 %d\r\n3 %d\r\n" % (one, two, three) + END),
        (b"LIST 2", b"+OK 2 %d\r\n" % two),
        (b"UIDL", OK + b"1 %s\r\n2 %s\r\n3 %s\r\n" % tuple(ids) + END),
        (b"uidl 3", b"+OK 3 %s\r\n" % ids[2]),
        (b"LAST", b"+OK 0\r\n"),
        (b"RETR 2", retr(served, 2)),
        (b"LAST", b"+OK 2\r\n"),
        (b"RETR 1 ", retr(served, 1)),
        (b"LAST", b"+OK 2\r\n"),
        (b"TOP 3 0", OK + b"Message-Id: <3@d>\r\n\r\n" + END),
        (b"TOP 3 2", OK + b"Message-Id: <3@d>\r\n\r\n" + b"a line of the third\r\n" * 2 + END),
        (b"TOP 3 99999999", retr(served, 3)),
        (b"LAST", b"+OK 2\r\n"),
        (b"DELE 3", OK),
        (b"LAST", b"+OK 3\r\n"),
        (b"STAT", b"+OK 2 %d\r\n" % (one + two)),
        (b"LIST", OK + b"1 %d\r\n2 %d\r\n" % (one, two) + END),
        (b"RSET", OK),
        (b"LAST", b"+OK 0\r\n"),
        (b"STAT", b"+OK 3 %d\r\n" % (one + two + three)),
        (b"NOOP", OK),
        (b"DELE 1", OK),
        (b"QUIT", b""),
    ]
    stream = b"".join(line + b"\r\n" for line, _ in lines)
    expected = b"".join(reply for _, reply in lines)
    assert conversation(served, stream) == (expected, QUIT, b"\1\0\0", (2, two + three))


@pytest.mark.parametrize("command", [b"LIST", b"UIDL", b"RETR", b"DELE", b"TOP"])
def test_which_messages_there_are(served: Served, command: bytes) -> None:
    """A message that is deleted, 0, or beyond the last is none; another sign or more zeros change nothing (strtol(3))."""
    more = b" 1" if command == b"TOP" else b""
    machine = served.machine()
    for number in (b"0", b"4", b"-0", b"2147483647"):
        assert said(machine, command + b" " + number + more) == NONE
    assert said(machine, b"DELE 2") == OK
    assert said(machine, command + b" 2" + more) == NONE
    assert said(machine, b"RSET") == OK
    assert said(machine, command + b" +0002" + more).startswith(b"+OK")


@pytest.mark.parametrize(
    "line",
    [b"STAT 1", b"LIST 1 2", b"UIDL 1 2", b"RETR", b"RETR 1 2", b"TOP", b"TOP 1", b"TOP 1 2 3", b"DELE", b"DELE 1 2", b"RSET 1"]
    + [b"LAST 1", b"NOOP 1", b"QUIT 1", b"RETR x", b"RETR -1", b"RETR 2147483648", b"TOP 1 x", b"TOP 1 -1", b"TOP x 1"]
    + [b"LIST x", b"DELE 1x", b"", b" ", b" STAT", b"STAT  ", b"RETR  1", b"\0", b"STAT\0", b"STATS", b"XYZZY", b"XYZZY 1"]
    + [b"USER alice", b"PASS x", b"APOP a b", b"CAPA x", b"AUTH", b"AUTH PLAIN", b"STLS", b"\xff\xfe"],
    ids=lambda line: str(line[:20]),
)
def test_what_is_invalid(served: Served, line: bytes) -> None:
    """It is answered -ERR, as often as it comes, nothing changes, and the client may go on."""
    left = sum(sizes(served))
    stream = (line + b"\r\n") * 30 + b"STAT\r\n"
    assert conversation(served, stream) == (NO * 30 + b"+OK 3 %d\r\n" % left, GO_ON, bytes(3), (3, left))


def test_capabilities(served: Served) -> None:
    """CAPA is answered as before the login, and neither message nor mark changes."""
    machine = served.machine()
    assert said(machine, b"DELE 2") == OK
    assert said(machine, b"capa ") == capabilities.LIST
    assert said(machine, b"STAT").startswith(b"+OK 2 ")


@pytest.mark.parametrize("line", [b"STAT" + b" " * 252, b"x" * 256, b"x" * 5000, b"RETR 1" + b" " * 250 + b"x" * 2000], ids=len)
def test_a_line_that_is_too_long(served: Served, line: bytes) -> None:
    """It is refused as such, whatever it begins with: no part of it is executed."""
    left = sum(sizes(served))
    stream = (line + b"\r\n") * 3 + b"STAT\r\n"
    assert conversation(served, stream) == (replies.TOO_LONG * 3 + b"+OK 3 %d\r\n" % left, GO_ON, bytes(3), (3, left))


def test_which_fault_is_told(served: Served) -> None:
    """Arguments are looked at in their order, as in C popa3d: a message that is not there comes before a wrong number."""
    machine = served.machine()
    assert said(machine, b"TOP 4 x") == NONE
    assert said(machine, b"TOP x 4") == NO
    assert said(machine, b"TOP 4") == NO


def test_an_unfinished_line(served: Served) -> None:
    """A QUIT without a line end is none."""
    assert conversation(served, b"DELE 1\r\nQUIT")[:2] == (OK, GO_ON)


def test_quit_has_no_reply_yet(served: Served) -> None:
    """What QUIT is answered depends on UPDATE; what comes behind it is not looked at."""
    assert conversation(served, b"DELE 1\r\nDELE 3\r\nQUIT\r\n")[:3] == (OK + OK, QUIT, b"\1\0\1")
    assert conversation(served, b"quit \n") == (b"", QUIT, bytes(3), (3, sum(sizes(served))))


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_long_listings(served: Served, at_once: int) -> None:
    """LIST and UIDL are the same, however many messages are listed at once."""
    for deleted in (b"", b"DELE 1\r\n", b"DELE 2\r\nDELE 3\r\n", b"DELE 1\r\nDELE 2\r\nDELE 3\r\n"):
        expected = conversation(served, deleted + b"LIST\r\nUIDL\r\n")
        with mock.patch.object(transaction, "LISTED_MESSAGES", at_once):
            assert conversation(served, deleted + b"LIST\r\nUIDL\r\n") == expected
    assert expected[0] == OK * 3 + (OK + END) * 2


def test_no_messages(tmp_path: Path) -> None:
    """An empty maildrop has no message of any number."""
    served = Served(tmp_path, b"")
    stream = b"STAT\r\nLIST\r\nUIDL\r\nLIST 1\r\nRETR 1\r\nDELE 0\r\nLAST\r\nRSET\r\nQUIT\r\n"
    expected = b"+OK 0 0\r\n" + (OK + END) * 2 + NONE * 3 + b"+OK 0\r\n" + OK
    assert conversation(served, stream) == (expected, QUIT, b"", (0, 0))
    served.close()


# When the mailbox is read.


def test_blocks_are_read_as_they_are_taken(served: Served) -> None:
    """The first block is read before +OK, each further one when the last is sent, and no more when nobody takes them."""
    calls = served.maildrop.calls
    machine = served.machine()
    blocks: Iterable[bytes]
    blocks, _ = machine.receive(b"RETR 3")
    assert calls == ["content 2 0"]
    taken = iter(blocks)
    assert next(taken) == OK
    assert next(taken) == served.messages[2].content[:BLOCK]
    assert calls == ["content 2 0"]
    next(taken)
    assert calls == ["content 2 0", f"content 2 {BLOCK}"]


def test_top_reads_no_more_than_it_sends(served: Served) -> None:
    """Behind the last line of TOP nothing is read."""
    assert said(served.machine(), b"TOP 3 1") == OK + b"Message-Id: <3@d>\r\n\r\na line of the third\r\n" + END
    assert served.maildrop.calls == [f"content 2 {offset}" for offset in (0, BLOCK, 2 * BLOCK)]


@pytest.mark.parametrize("command", [b"RETR 2", b"TOP 2 5"])
def test_in_use(served: Served, command: bytes) -> None:
    """A message that cannot be told now is refused, and the session goes on; it does not count as read."""
    machine = served.machine()
    served.maildrop.failure = InUse("x")
    assert said(machine, command) == replies.IN_USE
    assert said(machine, b"LAST") == b"+OK 0\r\n"
    served.maildrop.failure = None
    assert said(machine, command) == retr(served, 2)


@pytest.mark.parametrize("failure", [Changed(), OSError(errno.EIO, "x")], ids=repr)
def test_a_message_that_cannot_be_read(served: Served, failure: Exception) -> None:
    """A mailbox that is not what it was ends the session before anything is said."""
    machine = served.machine()
    served.maildrop.failure = failure
    with pytest.raises(type(failure)):
        machine.receive(b"RETR 2")


@pytest.mark.parametrize("failure", [InUse("x"), Changed(), OSError(errno.EIO, "x")], ids=repr)
def test_in_the_middle_of_a_message(served: Served, failure: Exception) -> None:
    """When a part of a message was sent, there is no reply any more: whoever takes the blocks gets the exception."""
    machine = served.machine()
    served.maildrop.failure, served.maildrop.good = failure, 2
    blocks, event = machine.receive(b"RETR 3")
    sent: list[bytes] = []
    with pytest.raises(type(failure)):
        sent.extend(blocks)
    assert (b"".join(sent), event) == (OK + served.messages[2].content[: 2 * BLOCK].replace(b"\n", b"\r\n"), GO_ON)


# What is prepared.


def test_prepared(served: Served) -> None:
    """Behind RETR the next message is read while there is time, and its reply is what it would be otherwise, in one block."""
    with mock.patch("popa3d.owner.mailbox.maildrop.WRITE_OCTETS", 1000):
        machine = served.machine()
        machine.prepare()
        assert served.maildrop.calls == []  # nobody has asked for a first one
        assert said(machine, b"RETR 1") == retr(served, 1)
        for _ in range(2):
            machine.prepare()
        assert served.maildrop.calls == ["content 0 0", "unchecked 1 0"]
        blocks, _ = machine.receive(b"RETR 2")
        assert list(blocks) == [retr(served, 2)]
        assert served.maildrop.calls[2:] == []
        assert said(machine, b"LAST") == b"+OK 2\r\n"
        assert said(machine, b"RETR 3") == retr(served, 3)
        machine.prepare()  # there is no fourth


@pytest.mark.parametrize("between", [b"TOP 3 0", b"RETR 1"])
def test_prepared_in_vain(served: Served, between: bytes) -> None:
    """What was prepared is gone once the mailbox is looked at again, or another message is asked for."""
    with mock.patch("popa3d.owner.mailbox.maildrop.WRITE_OCTETS", 1000):
        machine = served.machine()
        said(machine, b"RETR 1")
        machine.prepare()
        said(machine, between)
        served.maildrop.calls.clear()
        assert said(machine, b"RETR 2") == retr(served, 2)
        assert served.maildrop.calls == ["content 1 0"]


def test_another_than_was_prepared(served: Served) -> None:
    """A client that asks for another message gets that one."""
    with mock.patch("popa3d.owner.mailbox.maildrop.WRITE_OCTETS", 1000):
        machine = served.machine()
        said(machine, b"RETR 1")
        machine.prepare()
        assert said(machine, b"RETR 3") == retr(served, 3)


def test_prepared_and_written_to(served: Served) -> None:
    """A mailbox that was written to since is read again."""
    with mock.patch("popa3d.owner.mailbox.maildrop.WRITE_OCTETS", 1000):
        machine = served.machine()
        said(machine, b"RETR 1")
        machine.prepare()
        served.maildrop.untouched = False
        blocks, _ = machine.receive(b"RETR 2")
        assert "content 1 0" in served.maildrop.calls
        assert b"".join(blocks) == retr(served, 2)


def test_not_prepared(served: Served) -> None:
    """Neither what is larger than may be held, nor what is not read whole, nor what cannot be read: that is told later."""
    machine = served.machine()
    said(machine, b"RETR 1")
    served.maildrop.calls.clear()
    octets = len(served.messages[1].content)
    with mock.patch.object(transaction, "PREPARED_OCTETS", octets - 1):
        machine.prepare()
        assert served.maildrop.calls == []
    with mock.patch.object(transaction, "PREPARED_OCTETS", octets):
        machine.prepare()  # only BLOCK octets of it are read at once
    assert served.maildrop.calls == ["unchecked 1 0"]
    served.maildrop.failure = OSError(errno.EIO, "x")
    machine.prepare()
    served.maildrop.failure = None
    assert said(machine, b"RETR 2") == retr(served, 2)
    assert "content 1 0" in served.maildrop.calls


# What deletes.


def test_removal_is_loaded_once(served: Served) -> None:
    """A first DELE of a message that is there loads what removes; nothing else does."""
    machine = served.machine()
    for line in (b"STAT", b"DELE 9", b"DELE x", b"RSET"):
        said(machine, line)
    assert served.loads == 0
    for line in (b"DELE 1", b"DELE 2", b"RSET", b"DELE 3"):
        assert said(machine, line) == OK
    assert served.loads == 1


def test_nothing_can_be_removed(served: Served) -> None:
    """If that cannot be loaded, DELE is refused each time, and marks nothing."""
    served.removes = False
    stream = b"DELE 1\r\nDELE 2\r\nLAST\r\nQUIT\r\n"
    expected = replies.UNAVAILABLE * 2 + b"+OK 0\r\n"
    assert conversation(served, stream) == (expected, QUIT, bytes(3), (3, sum(sizes(served))))
    machine = served.machine()
    served.loads = 0
    said(machine, b"DELE 1")
    said(machine, b"DELE 1")
    assert served.loads == 1
