"""Sessions over TLS, from root to the mailbox owner: what is served, what is refused, and how they end."""

from __future__ import annotations

import os
import re
import socket
import ssl
from pathlib import Path

import pytest

from popa3d.shared import replies
from tests.host import Host
from tests.talk import POPA3D, Talk, children, wait_until
from tests.tls import Tls, client_context, install, memory, pair

MAILBOX = b"From a\nSubject: 1\n\nbody\n\nFrom a\nSubject: 2\n\n.\n\n"
MESSAGE = b"Subject: 2\r\n\r\n..\r\n.\r\n"
OK = replies.OK


def lines(talk: Talk) -> list[bytes]:
    """A reply of several lines, without its first and last one."""
    found = []
    while (line := talk.line()) != b".\r\n":
        found.append(line.removesuffix(b"\r\n"))
    return found


@pytest.mark.parametrize("implicit", [True, False], ids=["-s", "STLS"])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_session(host: Host, implicit: bool, kind: str) -> None:
    """Login, mail and deletion, and the log has the client's address with version and cipher."""
    path = host.deliver("alice", MAILBOX)
    with Tls(host, implicit=implicit, pair=pair(kind)) as talk:
        assert talk.line().startswith(b"+OK popa3d")
        if not implicit:
            talk.stls()
        assert talk.ask(b"USER alice") == OK
        assert talk.ask(b"PASS sesame-1") == OK
        assert talk.ask(b"STAT").startswith(b"+OK 2 ")
        assert talk.ask(b"RETR 2") == OK
        assert b"".join(line + b"\r\n" for line in lines(talk)) + b".\r\n" == MESSAGE
        assert talk.ask(b"DELE 1") == OK
        assert talk.ask(b"QUIT") == OK
        assert talk.rest() == b""  # with close_notify: else this raises
    assert path.read_bytes() == MAILBOX[MAILBOX.index(b"From a\nSubject: 2") :]
    line = host.syslog.wait("Authentication passed for alice from 127.0.0.1")
    assert re.search(r"from 127\.0\.0\.1 with TLSv1\.3 TLS_AES_\w+$", line)


def test_failed_login(host: Host) -> None:
    """It is logged as without TLS: with the client's address at the end, for fail2ban."""
    with Tls(host) as talk:
        talk.line()
        assert talk.ask(b"USER alice") == OK
        assert talk.ask(b"PASS sesame-2") == replies.LOGIN_FAILED
        assert talk.rest() == b""
    assert host.syslog.wait("Authentication failed").endswith("Authentication failed for alice from 127.0.0.1")


def test_capabilities(host: Host) -> None:
    """STLS is offered before TLS is there, and only before the login; where logins need TLS nothing is said of USER then."""
    with Tls(host, 'plaintext_logins = "never"\n', implicit=False) as talk:
        talk.line()
        assert talk.ask(b"CAPA").startswith(b"+OK")
        before = lines(talk)
        assert talk.ask(b"USER alice") == talk.ask(b"USER nobody-here") == talk.ask(b"AUTH PLAIN") == replies.TLS_IS_NEEDED
        assert talk.ask(b"PASS sesame-1") == replies.INVALID
        talk.stls()
        talk.ask(b"CAPA")
        within = lines(talk)
        assert talk.ask(b"STLS") == replies.TLS_IS_ACTIVE
        assert talk.ask(b"USER alice") == OK
        assert talk.ask(b"PASS sesame-1") == OK
        talk.ask(b"CAPA")
        after = lines(talk)
        assert talk.ask(b"STLS") == replies.INVALID
    assert [*before, b"USER", b"SASL PLAIN"] == [*within, b"STLS"][:-1] + [b"STLS"] or set(before) - set(within) == {b"STLS"}
    assert set(within) - set(before) == {b"USER", b"SASL PLAIN"}
    assert after == within


@pytest.mark.parametrize(("rule", "passes"), [("never", False), ("local", True), ("always", True)])
def test_plaintext_logins(host: Host, rule: str, passes: bool) -> None:
    """From this host a login without TLS is as the rule says."""
    with Tls(host, f'plaintext_logins = "{rule}"\n', implicit=False) as talk:
        talk.line()
        assert (talk.ask(b"USER alice") == OK) == passes


def test_what_user_said_is_forgotten(host: Host) -> None:
    """A name from before STLS is not used after it."""
    with Tls(host, implicit=False) as talk:
        talk.line()
        assert talk.ask(b"USER alice") == OK
        talk.stls()
        assert talk.ask(b"PASS sesame-1") == replies.INVALID


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.0\r\n\r\n", b"QUIT\r\n", b"\x16\x03\x01\x02\x00\x01\x00", os.urandom(3000)], ids=len
)
def test_garbage(host: Host, said: bytes) -> None:
    """A client that speaks no TLS is sent away, and the session ends."""
    file = host.configuration(install(host))
    with Talk([*POPA3D, "-s", "-c", file]) as talk:
        talk.send(said)
        talk.client.shutdown(socket.SHUT_WR)
        assert b"OK" not in talk.rest()
        assert talk.status() == 0
    host.syslog.wait("TLS handshake failed from 127.0.0.1: ")


def test_truncated(host: Host) -> None:
    """A connection that is cut deletes nothing."""
    path = host.deliver("alice", MAILBOX)
    with Tls(host) as talk:
        talk.line()
        talk.ask(b"USER alice")
        talk.ask(b"PASS sesame-1")
        assert talk.ask(b"DELE 1") == OK
        os.close(talk.client.detach())
        assert talk.status() == 0
    host.syslog.wait("Premature disconnect for alice")
    assert path.read_bytes() == MAILBOX


