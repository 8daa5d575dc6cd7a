"""popa3d -D as a flood meets it, and when the system is out of something."""

from __future__ import annotations

import resource
import signal
import threading
from pathlib import Path

import pytest

from popa3d.shared.limits import SPARE
from tests.faults.kills import attach
from tests.host import PAM_OPEN, PAM_QUICK, Host
from tests.super.daemon import Connected, Daemon, logged_in, over_the_limit, refused, wait_until


def test_stuck_log_does_not_stop_the_listener(host: Host) -> None:
    """With a log daemon that takes nothing, refusals of one source do not keep others from being served."""
    with Daemon(host, "[listen]\nsessions_per_source = 1\n[session]\nlogin_timeout_s = 5\n") as daemon:
        with host.stuck_log(), Connected() as first:
            assert first.line().startswith(b"+OK")
            assert over_the_limit("127.0.0.1")
            with Connected(of="127.0.0.5") as other:
                assert other.line().startswith(b"+OK")
        assert daemon.process.poll() is None


def test_one_source_does_not_keep_others_out(host: Host) -> None:
    """Of 12 slow connections from one address 4 are served, the others closed at once; another address is served meanwhile."""
    settings = "[listen]\nsessions_per_source = 4\nsessions = 6\nmin_delay_s = 1\n"
    with Daemon(host, settings) as daemon:
        slow = [Connected() for _ in range(12)]
        greeted = [talk.line() for talk in slow]
        assert sorted(greeted) == [b""] * 8 + [b"+OK popa3d ready\r\n"] * 4
        assert logged_in(of="127.0.0.2")
        host.syslog.wait("127.0.0.1: per source limit reached")
        with Connected(of="127.0.0.3") as five:  # four, and the one that has just ended but still counts, and this
            assert five.line().startswith(b"+OK")
            wait_until(lambda: over_the_limit("127.0.0.4"))
            host.syslog.wait("127.0.0.4: sessions limit reached")
        for talk in slow:
            talk.client.close()
        wait_until(daemon.idle)
        wait_until(lambda: not over_the_limit("127.0.0.1"))
        assert host.syslog.text.count("127.0.0.1: per source limit reached") < 8


def test_signals_under_load(host: Host) -> None:
    """SIGHUP and SIGTERM while clients come and go: no session is cut, and at the end the listener ends with 0."""
    host.pam_stack(PAM_OPEN)
    results: list[bool] = []

    def client(of: str) -> None:
        for _ in range(8):
            try:
                with Connected(of=of) as talk:
                    talk.got = talk.line()
                    if not talk.got:
                        return  # it was waiting to be accepted when SIGTERM came
                    results.append(talk.login() == b"+OK\r\n" and talk.ask(b"QUIT") == b"+OK\r\n")
            except (ConnectionRefusedError, ConnectionResetError):
                return  # SIGTERM has come

    with Daemon(host) as daemon:
        threads = [threading.Thread(target=client, args=(f"127.0.1.{i}",)) for i in range(1, 7)]
        for thread in threads:
            thread.start()
        for i in range(1, 8):
            wait_until(lambda i=i: len(results) >= 3 * i)
            daemon.process.send_signal(signal.SIGHUP)
        with Connected(of="127.0.2.1") as talk:
            assert talk.login() == b"+OK\r\n"
            daemon.process.terminate()
            wait_until(lambda: refused("127.0.0.1"))
            assert talk.ask(b"STAT") == b"+OK 0 0\r\n"
            assert daemon.process.poll() is None  # it waits for the session
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        for thread in threads:
            thread.join(30)
        assert daemon.process.wait(20) == 0
    assert len(results) >= 21 and all(results)
    assert "Internal error" not in host.syslog.text


def test_500_sessions_leave_nothing(host: Host) -> None:
    """500 connections that are dropped in every state leave no process, no zombie and no descriptor."""
    host.pam_stack(PAM_QUICK)
    says = (b"", b"USER al", b"USER alice\r\n", b"USER alice\r\nPASS x\r\n", b"USER alice\r\nPASS sesame-1\r\nSTAT\r\nLI")
    with Daemon(host, "[listen]\nsessions = 600\nsessions_per_source = 600\nunauthenticated = 600\nmin_delay_s = 0\n") as daemon:
        assert logged_in()
        wait_until(lambda: daemon.idle() and len(daemon.spares()) == SPARE)
        before = daemon.descriptors()
        for i in range(500):
            with Connected(of=f"127.0.3.{i % 200 + 1}") as talk:
                talk.send(says[i % len(says)])
                if i % 2:
                    talk.line()
        wait_until(lambda: daemon.idle() and len(daemon.spares()) == SPARE, 60)
        assert daemon.descriptors() <= before
        assert logged_in(of="127.0.9.1")
    assert "Internal error" not in host.syslog.text


def test_out_of_descriptors(host: Host) -> None:
    """Out of descriptors the listener waits without spinning, says so seldom, and serves again when there are some."""
    with Daemon(host, "[listen]\nmin_delay_s = 1\nspare = 0\n") as daemon:
        assert logged_in()
        wait_until(daemon.idle)
        soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (daemon.descriptors(), hard))
        part = "Cannot start a session: accept: Too many open files"
        with Connected() as talk:
            host.syslog.wait(part)
            spent = cpu(daemon.pid)
            wait_until(lambda: host.syslog.text.count(part) >= 3)
            assert cpu(daemon.pid) - spent < 20  # clock ticks, in two seconds or more
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert talk.login() == b"+OK\r\n"
        assert daemon.process.poll() is None


@pytest.mark.parametrize("error", ["ENFILE", "ENOMEM", "ENOBUFS", "ECONNABORTED", "EPROTO"])
def test_accept_fails(host: Host, error: str) -> None:
    """Whatever accept(2) says, the connection that waits is served when it works again."""
    with Daemon(host) as daemon:
        inject = ["--trace=accept,accept4", f"--inject=accept,accept4:error={error}:when=1..2"]
        with attach(daemon.pid, Path("/dev/null"), *inject) as strace:
            assert logged_in()
            strace.terminate()
        assert daemon.process.poll() is None


@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_out_of_processes(host: Host, error: str) -> None:
    """When no process can be had, the connection is closed, the log says why, and the next one is served."""
    calls = "clone,clone3,fork,vfork"
    inject = [f"--trace={calls}", f"--inject={calls}:error={error}:when=1"]
    with Daemon(host, "[listen]\nspare = 0\n") as daemon, attach(daemon.pid, Path("/dev/null"), *inject) as strace:
        with Connected() as talk:
            assert talk.rest() == b""
        host.syslog.wait("Cannot start a session: fork: ")
        assert logged_in()
        strace.terminate()


def cpu(pid: int) -> int:
    """Clock ticks of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
