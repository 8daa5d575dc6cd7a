"""bin/popa3d-session over a connection, with Python's own POP3 client as the peer."""

from __future__ import annotations

import poplib
import socket
import subprocess

import pytest

from popa3d.shared import record
from tests.host import BOB, Host
from tests.session import WORKER, handover, worker
from tests.talk import connection
from tests.unit.owner import plain

MAILBOX = b"".join(
    b"From ann@example.org Mon Jan  5 10:00:00 2026\nMessage-ID: <%d@example.org>\nSubject: number %d\n\n.dot\n%s\n\n"
    % (i, i, b"x" * i)
    for i in range(1, 6)
)
EXPECTED = plain.messages(MAILBOX) or []


class Over(poplib.POP3):
    """poplib over a connected socket, in the TRANSACTION state."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        super().__init__("worker")

    def _create_socket(self, timeout: float) -> socket.socket:
        self._client.settimeout(20)
        return self._client


def test_poplib(host: Host) -> None:
    """Every command of TRANSACTION as poplib sends it, and QUIT removes what was marked."""
    path = host.deliver("alice", MAILBOX)
    client, server = connection()
    with worker(handover().encode(), ends=(client, server)) as talk:
        pop = Over(client)
        assert pop.stat() == (5, sum(message.octets for message in EXPECTED))
        assert pop.list()[1] == [b"%d %d" % (i, message.octets) for i, message in enumerate(EXPECTED, 1)]
        assert pop.uidl()[1] == [b"%d %s" % (i, message.unique_id.encode()) for i, message in enumerate(EXPECTED, 1)]
        assert pop.uidl(3) == b"+OK 3 " + EXPECTED[2].unique_id.encode()
        for i, message in enumerate(EXPECTED, 1):
            _, lines, octets = pop.retr(i)
            assert b"\n".join(lines) + b"\n" == message.content
            assert sum(len(line) + 2 for line in lines) == message.octets == octets
        assert pop.top(2, 0)[1] == [b"Message-ID: <2@example.org>", b"Subject: number 2", b""]
        assert pop.top(2, 1)[1][-1] == b".dot"
        client.sendall(b"LAST\r\n")
        assert pop.file.readline() == b"+OK 5\r\n"
        pop.dele(1)
        pop.rset()
        pop.noop()
        for i in (1, 4):
            pop.dele(i)
        with pytest.raises(poplib.error_proto):
            pop.retr(4)
        assert pop.stat()[0] == 3
        assert pop.quit() == b"+OK"
        assert talk.status() == 0
    kept = [EXPECTED[i].start for i in (1, 2, 4)]
    ends = [EXPECTED[2].start, EXPECTED[3].start, len(MAILBOX)]
    assert path.read_bytes() == b"".join(MAILBOX[a:b] for a, b in zip(kept, ends, strict=True))
    host.syslog.wait(f"2 ({EXPECTED[0].octets + EXPECTED[3].octets}) deleted, 3 (")


def test_what_was_sent_ahead_comes_first(host: Host) -> None:
    """Commands from the record are answered before those on the connection, in order, though a line is in both."""
    host.deliver("alice", MAILBOX)
    with worker(handover(ahead=b"NOOP\r\nDELE 2\r\nLI").encode()) as talk:
        talk.send(b"ST 3\r\nQUIT\r\n")
        assert talk.rest().splitlines() == [b"+OK", b"+OK", b"+OK", b"+OK 3 %d" % EXPECTED[2].octets, b"+OK"]


@pytest.mark.parametrize(
    "told",
    [b"", handover(uid=BOB.uid).encode()],
    ids=["none", "another user's"],
)
def test_no_record(host: Host, told: bytes) -> None:
    """Without a record for its user the worker says nothing to the client, and ends."""
    host.deliver("alice", MAILBOX)
    with worker(told) as talk:
        assert talk.rest() == b""
        assert talk.status() == 1


@pytest.mark.parametrize(
    "told",
    [b"H", handover().encode()[:-1], handover().encode() + b"x", b"x" * 20_000, record.Login(b"alice", b"x", b"").encode()],
    ids=["its tag", "less", "more", "much more", "another"],
)
def test_forged_record(host: Host, told: bytes) -> None:
    """With any other record, perhaps another version's, nobody is served; the client may come again, and the log says why."""
    host.deliver("alice", MAILBOX)
    with worker(told) as talk:
        assert talk.rest() == b"-ERR [SYS/TEMP] service temporarily unavailable\r\n"
        assert talk.status() == 1
    host.syslog.wait("The handover record is malformed; a popa3d -D that is older than an upgrade must be restarted")


def test_not_as_root(host: Host) -> None:
    """The worker refuses to run as uid 0, and says so to a person."""
    done = subprocess.run(WORKER, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "root" in done.stderr


def test_limits(host: Host) -> None:
    """A mailbox beyond a limit is refused whole and left alone."""
    path = host.deliver("alice", MAILBOX)
    for told in (handover(max_messages=4), handover(max_octets=len(MAILBOX) - 1)):
        with worker(told.encode()) as talk:
            assert talk.rest().startswith(b"-ERR")
    with worker(handover(max_messages=5, max_octets=len(MAILBOX)).encode()) as talk:
        assert talk.line() == b"+OK\r\n"
    assert path.read_bytes() == MAILBOX
    host.syslog.wait("Failed or refused to load /var/mail/alice: has more than 4 messages")