@pytest.mark.parametrize("implicit", [True, False], ids=["-s", "STLS"])
def test_stalled_handshake(host: Host, implicit: bool) -> None:
    """A handshake that never comes to its end counts against the time of the login."""
    file = host.configuration(install(host) + "[session]\nlogin_timeout_s = 2\n")
    with Talk([*POPA3D, *(["-s"] if implicit else []), "-c", file]) as talk:
        if not implicit:
            talk.line()
            assert talk.ask(b"STLS").startswith(b"+OK")
        talk.send(b"\x16\x03\x01\x02\x00")
        assert talk.rest() == b""
        assert talk.status() == 0
    host.syslog.wait("Connection timed out")


def test_idle(host: Host) -> None:
    """A client that says nothing any more is sent away, as without TLS; so is one that takes nothing."""
    host.deliver("alice", b"From a\nSubject: x\n\n" + b"x" * 76 + b"\n" * 10 + b"".join(b"%075d\n" % i for i in range(400_000)))
    for said in (b"", b"RETR 1\r\n"):
        host.syslog.clear()
        with Tls(host, "[session]\ntimeout_s = 2\n") as talk:
            talk.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            talk.line()
            talk.ask(b"USER alice")
            assert talk.ask(b"PASS sesame-1") == OK
            talk.send(said)
            host.syslog.wait("Connection timed out for alice")
            assert talk.status() == 0


def test_nothing_stays_behind(host: Host) -> None:
    """When the session has ended so has the TLS process, and the other way round."""
    with Tls(host) as talk:
        talk.line()
        (first, second) = sorted(children(talk.process.pid))
        tls = next(pid for pid in (first, second) if b"tls1.3 " in Path(f"/proc/{pid}/comm").read_bytes())
        assert Path(f"/proc/{tls}/comm").read_text() == f"tls1.3 {talk.process.pid}\n"[:16].rstrip("\n") + "\n"
        os.kill(tls, 9)
        assert talk.status() == 0
    with Tls(host) as talk:
        talk.line()
        ours = children(talk.process.pid)
        assert talk.ask(b"QUIT") == OK
        assert talk.status() == 0
        wait_until(lambda: not [pid for pid in ours if Path(f"/proc/{pid}").exists()])


def test_what_the_tls_process_may(host: Host) -> None:
    """Its user, its directory and its limits; it has three descriptors until the handshake is told, and two afterwards."""
    with Tls(host) as talk:
        talk.line()
        tls = next(pid for pid in children(talk.process.pid) if b"tls1.3 " in Path(f"/proc/{pid}/comm").read_bytes())
        status = Path(f"/proc/{tls}/status").read_text()
        assert "Uid:\t20101\t20101\t20101\t20101\n" in status and "Gid:\t20101\t20101\t20101\t20101\n" in status
        assert "Groups:\t \n" in status and "CapEff:\t0000000000000000\n" in status and "NoNewPrivs:\t1\n" in status
        assert os.readlink(f"/proc/{tls}/root") == "/var/lib/popa3d"
        assert sorted(os.listdir(f"/proc/{tls}/fd")) == ["0", "1"]
        limits = Path(f"/proc/{tls}/limits").read_text()
        assert re.search(r"Max processes +0 +0", limits) and re.search(r"Max open files +2 +2", limits)


def test_where_openssl_and_the_key_are(host: Host) -> None:
    """Neither root's process, nor the pre-auth child, nor the session has libssl mapped or an octet of the key."""
    secret = pair().key.split("\n")[1].encode()[:40]
    with Tls(host) as talk:
        talk.line()
        tls = next(pid for pid in children(talk.process.pid) if b"tls1.3 " in Path(f"/proc/{pid}/comm").read_bytes())
        others = [talk.process.pid, *(pid for pid in children(talk.process.pid) if pid != tls)]
        assert len(others) == 2
        assert "libssl" in Path(f"/proc/{tls}/maps").read_text()
        talk_on = [*others]
        for pid in talk_on:
            assert "libssl" not in Path(f"/proc/{pid}/maps").read_text()
            assert secret not in memory(pid)
        talk.ask(b"USER alice")
        assert talk.ask(b"PASS sesame-1") == OK
        assert "libssl" not in Path(f"/proc/{talk.process.pid}/maps").read_text()
        assert secret not in memory(talk.process.pid)


@pytest.mark.parametrize("size", [1, 16_000])
def test_records_in_pieces(host: Host, size: int) -> None:
    """However the client's octets are split on their way, the session is the same."""
    host.deliver("alice", MAILBOX)
    file = host.configuration(install(host))
    with Talk([*POPA3D, "-s", "-c", file]) as talk:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context().wrap_bio(incoming, outgoing)
        talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def flush() -> None:
            octets = outgoing.read()
            for i in range(0, len(octets), size):
                talk.client.sendall(octets[i : i + size])

        def wait(step: object) -> bytes:
            while True:
                try:
                    said = step()  # type: ignore[operator]
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(talk.client.recv(70_000))
                    continue
                flush()
                return said or b""

        wait(tls.do_handshake)
        tls.write(b"USER alice\r\nPASS sesame-1\r\nSTAT\r\nQUIT\r\n")
        flush()
        heard = b""
        while heard.count(b"\n") < 5:
            heard += wait(lambda: tls.read(1000))
        assert [line[:3] for line in heard.splitlines()] == [b"+OK"] * 5
