"""The engine without a socket, with Python's own ssl as the client: whole, octet by octet, and with what is no TLS."""

from __future__ import annotations

import ssl
import warnings

import pytest

from popa3d.tls.engine import Engine
from tests.tls import client_context
from tests.unit.tls import context


class Client:
    """The client's side, without a socket either."""

    def __init__(self, made: ssl.SSLContext | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (made or client_context()).wrap_bio(self.incoming, self.outgoing, server_hostname="pop.example.org")
        self.heard = b""

    def handshake(self) -> bool:
        """Go on with it; whether it is complete."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def hear(self, octets: bytes) -> None:
        """Take what the server sent."""
        self.incoming.write(octets)
        try:
            while more := self.tls.read(100_000):
                self.heard += more
        except ssl.SSLWantReadError:
            pass


def fed(engine: Engine, octets: bytes, size: int = 0) -> bytes:
    """What the engine makes of octets, whole or in pieces of this size."""
    size = size or len(octets) or 1
    return b"".join(engine.receive(octets[i : i + size]) for i in range(0, len(octets), size))


def together(engine: Engine, client: Client, size: int = 0) -> None:
    """A handshake to its end."""
    for _ in range(10):
        done = client.handshake()
        said = fed(engine, client.outgoing.read(), size)
        assert said == b""
        client.incoming.write(engine.to_send())
        if done and engine.session:
            return
    pytest.fail(f"no end: {engine.failure}")


@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize("kind", ["ec", "rsa", "ed25519"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_conversation(kind: str, version: ssl.TLSVersion, size: int) -> None:
    """Both sides hear what the other says, however the octets are split, and close_notify ends it."""
    made = client_context()
    made.minimum_version = made.maximum_version = version
    engine, client = Engine(context(kind)), Client(made)
    assert engine.is_shaking_hands and engine.is_listening and not engine.session
    together(engine, client, size)
    assert not engine.is_shaking_hands
    cipher = client.tls.cipher()
    assert cipher is not None
    assert engine.session == f"{client.tls.version()} {cipher[0]}"
    client.tls.write(b"USER alice\r\n")
    assert fed(engine, client.outgoing.read(), size) == b"USER alice\r\n"
    engine.send(b"+OK\r\n" * 20_000)
    client.hear(engine.to_send())
    assert client.heard == b"+OK\r\n" * 20_000
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert fed(engine, client.outgoing.read(), size) == b""
    assert not engine.is_listening and not engine.failure
    engine.send(b"+OK bye\r\n")
    engine.close()
    client.incoming.write(engine.to_send())
    assert engine.to_send() == b""


def test_end_without_a_word() -> None:
    """A connection that ends without close_notify is a failure, before and after the handshake."""
    engine, client = Engine(context()), Client()
    together(engine, client)
    assert engine.receive(b"") == b""
    assert engine.failure and not engine.is_listening
    stalled = Engine(context())
    client = Client()
    assert not client.handshake()
    assert fed(stalled, client.outgoing.read()[:50]) == b"" and not stalled.failure
    assert stalled.receive(b"") == b""
    assert stalled.failure and not stalled.session


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.0\r\n\r\n", b"USER alice\r\nPASS x\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\0" * 40]
)
def test_no_tls(said: bytes) -> None:
    """What is no TLS fails, and nothing of it is ever heard."""
    engine = Engine(context())
    assert fed(engine, said) == b""
    assert engine.failure and not engine.session and not engine.is_listening
    engine.send(b"secret")
    assert b"secret" not in engine.to_send()


def test_old_versions() -> None:
    """TLS 1.1 and older are refused, and so is 1.2 where the administrator wants that; the client is told (an alert)."""
    for minimum, version in (("1.2", ssl.TLSVersion.TLSv1_1), ("1.3", ssl.TLSVersion.TLSv1_2)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made = client_context()
            made.set_ciphers("ALL:@SECLEVEL=0")
            made.minimum_version = made.maximum_version = version
        engine, client = Engine(context("ec", minimum)), Client(made)
        client.handshake()
        engine.receive(client.outgoing.read())
        assert "UNSUPPORTED_PROTOCOL" in engine.failure
        client.incoming.write(engine.to_send())
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            client.tls.do_handshake()


def test_no_tickets_no_renegotiation() -> None:
    """A session cannot be resumed, and a handshake happens once."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = client_context()
        made.minimum_version = made.maximum_version = version
        engine, client = Engine(context()), Client(made)
        together(engine, client)
        client.hear(engine.to_send())
        session = client.tls.session
        assert session is None or not session.has_ticket
    assert context().num_tickets == 0
    assert context().options & ssl.OP_NO_RENEGOTIATION and context().options & ssl.OP_NO_COMPRESSION


def test_damaged_record() -> None:
    """A record that was changed on its way is a failure, and nothing of it is heard."""
    engine, client = Engine(context()), Client()
    together(engine, client)
    client.tls.write(b"DELE 1\r\n")
    record = bytearray(client.outgoing.read())
    record[-1] ^= 1
    assert engine.receive(bytes(record)) == b""
    assert engine.failure
