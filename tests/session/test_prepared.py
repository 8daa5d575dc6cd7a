"""Replies that are prepared while the client reads: what it would get otherwise, or not sent."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.host import Host
from tests.session import MAILBOX, THREE, TWO, handover, open_session, waiting, worker
from tests.talk import Talk


def octets_read(talk: Talk) -> int:
    """What the session has read so far, in all."""
    return int(Path(f"/proc/{talk.process.pid}/io").read_text().split()[1])


def test_prepared_and_looked_at_again(host: Host) -> None:
    """What was prepared while the mailbox was wrong for a moment is not sent, even if a look in between has found it right."""
    one = b"From a@b\n\n" + (b"x" * 70 + b"\n") * 11_000 + b"\n"
    path = host.deliver("alice", one + TWO + THREE)
    client, server = socket.socketpair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    with worker(handover().encode(), ends=(client, server)) as talk, open(path, "r+b", buffering=0) as file:
        assert talk.line() == b"+OK\r\n"
        talk.send(b"RETR 1\r\n")
        got = b""
        while len(got) < 770_000:  # all of it was looked at, and the last block is being sent
            got += client.recv(1000)
        file.seek(len(one))
        file.write(TWO.replace(b"body 2", b"BADBAD"))
        while not got.endswith(b"\r\n.\r\n"):
            got += client.recv(100_000)
        waiting(talk)
        file.seek(len(one))
        file.write(TWO)
        assert talk.ask(b"TOP 3 0") == b"+OK\r\n" and talk.lines()
        assert talk.ask(b"RETR 2") == b"+OK\r\n"
        assert talk.lines()[-1] == b"body 2\r\n"


def test_prepared_replies(host: Host) -> None:
    """What is prepared while the client reads is what it would get otherwise; and only if that message is still there."""
    odd = b"From a@b\nSubject: odd\n\n.\n..\n.dot\n\r\nno end"
    for mailbox in (MAILBOX + odd, (MAILBOX + odd).replace(b"\r", b"").replace(b"\n", b"\r\n")):
        path = host.deliver("alice", mailbox)
        with open_session() as talk:
            talk.send(b"".join(b"RETR %d\r\n" % i for i in (1, 2, 3)) + b"LAST\r\nQUIT\r\n")
            at_once = talk.rest()
        one_by_one = b""
        with open_session() as talk:
            for i in (1, 2, 3):
                one_by_one += talk.ask(b"RETR %d" % i) + b"".join(talk.lines()) + b".\r\n"
                waiting(talk)
                if i == 1:
                    with path.open("ab") as file:
                        file.write(b"\n\n" + THREE)  # behind the line that has no end
            assert one_by_one + talk.ask(b"LAST") + talk.ask(b"QUIT") == at_once
        with open_session() as talk:
            waiting(talk)
            before = octets_read(talk)
            assert talk.ask(b"RETR 1") == b"+OK\r\n" and talk.lines()
            waiting(talk)
            assert octets_read(talk) - before >= 8 + 2 * len(b"Subject: one\n\nbody 1\n")  # the next one, too
            assert talk.ask(b"DELE 2") == b"+OK\r\n"
            assert talk.ask(b"RETR 2").startswith(b"-ERR")
            assert talk.ask(b"RSET") == b"+OK\r\n"
            assert talk.ask(b"RETR 2") == b"+OK\r\n" and talk.lines()[-1] == b"body 2\r\n"


def test_large_ones_are_not_prepared(host: Host) -> None:
    """A message that is larger than what may be prepared is not read before it is asked for."""
    host.deliver("alice", TWO + b"From a@b\n\n" + b"x" * 200_000 + b"\n\n")
    with open_session() as talk:
        assert talk.ask(b"NOOP") == b"+OK\r\n"
        before = octets_read(talk)
        assert talk.ask(b"RETR 1") == b"+OK\r\n" and talk.lines()
        waiting(talk)
        assert octets_read(talk) - before < 150_000
