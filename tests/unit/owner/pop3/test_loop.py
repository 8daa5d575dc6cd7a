"""The loop of the TRANSACTION state on a connection that is a script: when it ends, and what is read behind that."""

from __future__ import annotations

from unittest import mock

import pytest

from popa3d.owner.mailbox import Changed
from popa3d.owner.pop3 import loop
from popa3d.owner.pop3.transaction import Transaction
from popa3d.shared import replies
from popa3d.shared.connection import EXPIRED, GONE
from tests.unit.owner.pop3.maildrops import BLOCK, Served
from tests.unit.scripted import Scripted


def serve(connection: Scripted, machine: Transaction) -> bool:
    """What the loop returns."""
    return loop.serve(connection, machine)  # type: ignore[arg-type]


def test_until_quit(served: Served) -> None:
    """QUIT ends it; what comes behind is not read, and what was said is left to be flushed."""
    machine = served.machine()
    connection = Scripted(b"NOOP\r\nDELE 1\r\nQUIT\r\nDELE 2\r\nRSET\r\n")
    assert serve(connection, machine) is True
    assert (connection.sent, connection.flushes) == (b"", 0)
    assert connection.ahead() == b"DELE 2\r\nRSET\r\n"
    assert machine.deleted == b"\1\0\0"
    connection.flush()
    assert connection.sent == replies.OK * 2


@pytest.mark.parametrize("ending", [GONE, EXPIRED])
def test_until_the_connection_ends(served: Served, ending: str) -> None:
    """An end without QUIT is told, though a QUIT was begun."""
    connection = Scripted(b"DELE 1\r\nQUIT", ending)
    assert serve(connection, served.machine()) is False
    assert connection.sent == replies.OK


def test_a_client_that_is_gone_in_a_message(served: Served) -> None:
    """When the connection ends no further block is read, and no further command obeyed."""
    machine = served.machine()
    connection = Scripted(b"RETR 3\r\nDELE 1\r\nQUIT\r\n", ends_after=len(replies.OK) + 2 * BLOCK)
    assert serve(connection, machine) is False
    assert served.maildrop.calls == ["content 2 0", f"content 2 {BLOCK}"]
    assert machine.deleted == bytes(3)


def test_a_mailbox_that_changes_in_a_message(served: Served) -> None:
    """What is raised while blocks are taken comes to the caller."""
    served.maildrop.failure, served.maildrop.good = Changed(), 1
    with pytest.raises(Changed):
        serve(Scripted(b"RETR 3\r\n"), served.machine())


def test_prepares_while_idle(served: Served) -> None:
    """The next message is prepared when no line is there, and not before."""
    with mock.patch("popa3d.owner.mailbox.maildrop.WRITE_OCTETS", 1000):
        connection = Scripted(b"RETR 1\r\nNOOP\r\n")
        serve(connection, served.machine())
    assert served.maildrop.calls == ["content 0 0", "unchecked 1 0"]
