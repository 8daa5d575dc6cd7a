"""What root makes of a TLS process and of the key's keeper: what it believes them, and how long it waits."""

from __future__ import annotations

import os
import pwd
import signal
import socket
from collections.abc import Iterator
from unittest import mock

import pytest

from popa3d.root import channel, keeper, privileges
from popa3d.shared import system_calls
from popa3d.shared.log import REFUSED_ERROR
from popa3d.shared.proxy_report import PEER, encode
from popa3d.shared.settings import Settings


@pytest.fixture(autouse=True)
def bound() -> Iterator[None]:
    """What waits for ever fails."""

    def late(*_: object) -> None:
        pytest.fail("it waits for ever")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def outcome(*reported: bytes) -> tuple[str, str]:
    """What root takes a report for, of which the first part came with the octet that says it is ready."""
    reading, writing = os.pipe()
    try:
        for part in reported[1:]:
            os.write(writing, part)
        return channel.Channel(reading, reported[0]).outcome()
    finally:
        os.close(reading)
        os.close(writing)


def test_reports() -> None:
    """Version and cipher, or why there are none; both also in parts."""
    assert outcome(b"") == ("", "")
    assert outcome(b"TLSv1.3 TLS_AES_256_GCM_SHA384") == ("TLSv1.3 TLS_AES_256_GCM_SHA384", "")
    assert outcome(b"", b"TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256") == ("TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256", "")
    assert outcome(b"! HTTP", b"_REQUEST") == ("", "HTTP_REQUEST")


@pytest.mark.parametrize(
    "forged",
    [
        b"TLSv1.3 X from 192.0.2.1",
        b"TLSv1.3 X\nAuthentication failed for root from 192.0.2.1",
        b"from 192.0.2.1",
        b"TLSv1.3 " + b"X" * 65,
        b"TLSv1.3 ",
        b"TLSv1.1 X",
        b"TLSv1.3 \xff",
        b"\0",
        b"x" * 60_000,
    ],
    ids=lambda text: str(text[:30]),
)
def test_forged_reports(forged: bytes) -> None:
    """What cannot be a version and a cipher is not logged."""
    assert outcome(b"", forged) == outcome(forged) == ("", "")


def test_forged_reasons() -> None:
    """A reason is one word without an address in it, and there always is one."""
    assert outcome(b"! x from 192.0.2.1\nY") == ("", "19202" + "1Y")
    assert outcome(b"!" + b"X" * 5000) == ("", "X" * 64)
    assert outcome(b"!\n") == ("", "no reason")


def test_a_keeper_with_too_much_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session does not wait for room in the socket of a keeper that takes nothing."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        monkeypatch.setattr(channel, "KEEPER_FD", ours.fileno())
        fds = (ours.fileno(),) * 3
        asked = 0
        while channel._ask_keeper((1, 2, False, 0), fds):
            asked += 1
            assert asked < 10_000
        assert asked > 0


def test_a_late_answer() -> None:
    """The wait is bounded; the end is no answer either."""
    reading, writing = os.pipe()
    assert channel._answer(reading, 0.01) == channel._answer(reading, -1) == b""
    os.write(writing, b"+")
    assert channel._answer(reading, 0) == b"+"
    os.close(writing)
    assert channel._answer(reading, 60) == b""
    os.close(reading)


def test_an_early_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes together with the word that the process is ready is not lost."""
    monkeypatch.setattr(channel, "user", lambda: None)
    monkeypatch.setattr(channel, "_fork", lambda *words: os.write(words[-1][2], channel.READY + b"! HTTP_REQUEST"))
    monkeypatch.setattr("posix.dup2", lambda *_: None)  # descriptors 0 and 1 are the test's own
    assert channel.start(Settings(), lambda: lambda *_: None, 60, False, False).outcome() == ("", "HTTP_REQUEST")


@pytest.mark.parametrize("call", ["posix.fork", "posix.pipe", "_socket.socketpair"])
def test_no_process_for_the_keeper(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A system that is out of processes or descriptors is a reason, not the listener's end; nothing stays open."""

    def fail(*_: object) -> None:
        raise OSError(11, "no more")

    monkeypatch.setattr(call, fail)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(keeper.NotStarted, match="cannot be started: no more"):
        keeper.start(Settings(), lambda: lambda *_: None, print, 0)
    assert os.listdir("/proc/self/fd") == before


def test_a_fault_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system call that is refused before the TLS process is ready is named to root, for one line of the log."""
    reading, writing = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        try:
            refused = OSError(REFUSED_ERROR + system_calls.numbers(os.uname().machine)["prlimit64"], "Unknown error")
            monkeypatch.setattr(privileges, "confine", lambda *_, **__: None)
            monkeypatch.setattr(privileges, "no_more_descriptors", mock.Mock(side_effect=refused))
            account = pwd.struct_passwd(("nobody", "x", 65534, 65534, "", "/", ""))
            asked = channel.encode((1, 5, False, 0))
            fds = [null, theirs.fileno(), writing]
            channel.become(None, lambda: lambda *_: None, account, Settings(), lambda: (asked, fds))
        finally:
            os._exit(99)
    os.close(writing)
    assert os.read(reading, 200) == channel.FAULT + b"the sandbox does not allow the system call prlimit64"
    assert os.waitpid(pid, 0)[1] == 70 << 8
    for fd in (reading, null):
        os.close(fd)
    for one in (ours, theirs):
        one.close()


@pytest.mark.parametrize("at_once", [False, True])
def test_a_report_and_an_outcome(at_once: bool) -> None:
    """A report of a proxy's header and the outcome of the handshake are told apart, also if both are there at once."""
    report, said = encode(PEER, 1), b"TLSv1.3 TLS_AES_256_GCM_SHA384"
    reading, writing = os.pipe()
    try:
        os.write(writing, report)
        made = channel.Channel(reading, report + said if at_once else b"")
        assert made.report(5) == report
        if not at_once:
            os.write(writing, said)
            assert made.outcome() == (said.decode(), "")
        else:
            assert made._reported == said
    finally:
        os.close(reading)
        os.close(writing)


def test_half_a_report() -> None:
    """What is shorter than a report is returned as it is, for whoever checks it."""
    reading, writing = os.pipe()
    os.write(writing, b"C\0")
    os.close(writing)
    made = channel.Channel(reading, b"")
    assert made.report(5) == b"C\0" and made.report(0) == b""
    os.close(reading)
