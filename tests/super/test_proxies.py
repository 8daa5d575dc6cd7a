"""Clients that come through a proxy: popa3d -D and inetd, with headers of the PROXY protocol as proxies write them."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import ssl
import struct
from collections.abc import Iterator

import pytest

from popa3d.shared import replies
from tests import proxies
from tests.host import PAM_OPEN, PAM_QUICK, Host
from tests.proxies import LOCAL, UNSPECIFIED, of, summed, tlv, version_1, version_2
from tests.root.shown import shown
from tests.super.daemon import Connected, Daemon
from tests.super.inetd import Inetd
from tests.talk import POPA3D, wait_until
from tests.tls import client_context, install

CLIENT = "192.0.2.77"
PROXIES = '[listen]\nproxies = ["127.0.0.1", "127.7.0.0/16"]\n'
HEADERS = {
    "1": (version_1(CLIENT), CLIENT),
    "1, IPv6": (version_1("2001:db8::77"), "2001:db8::77"),
    "2": (of(CLIENT), CLIENT),
    "2, IPv6": (of("2001:db8::77"), "2001:db8::77"),
    "2, TLVs": (summed(proxies.addresses(CLIENT) + tlv(proxies.UNIQUE_ID, b"1")), CLIENT),
}


class Proxied(Connected):
    """A Connected that begins with a header."""

    def __init__(self, header: bytes, port: int = 110, by: str = "") -> None:
        super().__init__(port=port, of=by)
        self.send(header)

    def __enter__(self) -> Proxied:
        super().__enter__()
        return self

    def handshake(self) -> None:
        """TLS from now on."""
        self.client = client_context().wrap_socket(self.client)

    def served(self) -> bool:
        """Whether alice, who was greeted, can log in and say goodbye."""
        answers = [self.ask(command) for command in (b"USER alice", b"PASS sesame-1", b"QUIT")]
        return answers == [replies.OK] * 3


@contextlib.contextmanager
def server(host: Host, kind: str, configuration: str = PROXIES) -> Iterator[None]:
    """popa3d -D, with or without spare sessions, or inetd."""
    if kind == "inetd":
        with Inetd(command=[*POPA3D, "-c", host.configuration(configuration)]):
            yield
    else:
        listen = configuration.replace("[listen]\n", f"[listen]\nspare = {2 if kind == 'spare' else 0}\n")
        with Daemon(host, listen):
            yield


KINDS = pytest.mark.parametrize("kind", ["spare", "forked", "inetd"])


@KINDS
def test_the_client_of_a_header(host: Host, kind: str) -> None:
    """With each header, the log names the client and its proxy; whole, octet by octet, and with the commands behind it."""
    commands = b"USER alice\r\nPASS sesame-1\r\nSTAT\r\nQUIT\r\n"
    with server(host, kind):
        for header, address in HEADERS.values():
            with Proxied(header) as talk:
                assert talk.line() == replies.GREETING and talk.served()
            host.syslog.wait(f"Session from {address} through 127.0.0.1")
            host.syslog.wait(f"Authentication passed for alice from {address}")
            with Proxied(b"") as talk:
                for i in range(len(header)):
                    talk.send(header[i : i + 1])
                assert talk.line() == replies.GREETING and talk.served()
            with Proxied(header + commands) as talk:
                assert talk.rest() == replies.GREETING + replies.OK * 2 + b"+OK 0 0\r\n" + replies.OK
    passed = [line for line in host.syslog.text.splitlines() if "Authentication passed" in line]
    assert [line.rpartition(" ")[2] for line in passed] == [address for _, address in HEADERS.values() for _ in range(3)]


@KINDS
def test_nothing_before_the_header(host: Host, kind: str) -> None:
    """No greeting comes before the last octet of a header."""
    with server(host, kind):
        for header, _ in HEADERS.values():
            with Proxied(header[:-1]) as talk:
                assert not select.select([talk.client], [], [], 0.2)[0]
                talk.send(header[-1:])
                assert talk.line() == replies.GREETING


@KINDS
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"USER alice\r\nPASS sesame-1\r\n", "it is neither of version 1 nor of version 2"),
        (b"\x16\x03\x01", "it is neither of version 1 nor of version 2"),
        (b"PROXY TCP4 192.0.2.77 192.0.2.1 1 2\n", "its line does not end in CRLF"),
        (b"PROXY TCP4 192.0.2.77 192.0.2.1 1 2 \r\n", "its line has not the right words"),
        (version_2(proxies.addresses(CLIENT), 0x22), "its command is not known"),
        (version_2(proxies.addresses(CLIENT)[:-1]), "it is too short for its addresses"),
        (summed(proxies.addresses(CLIENT), spoiled=True), "its checksum is wrong"),
    ],
    ids=["commands", "TLS", "LF", "blank", "command", "short", "checksum"],
)
def test_a_bad_header(host: Host, kind: str, sent: bytes, reason: str) -> None:
    """The connection is closed without a word, and one warning names the proxy; nobody was asked for a password."""
    with server(host, kind), Proxied(sent) as talk:
        assert talk.rest() == b""
    host.syslog.wait(f"Bad PROXY header from 127.0.0.1: {reason}")
    assert [line.partition("]: ")[0][:4] for line in host.syslog.text.splitlines()] == ["<28>"]  # one line, a warning


@KINDS
@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 192.0.2.77"])
def test_a_late_header(host: Host, kind: str, sent: bytes) -> None:
    """The wait ends, and a warning names the proxy."""
    with server(host, kind, PROXIES + "[session]\nlogin_timeout_s = 1\n"), Proxied(sent) as talk:
        assert talk.rest() == b""
    host.syslog.wait("No PROXY header from 127.0.0.1 in time")
    assert len(host.syslog.text.splitlines()) == 1


@KINDS
def test_looking_whether_somebody_answers(host: Host, kind: str) -> None:
    """What proxies do every few seconds leaves no line in the log: no octet, or a header without a client, and then the end."""
    with server(host, kind):
        for header in (b"", version_2(b"", LOCAL, UNSPECIFIED), version_1("127.0.0.1", "127.0.0.1"), b"PROXY UNKNOWN\r\n"):
            for resets in (False, True):
                with Proxied(header) as talk:
                    # Of a connection that is reset at once nobody can tell inetd's program whose it was.
                    if resets and kind != "inetd":
                        talk.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        assert not header or talk.line() == replies.GREETING
        with Proxied(version_1(CLIENT)) as talk:
            assert talk.line() == replies.GREETING
        host.syslog.wait("Didn't attempt authentication")
    assert [line.partition("]: ")[2] for line in host.syslog.text.splitlines()] == [
        f"Session from {CLIENT} through 127.0.0.1",
        "Didn't attempt authentication",
    ]


def test_a_proxy_that_logs_in(host: Host) -> None:
    """In its own name it is a client like any other, with its own address."""
    with server(host, "spare"), Proxied(version_2(b"", LOCAL, UNSPECIFIED)) as talk:
        assert talk.line() == replies.GREETING and talk.served()
    host.syslog.wait("Authentication passed for alice from 127.0.0.1")


@KINDS
def test_others_are_not_asked(host: Host, kind: str) -> None:
    """From an address that is no proxy's a header is a bad command, and changes nothing."""
    with server(host, kind), Proxied(b"", by="127.0.0.2") as talk:
        assert talk.line() == replies.GREETING
        assert talk.ask(version_1(CLIENT)[:-2]) == replies.INVALID
        assert talk.served()
    host.syslog.wait("Authentication passed for alice from 127.0.0.2")
    assert CLIENT not in host.syslog.text


