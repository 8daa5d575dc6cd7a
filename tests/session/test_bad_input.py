"""Clients that send what no client should, close at any point, or never read: bounded, answered, ended."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.host import PAM_OPEN, PAM_QUICK, Host
from tests.session import handover, worker
from tests.talk import POPA3D, Talk, children, piped, script, wait_until

MAILBOX = b"From a\nSubject: x\n\nbody\n\nFrom b\nSubject: y\n\n.\n..\n\n"
SESSION = script(b"STAT\r\nLIST\r\nRETR 2\r\nTOP 1 0\r\nUIDL\r\nDELE 1\r\nNOOP\r\nQUIT\r\n")


def resident(pid: int) -> int:
    """Private memory of a process, in kB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


@pytest.mark.parametrize("state", ["AUTHORIZATION", "TRANSACTION"])
@pytest.mark.parametrize("octets", [1, 100, 255, 256, 1363, 1364, 4096, 1_000_000])
def test_command_lines_of_any_length(host: Host, state: str, octets: int) -> None:
    """A line of any length gets one -ERR, and the session goes on."""
    with Talk() as talk:
        if state == "TRANSACTION":
            assert talk.login() == b"+OK\r\n"
        else:
            talk.line()
        for line in (b"x" * octets, b" " * octets, b"\xff" * octets, b"\0" * octets, b"\r" * octets):
            talk.send(line + b"\r\n")
            assert talk.line().startswith(b"-ERR")
        assert talk.ask(b"QUIT") == b"+OK\r\n"


def test_a_line_without_end_takes_no_memory(host: Host) -> None:
    """100 MB without a line end, before and after login, take no memory of that order."""
    block = b"x" * 1_000_000
    with Talk(seconds=60) as talk:
        talk.line()
        (child,) = children(talk.process.pid)
        before = resident(child)
        for _ in range(100):
            talk.send(block)
        assert resident(child) < before + 4000
        assert talk.ask(b"").startswith(b"-ERR")
        assert talk.ask(b"USER alice") == b"+OK\r\n"
        assert talk.ask(b"PASS sesame-1") == b"+OK\r\n"
        before = resident(talk.process.pid)
        for _ in range(100):
            talk.send(block)
        assert resident(talk.process.pid) < before + 4000
        assert talk.ask(b"").startswith(b"-ERR")
        assert talk.ask(b"QUIT") == b"+OK\r\n"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"STAT",
        b"RETR 1",
        b"CAPA x",
        b"AUTH LOGIN",
        b"AUTH PLAIN !",
        b"APOP alice x",
        b"STLS",
        b"NOOP",
        b"LIST",
        b"USER",
        b"USER ",
        b"USER a b",
    ]
    + [
        b"USER  alice",
        b" USER alice",
        b"PASS x",
        b"QUIT now",
        b"USER " + b"a" * 251,
        b"x" * 256,
        b"USER al\x1b[2Jice",
        b"US\0ER alice",
        b"USER alice\0",
        b"HELO",
    ],
)
def test_wrong_in_authorization(host: Host, line: bytes) -> None:
    """In AUTHORIZATION it is answered -ERR, and the client may go on to log in."""
    with Talk() as talk:
        talk.line()
        assert talk.ask(line).startswith(b"-ERR")
        assert talk.ask(b"user alice") == b"+OK\r\n"
        assert talk.ask(b"USER bob").startswith(b"-ERR")  # as in C popa3d, the first name stays
        assert talk.ask(b"PASS sesame-1") == b"+OK\r\n"


def test_line_ends(host: Host) -> None:
    """LF and CRLF end a line, a bare CR does not."""
    host.deliver("alice", MAILBOX)
    replies = piped(b"USER alice\nPASS sesame-1\r\nSTAT\rNOOP\r\nNOOP\n\r\nLIST 1\r\r\nQUIT\n")
    assert [line[:3] for line in replies.splitlines()] == [b"+OK", b"+OK", b"+OK", b"-ER", b"+OK", b"-ER", b"-ER", b"+OK"]


