"""popa3d -D and many clients that begin a handshake and never end it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from popa3d.shared import replies
from popa3d.shared.limits import SPARE
from tests.host import PAM_QUICK, Host
from tests.super.daemon import Connected, Daemon, wait_until
from tests.tls import install
from tests.tls.test_daemon import keeper, logged_in

STALLED = 500
# So many that nobody is refused at random yet, which begins at half of `unauthenticated`.
ROOM = f"[listen]\nsessions = {4 * STALLED}\nunauthenticated = {2 * STALLED + 10}\nmin_delay_s = 0\n"
HALF = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)  # of a ClientHello
KIB_PRIVATE = 2048  # what a TLS process that waits may have for itself; there are some 1200


def stalled(stack: contextlib.ExitStack, number: int) -> None:
    """One of the clients: in turn with nothing, with half a ClientHello, and with STLS before that."""
    of = f"127.1.{number // 250}.{number % 250 + 1}"
    talk = stack.enter_context(Connected(port=110 if number % 3 == 2 else 995, of=of))
    if number % 3 == 2:
        assert talk.line() == replies.GREETING
        assert talk.ask(b"STLS") == replies.TLS_STARTS
    if number % 3:
        talk.send(HALF)


def private_kib(pid: int) -> int:
    """The memory that a process shares with no other."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kib) for kib in re.findall(r"^Private_\w+: +(\d+) kB$", rollup, re.M))


def test_500_stalled_handshakes(host: Host) -> None:
    """Others log in meanwhile, by POP3S and by STLS; a TLS process takes little; when the clients have gone, so has all else."""
    with Daemon(host, install(host) + ROOM) as daemon:
        logged_in(995)
        keeper(daemon)
        wait_until(lambda: len(daemon.spares()) == SPARE)
        descriptors = daemon.descriptors()
        with contextlib.ExitStack() as stack:
            for number in range(STALLED):
                stalled(stack, number)
            wait_until(lambda: len(daemon.tls()) == STALLED)
            for port in (995, 110):
                logged_in(port)
            wait_until(lambda: len(daemon.tls()) == STALLED)
            sizes = [private_kib(pid) for pid in daemon.tls()]
            assert max(sizes) < KIB_PRIVATE, f"the largest {max(sizes)} KiB, of all {sum(sizes)} KiB"
        wait_until(daemon.idle_but_for_the_keeper)
        wait_until(lambda: daemon.descriptors() == descriptors)
        logged_in(995)
    assert "Internal error" not in host.syslog.text


def test_stalled_handshakes_count_as_unauthenticated(host: Host) -> None:
    """One source gets no more of them than it gets connections without a login, and they end when the time for the login has.

    Somebody else logs in all the same.
    """
    host.pam_stack(PAM_QUICK)
    configuration = "[session]\nlogin_timeout_s = 6\n" + install(host) + "[listen]\nunauthenticated = 30\nmin_delay_s = 0\n"
    with Daemon(host, configuration) as daemon, contextlib.ExitStack() as stack:
        keeper(daemon)
        for number in range(15):
            stack.enter_context(Connected(of=f"127.3.{number}.1", port=995)).send(HALF)
        wait_until(lambda: len(daemon.tls()) == 15)
        for _ in range(5):
            stack.enter_context(Connected(of="127.2.0.1", port=995)).send(HALF)
        wait_until(lambda: len(daemon.tls()) == 20)
        with Connected(of="127.2.0.1", port=995) as refused:
            assert refused.line() == b""
        host.syslog.wait("127.2.0.1: unauthenticated limit reached")
        logged_in(995)
        wait_until(daemon.idle_but_for_the_keeper)
        host.syslog.wait("Connection timed out")