@KINDS
def test_a_client_that_sends_a_header_itself(host: Host, kind: str) -> None:
    """The proxy's header counts, and what is behind it is a command."""
    with server(host, kind), Proxied(version_1(CLIENT) + version_1("203.0.113.1"), by="127.7.1.2") as talk:
        assert talk.line() == replies.GREETING
        assert talk.line() == replies.INVALID
        assert talk.served()
    host.syslog.wait(f"Authentication passed for alice from {CLIENT}")
    assert "203.0.113.1" not in host.syslog.text


def shake_hands(talk: Proxied, first: bytes) -> ssl.SSLObject:
    """TLS whose first octets come in one piece behind `first`; the server has answered the handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            talk.send(first + outgoing.read())
            first = b""
            answer = talk.client.recv(1 << 16)
            assert answer
            incoming.write(answer)
        else:
            talk.send(outgoing.read())
            return tls


@pytest.mark.parametrize("kind", ["spare", "forked", "inetd"])
@pytest.mark.parametrize("header", [version_1(CLIENT), of(CLIENT)], ids=["1", "2"])
def test_tls_from_the_first_octet(host: Host, kind: str, header: bytes) -> None:
    """The header comes before TLS, and what is behind it in the same packet belongs to that."""
    configuration = install(host) + PROXIES
    with contextlib.ExitStack() as stack:
        if kind == "inetd":
            stack.enter_context(Inetd(995, [*POPA3D, "-s", "-c", host.configuration(configuration)]))
        else:
            stack.enter_context(server(host, kind, configuration))
        for size in (1, len(header)):
            with Proxied(b"", 995) as talk:
                for i in range(0, len(header), size):
                    talk.send(header[i : i + size])
                talk.handshake()
                assert talk.line() == replies.GREETING and talk.served()
        with Proxied(b"", 995) as talk:
            shake_hands(talk, header)
        with Proxied(b"CAPA\r\n", 995) as talk:
            assert talk.rest() == b""
        host.syslog.wait("Bad PROXY header from 127.0.0.1: it is neither of version 1 nor of version 2")
        with Proxied(b"", 995):
            pass
        with Proxied(header + b"no TLS\r\n", 995) as talk:
            talk.rest()
        host.syslog.wait(f"TLS handshake failed from {CLIENT}: ")
    text = host.syslog.text
    assert text.count(f"Authentication passed for alice from {CLIENT} with TLSv1.3 ") == 2
    assert text.count("PROXY header") == 1 and text.count("127.0.0.1") == text.count("through 127.0.0.1") + 1


@KINDS
def test_stls(host: Host, kind: str) -> None:
    """STLS after a header looks for none again; and what is behind STLS in the same packet ends the connection, as always."""
    with server(host, kind, install(host) + PROXIES):
        with Proxied(version_1(CLIENT)) as talk:
            assert talk.line() == replies.GREETING
            assert talk.ask(b"STLS") == replies.TLS_STARTS
            talk.handshake()
            assert talk.served()
        host.syslog.wait(f"Authentication passed for alice from {CLIENT} with TLSv1.3 ")
        for sent in (version_1(CLIENT) + b"STLS\r\nUSER mallory\r\n", of(CLIENT) + b"STLS\r\n" + version_1("203.0.113.1")):
            with Proxied(sent) as talk:
                assert talk.rest() == replies.GREETING
            host.syslog.wait(f"Octets behind STLS from {CLIENT}")
    assert "203.0.113.1" not in host.syslog.text


@KINDS
@pytest.mark.parametrize(
    ("header", "setting", "counts"),
    [
        (of(CLIENT, proxies.ssl()), "", True),
        (version_2(bytes(216) + proxies.ssl(), family=proxies.UNIX), "", True),
        (of(CLIENT, proxies.ssl(0)), "", False),
        (version_1(CLIENT), "proxies_tls = true\n", True),
        (of(CLIENT, proxies.ssl(0)), "proxies_tls = true\n", True),
        (version_1(CLIENT), "", False),
    ],
    ids=["TLV", "UNIX", "TLV without TLS", "setting", "setting, TLV", "nothing"],
)
def test_tls_at_the_proxy(host: Host, kind: str, header: bytes, setting: str, counts: bool) -> None:
    """Where the header or the setting says so, passwords are taken and STLS is not; else it is the other way round."""
    configuration = install(host) + 'plaintext_logins = "never"\n' + PROXIES + setting
    with server(host, kind, configuration), Proxied(header) as talk:
        assert talk.line() == replies.GREETING
        assert talk.ask(b"CAPA").startswith(b"+OK")
        assert (b"STLS\r\n" in talk.lines()) == (not counts)
        if not counts:
            assert talk.ask(b"USER alice") == replies.TLS_IS_NEEDED
            return
        assert talk.ask(b"STLS") == replies.TLS_IS_ACTIVE
        assert talk.served()
    address = CLIENT if header[13] != proxies.UNIX else "127.0.0.1"
    host.syslog.wait(f"Authentication passed for alice from {address} with TLS at the proxy")


@pytest.mark.parametrize(
    ("by", "address", "taken"),
    [("127.0.0.1", CLIENT, False), ("127.0.0.1", "127.0.0.9", True), ("127.0.0.1", "::1", True), ("127.0.0.2", "", True)],
)
def test_local_clients(host: Host, by: str, address: str, taken: bool) -> None:
    """A client is local only if it is so itself: that its proxy is, is not enough."""
    with server(host, "spare", install(host) + PROXIES), Proxied(version_1(address) if address else b"", by=by) as talk:
        assert talk.line() == replies.GREETING
        assert talk.ask(b"USER alice") == (replies.OK if taken else replies.TLS_IS_NEEDED)


@KINDS
def test_pam_and_failed_logins(host: Host, kind: str) -> None:
    """PAM_RHOST, and the line that fail2ban reads, have the client's address."""
    host.pam_stack(PAM_QUICK)
    with server(host, kind), Proxied(of("2001:db8::77")) as talk:
        assert talk.login(password="wrong") == replies.LOGIN_FAILED
    host.syslog.wait("tty=popa3d ruser= rhost=2001:db8::77")
    host.syslog.wait("Authentication failed for alice from 2001:db8::77")