def test_however_it_is_split(host: Host) -> None:
    """A whole pipelined session, given at once, octet by octet, or in random pieces, has the same replies and loses nothing."""
    host.pam_stack(PAM_OPEN)
    expected = None
    seeded = random.Random(7)
    for way in ("whole", "octets", *["pieces"] * 25):
        path = host.deliver("alice", MAILBOX)
        with Talk() as talk:
            rest = SESSION
            while rest:
                size = {"whole": len(rest), "octets": 1}.get(way) or seeded.randint(1, 60)
                talk.send(rest[:size])
                rest = rest[size:]
                if way != "whole":
                    wait_until(lambda talk=talk: not unread(talk), 10)
            replies = talk.rest()
        expected = expected or replies
        assert replies == expected
        assert path.read_bytes() == MAILBOX[MAILBOX.index(b"From b") :]
    assert expected is not None and expected.count(b"+OK") == 11


def unread(talk: Talk) -> int:
    """Octets that the server's side of the connection has not read yet (SIOCOUTQ at the client's)."""
    return int(struct.unpack("i", fcntl.ioctl(talk.client, 0x5411, b"\0" * 4))[0])


def test_no_line_end_at_the_end(host: Host) -> None:
    """An unfinished line at the end of the connection is no command: no login, and above all no QUIT."""
    host.pam_stack(PAM_QUICK)
    path = host.deliver("alice", MAILBOX)
    assert piped(script(b"DELE 1\r\nQUIT")).endswith(b"+OK\r\n+OK\r\n")
    host.syslog.wait("Premature disconnect for alice")
    assert path.read_bytes() == MAILBOX
    host.syslog.clear()
    assert piped(b"USER alice\r\nPASS sesame-1") == b"+OK popa3d ready\r\n+OK\r\n"
    host.syslog.wait("Didn't attempt authentication")


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_closing_at_every_point(host: Host, reset: bool) -> None:
    """A client that closes or resets after any number of octets removes nothing, unless a whole QUIT was among them."""
    host.pam_stack(PAM_OPEN)
    for cut in range(0, len(SESSION) + 1, 3):
        path = host.deliver("alice", MAILBOX)
        host.syslog.clear()
        with Talk() as talk:
            if reset:
                talk.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            talk.send(SESSION[:cut])
            if cut % 2:
                talk.line()
            talk.client.close()
            assert talk.process.wait(20) == 0
        left = path.read_bytes()
        if SESSION[:cut].endswith(b"QUIT\r\n"):
            assert left in (MAILBOX, MAILBOX[MAILBOX.index(b"From b") :])
        else:
            assert left == MAILBOX
        assert "Internal error" not in host.syslog.text


def test_a_peer_that_never_reads(host: Host) -> None:
    """A peer that asks for much and reads nothing is ended after the idle time, and held to little memory until then."""
    host.deliver("alice", b"From a\nSubject: x\n\n" + b"x" * 3_000_000 + b"\n")
    ends = small_connection()
    with worker(handover(timeout_s=2).encode(), ends=ends) as talk:
        talk.send(b"RETR 1\r\n" * 5)
        assert talk.process.wait(30) == 0
    host.syslog.wait("Connection timed out for alice")


