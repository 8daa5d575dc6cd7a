"""The same octets with TLS as without: random mailboxes, random commands in random pieces, and replies that are taken late."""

from __future__ import annotations

import os
import random
import signal
import threading

import pytest

from popa3d.shared import replies
from tests import talk as talking
from tests.host import Host
from tests.talk import POPA3D, Talk, children, script, wait_until
from tests.tls import Tls, small_connection

COMMANDS = (
    b"STAT",
    b"LIST",
    b"UIDL",
    b"RETR 1",
    b"RETR 2",
    b"RETR 9",
    b"TOP 1 3",
    b"TOP 2 0",
    b"CAPA",
    b"NOOP",
    b"DELE 1",
    b"RSET",
    *(b"LAST", b"STLS", b"XYZZY", b"x" * 300, b"", b"USER a", b"list 2", b"UIDL 3"),
)


def mailbox(random: random.Random) -> bytes:
    """Some messages, among them empty and large ones, with dots, long lines and octets of all kinds."""
    messages = []
    for number in range(random.randint(0, 6)):
        lines = [random.choice((b"", b".", b"..x", b"y" * random.randint(1, 90), random.randbytes(20).replace(b"\n", b"")))
                 for _ in range(random.choice((0, 1, 30, 9000)))]  # fmt: skip
        body = b"".join(line + b"\n" for line in lines).replace(b"\nFrom ", b"\n>From ")
        messages.append(b"From a\nSubject: %d\n\n%s\n" % (number, body))
    return b"".join(messages)


def heard(talk: Talk, octets: bytes, sizes: list[int]) -> bytes:
    """All that the server says to `octets`, which are sent in pieces of these sizes, and the rest in one."""

    def send() -> None:
        at = 0
        for size in [*sizes, len(octets)]:
            talk.client.sendall(octets[at : at + size])
            at += size

    if isinstance(talk, Tls):  # an SSLSocket may not be used by two threads: so few octets do not block
        send()
        return talk.rest()
    sender = threading.Thread(target=send)
    sender.start()
    said = talk.rest()
    sender.join()
    return said


@pytest.mark.parametrize("seed", range(8))
def test_as_without_tls(host: Host, seed: int) -> None:
    """Each conversation is the same to the octet, and leaves the same mailbox."""
    chance = random.Random(seed)
    content = mailbox(chance)
    said = script(b"".join(chance.choice(COMMANDS) + chance.choice((b"\r\n", b"\n")) for _ in range(12)) + b"QUIT\r\n")
    sizes = [chance.choice((1, 2, 7, 100)) for _ in range(60)]
    results = []
    for kind in ("plain", "tls", "stls"):
        path = host.deliver("alice", content)
        if kind == "plain":
            with Talk(POPA3D) as talk:
                talk.line()
                results.append((heard(talk, said, sizes), path.read_bytes()))
        else:
            with Tls(host, implicit=kind == "tls") as talk:
                talk.line()
                if kind == "stls":
                    talk.stls()
                results.append((heard(talk, said, sizes), path.read_bytes()))
    assert results[0][0].startswith(replies.OK * 2)
    assert results[1] == results[0], f"-s, seed {seed}"
    assert results[2] == results[0], f"STLS, seed {seed}"


def test_what_the_session_said_last(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches a client that takes it late, though the session has ended and its service manager has ended its processes."""
    monkeypatch.setattr(talking, "connection", small_connection)
    body = b"".join(b"%075d\n" % i for i in range(2000))
    path = host.deliver("alice", b"From a\nSubject: x\n\n" + body + b"\n")
    with Tls(host) as talk:
        talk.line()
        assert talk.ask(b"USER alice") == replies.OK
        assert talk.ask(b"PASS sesame-1") == replies.OK
        tls = next(pid for pid in children(talk.process.pid))
        talk.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        assert talk.status() == 0
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.killpg(talk.process.pid, number)
        said = talk.rest()  # with close_notify: else this raises
        assert said.count(b"\n") == 2000 + 6 and said.endswith(b"\r\n.\r\n" + replies.OK * 2)
        wait_until(lambda: not os.path.exists(f"/proc/{tls}"))
    assert path.read_bytes() == b""
