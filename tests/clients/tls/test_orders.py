"""The order of commands of programs that are no packages for a server: Thunderbird's and K-9's, as their sources have them.

A reply that such a client would not go on after makes the test fail.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from popa3d.shared import replies
from tests.clients import HOST, MESSAGES, NAME, PASSWORD, mbox, plain, size
from tests.clients.tls import AFTER, BEFORE, PORTS, cipher
from tests.host import PAM_QUICK, Host
from tests.super.daemon import Connected
from tests.tls import NAME as SERVER_NAME
from tests.tls import pair

OK = replies.OK
COUNT = 3


class Client(Connected):
    """A client that verifies the certificate, and reads its replies whole."""

    def secure(self) -> None:
        """TLS from now on; nothing came before it."""
        assert self.got == b""
        context = ssl.create_default_context(cadata=pair().certificate)
        self.client = context.wrap_socket(self.client, server_hostname=SERVER_NAME, suppress_ragged_eofs=False)

    def capabilities(self) -> list[bytes]:
        """CAPA's lines, as K-9 compares them: without CRLF, and with nothing taken away."""
        assert self.ask(b"CAPA").startswith(b"+OK")
        return [line.removesuffix(b"\r\n") for line in self.lines()]

    def __enter__(self) -> Client:
        super().__enter__()
        return self


@contextmanager
def ready(way: str) -> Iterator[Client]:
    """A client that has TLS, and has asked for CAPA as both programs do: before STLS and after it."""
    with Client(port=PORTS[way]) as client:
        if way == "pop3s":
            client.secure()
        assert client.line() == replies.GREETING
        if way == "stls":
            assert client.capabilities() == BEFORE
            assert client.ask(b"STLS") == replies.TLS_STARTS
            client.secure()
        assert client.capabilities() == AFTER
        yield client


def authenticate(client: Client, password: str = PASSWORD) -> bytes:
    """AUTH PLAIN without initial response; the reply."""
    assert client.ask(b"AUTH PLAIN") == b"+ \r\n"
    return client.ask(plain(password))


@pytest.fixture
def mailbox(host: Host) -> None:
    """Some mail."""
    host.pam_stack(PAM_QUICK)
    host.deliver(NAME, mbox(MESSAGES[:COUNT]))


def retrieved(client: Client, number: int) -> bytes:
    """A message with LF, as RETR sends it."""
    assert client.ask(b"RETR %d" % number).startswith(b"+OK")
    return b"".join(re.sub(rb"^\.", b"", line) for line in client.lines()).replace(b"\r\n", b"\n")


@pytest.mark.usefixtures("mailbox")
def test_thunderbird(host: Host, way: str) -> None:
    """CAPA, STLS, CAPA, AUTH PLAIN, STAT, LIST, UIDL, RETR and DELE for each message, QUIT."""
    with ready(way) as client:
        assert authenticate(client) == OK
        assert client.ask(b"STAT") == b"+OK %d %d\r\n" % (COUNT, sum(size(message) for message in MESSAGES[:COUNT]))
        assert client.ask(b"LIST").startswith(b"+OK")
        assert client.lines() == [b"%d %d\r\n" % (number, size(MESSAGES[number - 1])) for number in range(1, COUNT + 1)]
        assert client.ask(b"UIDL").startswith(b"+OK")
        assert len(client.lines()) == COUNT
        for number in range(1, COUNT + 1):
            assert retrieved(client, number) == MESSAGES[number - 1]
            assert client.ask(b"DELE %d" % number) == OK
        assert client.ask(b"QUIT") == OK
        assert client.line() == b""  # close_notify: a truncated stream would raise an exception
    assert cipher(host).startswith("TLSv1.3 ")
    assert (host.spool / NAME).read_bytes() == b""


@pytest.mark.usefixtures("mailbox")
def test_thunderbird_and_a_wrong_password(host: Host, way: str) -> None:
    """It tries AUTH PLAIN, then USER and PASS on another connection; each learns that the password was wrong."""
    with ready(way) as client:
        assert authenticate(client, "wrong") == replies.LOGIN_FAILED
        assert client.line() == b""
    with ready(way) as client:
        assert client.ask(b"USER alice") == OK
        assert client.ask(b"PASS wrong") == replies.LOGIN_FAILED
        assert client.line() == b""
    host.syslog.wait(f"Authentication failed for {NAME} from {HOST}")


@pytest.mark.usefixtures("mailbox")
def test_k9(host: Host, way: str) -> None:
    """CAPA, STLS, CAPA, AUTH PLAIN, STAT, UIDL and LIST for a message, TOP for its header, RETR, DELE, QUIT.

    Of CAPA it takes STLS, UIDL and TOP only where a line is just that, and PLAIN only as a word of its own.
    """
    with ready(way) as client:
        assert authenticate(client) == OK
        assert client.ask(b"STAT").startswith(b"+OK %d " % COUNT)
        assert re.fullmatch(rb"\+OK 2 [0-9a-f]{16}\r\n", client.ask(b"UIDL 2"))
        assert client.ask(b"LIST 2") == b"+OK 2 %d\r\n" % size(MESSAGES[1])
        header = MESSAGES[1].partition(b"\n\n")[0] + b"\n\n"
        assert client.ask(b"TOP 2 0").startswith(b"+OK")
        assert b"".join(client.lines()).replace(b"\r\n", b"\n") == header
        assert retrieved(client, 2) == MESSAGES[1]
        assert client.ask(b"DELE 2") == OK
        assert client.ask(b"QUIT") == OK
        assert client.line() == b""
    assert cipher(host).startswith("TLSv1.3 ")
    assert (host.spool / NAME).read_bytes() == mbox((MESSAGES[0], MESSAGES[2]))