@KINDS
def test_the_limit_of_an_address(host: Host, kind: str) -> None:
    """Sessions per source are those of the client's; a proxy has no such limit, and its clients do not share one."""
    limits = PROXIES + "sessions_per_source = 2\n"
    with server(host, kind, limits), contextlib.ExitStack() as stack:
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1"):
            for _ in range(2):
                talk = stack.enter_context(Proxied(of(address)))
                assert talk.line() == replies.GREETING
                assert talk.ask(b"USER alice") == replies.OK
        for address, name in (("192.0.2.1", "192.0.2.1"), ("2001:db8::2", "2001:db8::" + "/64" * (kind != "inetd"))):
            with Proxied(version_1(address)) as talk:
                assert talk.rest() == b""
            host.syslog.wait(f"{name if kind != 'inetd' else address}: per source limit reached")
        with Proxied(b"PROXY UNKNOWN\r\n") as talk:
            assert talk.line() == replies.GREETING
        with Proxied(of("192.0.2.3")) as talk:
            assert talk.line() == replies.GREETING


def test_the_limit_of_a_session_that_has_ended(host: Host) -> None:
    """A session counts for its client's source for min_delay_s, and no longer."""
    with server(host, "spare", PROXIES + "sessions_per_source = 1\nmin_delay_s = 0\n"):
        for _ in range(5):
            wait_until(lambda: admitted(CLIENT))
    with server(host, "spare", PROXIES + "sessions_per_source = 1\nmin_delay_s = 86400\n"):
        assert admitted(CLIENT)
        assert not admitted(CLIENT)
        assert admitted("192.0.2.78")


