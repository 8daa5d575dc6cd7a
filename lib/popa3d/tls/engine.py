"""The server's side of TLS without a socket: what the client sent goes in, what it said and what it is to be sent come out.

It uses _ssl, what the ssl module is made of: that one takes five times as long to import, which each session behind a
super-server would wait for, and adds nothing that is needed here.

Runs as: popa3d-tls, chrooted to an empty directory.
Trusts: nobody; OpenSSL is what reads the client's octets.
"""

import _ssl

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from typing import Any

_RECORD_OCTETS = 16 * 1024  # RFC 8446 section 5.1: a record's plaintext has no more

# States.
_SHAKING_HANDS = "shaking hands"
_OPEN = "open"
_CLOSED = "closed"  # the client has said that nothing more comes; it can still be sent something
_FAILED = "failed"


class Engine:
    """One connection's TLS. `session` is "VERSION CIPHER" once the handshake is complete, `failure` why it failed, if it did."""

    def __init__(self, context: "Any") -> None:
        """context: an _SSLContext with certificate and key (root.certificate)."""
        self.session = ""
        self.failure = ""
        self._state = _SHAKING_HANDS
        self._incoming = _ssl.MemoryBIO()
        self._outgoing = _ssl.MemoryBIO()
        self._tls = context._wrap_bio(self._incoming, self._outgoing, True)

    @property
    def is_shaking_hands(self) -> bool:
        """Whether the handshake is not complete; then nothing can be sent yet."""
        return self._state == _SHAKING_HANDS

    @property
    def is_listening(self) -> bool:
        """Whether the client can still say something."""
        return self._state in (_SHAKING_HANDS, _OPEN)

    def receive(self, octets: bytes) -> bytes:
        """What the client says in the octets that it sent; none is the connection's end. Never raises SSLError: see `failure`."""
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
        said = []
        try:
            if self._state == _SHAKING_HANDS:
                self._tls.do_handshake()
                self._state = _OPEN
                name, version, _bits = self._tls.cipher()
                self.session = f"{self._tls.version() or version} {name}"
            while self._state == _OPEN:
                piece = self._tls.read(_RECORD_OCTETS)
                if piece:
                    said.append(piece)
                else:
                    self._state = _CLOSED  # close_notify
        except _ssl.SSLWantReadError:
            if not octets:
                self._fail("EOF")
        except _ssl.SSLZeroReturnError:
            self._state = _CLOSED
        except _ssl.SSLError as error:
            self._fail(str(getattr(error, "reason", "") or "EOF"))
        return b"".join(said)

    def send(self, octets: bytes) -> None:
        """Encrypt octets for the client, after the handshake; see `to_send`."""
        if self._state in (_OPEN, _CLOSED):
            try:
                self._tls.write(octets)
            except _ssl.SSLError as error:
                self._fail(str(getattr(error, "reason", "") or "EOF"))

    def close(self) -> None:
        """Tell the client that nothing more comes (close_notify)."""
        if self._state in (_OPEN, _CLOSED):
            try:
                self._tls.shutdown()
            except (_ssl.SSLError, OSError):
                pass  # it waits for the client's own, which need not come

    def to_send(self) -> bytes:
        """What is to be sent to the client now."""
        return bytes(self._outgoing.read())

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self._state = _FAILED