@pytest.mark.parametrize("octets", [100, 200_000, 3_000_000])
def test_what_was_not_sent_is_not_deleted(host: Host, octets: int) -> None:
    """A client that asks for RETR, DELE and QUIT at once, but cannot be sent the message, keeps it."""
    mailbox = b"From a\nSubject: x\n\n" + b"x" * octets + b"\n"
    path = host.deliver("alice", mailbox)
    for closing in (False, True):
        client, server = small_connection()
        with worker(handover(timeout_s=3).encode(), ends=(client, server)) as talk:
            talk.send((b"RETR 1\r\n" * (20000 // octets + 1)) + b"DELE 1\r\nQUIT\r\n")
            if closing:
                client.close()
            assert talk.process.wait(30) == 0
        assert path.read_bytes() == mailbox
    host.syslog.wait("Connection timed out for alice")
    host.syslog.wait("Premature disconnect for alice")


def small_connection() -> tuple[socket.socket, socket.socket]:
    """A connection with small buffers, so that a peer which does not read is felt. (TCP's windows have timers of their own.)"""
    client, server = socket.socketpair()
    for end in (client, server):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return client, server


def test_a_slow_reader_gets_everything(host: Host) -> None:
    """A peer that reads slowly, but does read, is not timed out: each piece of progress starts the clock again."""
    body = random.Random(3).randbytes(400_000).replace(b"\r", b"").replace(b"\n", b"x") + b"\n"
    host.deliver("alice", b"From a\nSubject: x\n\n" + body)
    client, server = small_connection()
    with worker(handover(timeout_s=3).encode(), ends=(client, server)) as talk:
        talk.send(b"RETR 1\r\nQUIT\r\n")
        got = b""
        started = time.monotonic()
        while more := client.recv(2000):
            got += more
            if time.monotonic() - started < 4:  # longer than the idle limit in all
                time.sleep(0.02)
        assert got == b"+OK\r\n+OK\r\nSubject: x\r\n\r\n" + body[:-1] + b"\r\n.\r\n+OK\r\n"


@pytest.mark.parametrize("trickle", [False, True])
def test_idle_limit_in_transaction(host: Host, trickle: bool) -> None:
    """A client that is idle, or sends an octet now and then but no line, is ended without a word, removing nothing."""
    path = host.deliver("alice", MAILBOX)
    with worker(handover(timeout_s=3).encode()) as talk:
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        stop = threading.Event()
        sender = threading.Thread(target=dribble, args=(talk.client, stop))
        if trickle:
            sender.start()
        try:
            assert talk.rest() == b""
        finally:
            stop.set()
            if trickle:
                sender.join()
        assert talk.status() == 0
    host.syslog.wait("Connection timed out")
    assert path.read_bytes() == MAILBOX


def dribble(client: socket.socket, stop: threading.Event) -> None:
    """Send an octet of a line now and then, until the connection ends."""
    for _ in range(200):
        if stop.wait(0.1):
            return
        try:
            client.send(b"x")
        except OSError:
            return


@pytest.mark.parametrize(
    ("limits", "busy"),
    [("timeout_s = 1", False), ("login_timeout_s = 1", False), ("login_timeout_s = 1", True), ("timeout_s = 3", True)],
)
def test_login_limits(host: Host, limits: str, busy: bool) -> None:
    """Before login the idle limit counts for each line, and the login limit for all of it, however busy the client is."""
    command = [*POPA3D, "-c", host.configuration(f"[session]\n{limits}\n")]
    with Talk(command) as talk:
        talk.line()
        ended = 0.0
        if busy:
            with_end = time.monotonic() + (5 if limits.startswith("timeout") else 60)
            while time.monotonic() < with_end:
                try:
                    if not talk.ask(b"NOOP"):
                        ended = time.monotonic()
                        break
                except OSError:
                    ended = time.monotonic()
                    break
                time.sleep(0.3)  # more lines than 20 that are no commands are refused
            if limits.startswith("timeout"):
                assert not ended  # whole lines kept coming
                assert talk.ask(b"QUIT") == b"+OK\r\n"
                return
            assert ended
        assert talk.rest() == b""
        assert talk.status() == 0
    host.syslog.wait("Connection timed out")


def test_on_a_pipe_and_on_a_terminal(host: Host) -> None:
    """Where there is no peer (a pipe, a terminal) the session is served all the same."""
    host.deliver("alice", MAILBOX)
    assert piped(script(b"RETR 2\r\nQUIT\r\n")).endswith(b"+OK\r\nSubject: y\r\n\r\n..\r\n...\r\n.\r\n+OK\r\n")
    host.syslog.wait("Session from a pipe, terminal or local socket")
    controlling, terminal = os.openpty()
    with subprocess.Popen(POPA3D, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        os.write(controlling, b"QUIT\n")
        got = b""
        try:
            while more := os.read(controlling, 1000):
                got += more
        except OSError:
            pass  # EIO: the other side has closed
        assert process.wait(20) == 0
    os.close(controlling)
    assert b"+OK popa3d ready" in got and got.count(b"+OK") == 2


def test_random_octets(host: Host) -> None:
    """Random octets in any state give only POP3 replies, and the process ends with the connection."""
    host.pam_stack(PAM_OPEN)
    path = host.deliver("alice", MAILBOX)
    seeded = random.Random(11)
    for i in range(60):
        noise = b"".join(
            seeded.choice([b"\r\n", b"\n", b" ", b"RETR ", b"TOP ", b"DELE ", b"1", b"\0", seeded.randbytes(9)])
            for _ in range(300)
        ).replace(b"QUIT", b"")
        replies = piped((script(b"") if i % 2 else b"") + noise)
        for line in replies.splitlines():
            assert line.startswith((b"+OK", b"-ERR")) or line in b"Subject: x\nSubject: y\n\nbody\n.\n..\n...".split(b"\n")
        assert path.read_bytes() == MAILBOX
    assert "Internal error" not in host.syslog.text