def admitted(address: str) -> bool:
    """Whether a client is greeted."""
    with Proxied(of(address)) as talk:
        return talk.line() == replies.GREETING


def test_limits_for_all(host: Host) -> None:
    """Connections through proxies count among those without a login, and among all, before and after their header."""
    with server(host, "forked", PROXIES + "unauthenticated = 3\n"), contextlib.ExitStack() as stack:
        for header in (b"", of("192.0.2.1"), of("192.0.2.2")):
            talk = stack.enter_context(Proxied(header))
            assert not header or talk.line() == replies.GREETING
        with Proxied(of("192.0.2.3")) as talk:
            assert talk.rest() == b""
        host.syslog.wait("127.0.0.1: unauthenticated limit reached")


def test_many_clients_of_one_proxy(host: Host) -> None:
    """More sessions than one source may have, at once and one after another."""
    host.pam_stack(PAM_OPEN)
    with server(host, "spare"), contextlib.ExitStack() as stack:
        talks = [stack.enter_context(Proxied(version_1(f"192.0.2.{i}"))) for i in range(70)]
        for talk in talks:
            assert talk.login() == replies.OK
        for talk in talks:
            assert talk.ask(b"QUIT") == replies.OK
    assert "limit" not in host.syslog.text


@KINDS
@pytest.mark.parametrize("has_tls", [False, True])
def test_status(host: Host, kind: str, has_tls: bool) -> None:
    """popa3d-status shows the client's address, before and after the login, with TLS or without."""
    configuration = (install(host) + 'plaintext_logins = "always"\n' if has_tls else "") + PROXIES
    with server(host, kind, configuration), Proxied(of("2001:db8:5::77")) as talk:

        def states() -> list[str]:
            return [row["state"] for row in shown().values() if row["peer"] == "2001:db8:5::77"]

        assert talk.line() == replies.GREETING
        wait_until(lambda: states() == ["authenticating"])
        if has_tls:
            assert talk.ask(b"STLS") == replies.TLS_STARTS
            talk.handshake()
        assert [talk.ask(command) for command in (b"USER alice", b"PASS sesame-1")] == [replies.OK] * 2
        wait_until(lambda: states() == ["transaction"])


def test_a_reload(host: Host) -> None:
    """SIGHUP changes who is a proxy, also for sessions that are already there to wait."""
    with Daemon(host, "[listen]\nspare = 2\n") as daemon:
        with Proxied(version_1(CLIENT)) as talk:
            assert talk.line() == replies.GREETING and talk.line() == replies.INVALID
        daemon.file.write_text(PROXIES)
        daemon.process.send_signal(signal.SIGHUP)
        host.syslog.wait("Configuration reloaded")
        with Proxied(version_1(CLIENT)) as talk:
            assert talk.line() == replies.GREETING and talk.served()
    host.syslog.wait(f"Authentication passed for alice from {CLIENT}")
