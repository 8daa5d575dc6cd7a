"""poplib, the standard library's client, which reads line by line."""

from __future__ import annotations

import poplib
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.clients import CAPABILITIES, FAILED, GREETING, HOST, MESSAGES, NAME, NUL, PASSWORD, PORT, SECONDS, mbox, received
from tests.clients.recorder import Recorder
from tests.host import PAM_QUICK, Host

MAIL = (*MESSAGES[:8], NUL, MESSAGES[8])


@contextmanager
def session() -> Iterator[poplib.POP3]:
    """A session of alice's that ends with QUIT."""
    client = poplib.POP3(HOST, PORT, SECONDS)
    try:
        client.user(NAME)
        client.pass_(PASSWORD)
        yield client
        client.quit()
    finally:
        client.close()


def fetch(client: poplib.POP3, number: int) -> bytes:
    """A message with LF."""
    return b"".join(line + b"\n" for line in client.retr(number)[1])


def test_fetch_and_keep(host: Host) -> None:
    """poplib gets each octet of each message, in the sizes that STAT and LIST announce, and the mailbox is as it was."""
    path = host.deliver(NAME, mbox(MAIL))
    with session() as client:
        sizes = [len(message) + message.count(b"\n") for message in received(MAIL)]
        assert client.stat() == (len(MAIL), sum(sizes))
        assert client.list()[1] == [b"%d %d" % (i, size) for i, size in enumerate(sizes, 1)]
        assert [fetch(client, i) for i in range(1, len(MAIL) + 1)] == received(MAIL)
        first = client.uidl()[1]
    assert path.read_bytes() == mbox(MAIL)
    with session() as client:
        assert client.uidl()[1] == first


def test_top_is_the_start_of_the_message(host: Host) -> None:
    """TOP gives the header, the empty line, and as many lines of the body as were asked for."""
    host.deliver(NAME, mbox(MAIL))
    with session() as client:
        for number, message in enumerate(received(MAIL), 1):
            header, _, body = message.partition(b"\n\n")
            for count in (0, 1, 3):
                want = header + b"\n\n" + b"".join(body.splitlines(True)[:count])
                assert b"".join(line + b"\n" for line in client.top(number, count)[1]) == want


def test_delete(host: Host) -> None:
    """Messages that were marked go with QUIT; a mark that RSET took back does nothing; the others stay octet for octet."""
    path = host.deliver(NAME, mbox(MAIL))
    with session() as client:
        client.dele(1)
        client.rset()
        client.dele(2)
        client.dele(5)
        with pytest.raises(poplib.error_proto):
            client.retr(5)
        assert client.stat()[0] == len(MAIL) - 2
    assert path.read_bytes() == mbox((MAIL[0], *MAIL[2:4], *MAIL[5:]))


def test_fetch_and_delete(host: Host) -> None:
    """All fetched and deleted, the mailbox is empty, and the next session says so."""
    path = host.deliver(NAME, mbox(MAIL))
    with session() as client:
        for number, message in enumerate(received(MAIL), 1):
            assert fetch(client, number) == message
            client.dele(number)
    assert path.read_bytes() == b""
    with session() as client:
        assert client.stat() == (0, 0)


def test_a_refused_login(host: Host) -> None:
    """A wrong password is an error_proto of poplib's, with popa3d's words."""
    host.pam_stack(PAM_QUICK)
    with closing(poplib.POP3(HOST, PORT, SECONDS)) as client:
        client.user(NAME)
        with pytest.raises(poplib.error_proto, match="Authentication failed"):
            client.pass_("wrong")


def test_capabilities(host: Host) -> None:
    """capa() is what CAPA answers, before a login and after it."""
    wanted = {"TOP": [], "UIDL": [], "RESP-CODES": [], "AUTH-RESP-CODE": [], "PIPELINING": [], "USER": [], "SASL": ["PLAIN"]}
    host.deliver(NAME, mbox(MAIL[:1]))
    with closing(poplib.POP3(HOST, PORT, SECONDS)) as client:
        assert client.capa() == wanted
    with session() as client:
        assert client.capa() == wanted


def test_the_conversation(host: Host, recorder: Recorder) -> None:
    """Octet for octet, with a refused login."""
    host.pam_stack(PAM_QUICK)
    with closing(poplib.POP3(HOST, recorder.port, SECONDS)) as client:
        client.capa()
        client.user(NAME)
        with pytest.raises(poplib.error_proto):
            client.pass_("wrong")
    start = [GREETING, b"C: CAPA", *CAPABILITIES, b"C: USER alice", b"S: +OK"]
    assert recorder.only().lines() == [*start, b"C: PASS wrong", FAILED]


def test_passwords(host: Host) -> None:
    """PASS takes blanks at both ends, octets above 127, and as many octets as a line has."""
    password = " Käse für 3,50 € ".ljust(246)
    host.password(NAME, password.encode())
    with closing(poplib.POP3(HOST, PORT, SECONDS)) as client:
        client.encoding = "UTF-8"
        client.user(NAME)
        assert client.pass_(password) == b"+OK"
        client.quit()
