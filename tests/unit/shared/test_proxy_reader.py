"""Reading a header from a connection: what root is told, and what is left for the session."""

from __future__ import annotations

import os
import socket
import struct
import threading

import pytest

from popa3d.shared import proxy_header, proxy_reader
from popa3d.shared.limits import READ_OCTETS
from popa3d.shared.proxy_header import REASONS
from popa3d.shared.proxy_report import BAD, CLIENT, GONE, LATE, PEER, Report, decode
from tests.proxies import LOCAL, UNSPECIFIED, of, ssl, version_1, version_2


def met(*pieces: bytes, ends: bool = False, limit_s: float = 60) -> tuple[Report, bytes | None, bytes]:
    """The report on a proxy that sends these pieces (and closes), what was behind the header, and what nobody has read yet."""
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()

    def send() -> None:
        for piece in pieces:
            ours.sendall(piece)
        if ends:
            ours.shutdown(socket.SHUT_WR)

    with ours, theirs:
        sender = threading.Thread(target=send)
        sender.start()
        ahead = proxy_reader.meet(theirs.fileno(), writing, limit_s)
        sender.join(30)
        os.close(writing)
        with open(reading, "rb") as pipe:
            report = decode(pipe.read(), len(REASONS))
        theirs.setblocking(False)
        try:
            rest = theirs.recv(1 << 20)
        except BlockingIOError:
            rest = b""
    assert report is not None
    return report, ahead, rest


@pytest.mark.parametrize("header", [version_1("192.0.2.1"), of("192.0.2.1", ssl())], ids=["1", "2"])
@pytest.mark.parametrize("behind", [b"", b"CAPA\r\nQUIT\r\n", b"\x16\x03\x01" * 3000], ids=["nothing", "commands", "much"])
def test_what_is_behind(header: bytes, behind: bytes) -> None:
    """Nothing behind a header is lost, in however many pieces all comes, and no more is kept than one read."""
    stream = header + behind
    few = len(stream) // 100 + 1  # a socket has room for some hundred pieces
    for size in (few, few + 6, len(header), len(header) + 1, 1 << 20):
        report, ahead, rest = met(*[stream[i : i + size] for i in range(0, len(stream), size)])
        assert (report.outcome, report.address) == (CLIENT, "192.0.2.1")
        assert ahead is not None and ahead + rest == behind
        assert len(ahead) <= READ_OCTETS


def test_the_real_peer() -> None:
    """Headers without a client."""
    for header in (b"PROXY UNKNOWN\r\n", version_2(b"", LOCAL, UNSPECIFIED)):
        report, ahead, _ = met(header + b"x")
        assert (report.outcome, report.number, report.address, ahead) == (PEER, 0, "", b"x")


def test_tls() -> None:
    """The report says whether the client has TLS."""
    assert met(of("2001:db8::1", ssl()))[0].number == 1
    assert met(of("2001:db8::1"))[0].number == 0


@pytest.mark.parametrize(
    ("sent", "number"),
    [(b"CAPA\r\n", proxy_header.NO_HEADER), (b"PROXY TCP4 ", proxy_header.CUT_SHORT), (of("::1")[:-1], proxy_header.CUT_SHORT)],
)
def test_no_header(sent: bytes, number: int) -> None:
    """What is no header, or only the beginning of one, is no session; root is told why."""
    report, ahead, _ = met(sent, ends=True)
    assert (report.outcome, report.number, ahead) == (BAD, number, None)


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 "])
def test_late(sent: bytes) -> None:
    """Without a whole header in time there is no session, whether it has begun or not."""
    report, ahead, _ = met(sent, limit_s=0.05)
    assert (report.outcome, ahead) == (LATE, None)


def test_gone() -> None:
    """A proxy that closes without an octet is another matter than one that sends something else."""
    report, ahead, _ = met(ends=True)
    assert (report.outcome, ahead) == (GONE, None)


def test_reset() -> None:
    """A connection that is reset counts as closed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    reading, writing = os.pipe()
    with server:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert proxy_reader.meet(server.fileno(), writing, 60) is None
    os.close(writing)
    with open(reading, "rb") as pipe:
        report = decode(pipe.read(), len(REASONS))
    assert report is not None and report.outcome == GONE
