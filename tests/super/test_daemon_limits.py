"""popa3d -D and clients that do not log in: what they may take, and what is said of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
from pathlib import Path

from popa3d.shared import process_name
from popa3d.shared.limits import SESSIONS, SESSIONS_PER_SOURCE
from tests.faults.kills import attach
from tests.host import PAM_OPEN, PAM_QUICK, Host, bind, unmount
from tests.sockets import listening
from tests.super.daemon import Connected, Daemon, logged_in, name, over_the_limit, wait_until
from tests.talk import POPA3D, children, descriptors, ids


def test_ten_addresses_that_say_nothing(host: Host) -> None:
    """Ten addresses with as many connections as they can get, none of which logs in, leave room for an eleventh."""
    host.pam_stack(PAM_QUICK)
    with Daemon(host) as daemon, contextlib.ExitStack() as stack:
        for _ in range(SESSIONS_PER_SOURCE):
            for i in range(10):
                stack.enter_context(Connected(of=f"127.1.{i}.1"))
        wait_until(lambda: "unauthenticated limit reached" in host.syslog.text)
        for i in range(20):
            assert logged_in(of=f"127.2.{i}.1")
        taken = len(daemon.sessions())
        assert 50 < taken <= SESSIONS // 4 + 20


def _before_login(daemon: Daemon) -> list[int]:
    """The processes of root's whose client has not logged in. A spare session has its name before it has a child."""
    return [pid for pid in daemon.sessions() if children(pid) and name(pid) == process_name.ROOT]


def test_a_login_makes_room(host: Host) -> None:
    """Who has logged in takes none of the room of those who have not; and nobody but root's process can say so."""
    host.pam_stack(PAM_OPEN)
    with Daemon(host, "[listen]\nunauthenticated = 1\n") as daemon, contextlib.ExitStack() as stack:
        for i in range(5):
            talk = stack.enter_context(Connected(of=f"127.0.0.{i + 1}"))
            assert talk.line().startswith(b"+OK")
            wait_until(lambda: len(_before_login(daemon)) == 1)
            (session,) = _before_login(daemon)
            (child,) = children(session)
            pipes = {what for what in descriptors(session).values() if what.startswith("pipe:")}
            assert pipes & set(descriptors(daemon.pid).values())
            assert not set(descriptors(child).values()) & set(descriptors(daemon.pid).values()) - {"/dev/null"}
            assert over_the_limit("127.0.0.77")
            host.syslog.wait("127.0.0.77: unauthenticated limit reached")
            assert talk.ask(b"USER alice") == b"+OK\r\n" and talk.ask(b"PASS x") == b"+OK\r\n"
            wait_until(lambda session=session: session not in daemon.sessions())
            for pid in set(children(daemon.starter())) & set(daemon.sessions()):
                assert not set(descriptors(pid).values()) & set(descriptors(daemon.pid).values()) - {"/dev/null"}


def test_each_refused_source_is_logged(host: Host) -> None:
    """Sources that are refused at the same moment each have their line, while another line is being written."""
    with Daemon(host, "[listen]\nsessions = 1\n") as daemon, Connected() as one:
        assert one.line().startswith(b"+OK")
        daemon.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: ids(daemon.pid)["State"].startswith("T"))
        with contextlib.ExitStack() as stack:
            for i in range(20):
                stack.enter_context(Connected(of=f"127.0.1.{i + 1}"))
            daemon.process.send_signal(signal.SIGCONT)
            for i in range(20):
                host.syslog.wait(f"127.0.1.{i + 1}: sessions limit reached")


def test_lines_that_wait_are_logged_at_the_end(host: Host) -> None:
    """A listener that ends has logged what waited, and no process of it keeps the port."""
    with Daemon(host, "[listen]\nsessions = 1\n") as daemon, Connected() as one:
        assert one.line().startswith(b"+OK")
        daemon.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: ids(daemon.pid)["State"].startswith("T"))
        with Connected(of="127.0.1.1"), Connected(of="127.0.1.2"):
            daemon.process.send_signal(signal.SIGCONT)
            host.syslog.wait("127.0.1.1: sessions limit reached")
            daemon.process.terminate()
            one.client.close()
            assert daemon.process.wait(60) == 0
        host.syslog.wait("127.0.1.2: sessions limit reached")
        with Daemon(host):
            assert logged_in()


def test_a_stuck_log_does_not_keep_the_port(host: Host) -> None:
    """The process that cannot log is there when the listener has ended, and the next listener can have its port."""
    with host.stuck_log(), Daemon(host, "[listen]\nsessions_per_source = 1\nspare = 0\n") as daemon, Connected() as one:
        assert one.line().startswith(b"+OK")
        assert over_the_limit("127.0.0.1")
        wait_until(lambda: len(daemon.sessions()) == 2)
        (writer,) = [pid for pid in daemon.sessions() if not children(pid)]
        assert not {each.link for each in listening()} & set(descriptors(writer).values())
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.process.wait(60)
        with Daemon(host):
            pass


def test_lines_that_wait_behind_a_stuck_log(host: Host) -> None:
    """Who is refused while the log is stuck sees the end of the connection at once; and a listener that ends then leaves a
    process for the lines that wait, which logs them when the log goes on.
    """
    with host.stuck_log() as restart:
        daemon = Daemon(host, "[listen]\nsessions_per_source = 1\nspare = 0\n")
        restart()  # the sessions have a log, the listener has not
        with daemon, Connected() as one, Connected(of="127.0.0.2") as two:
            assert one.line() and two.line()
            sessions = len(daemon.sessions())
            assert over_the_limit("127.0.0.1")
            wait_until(lambda: len(daemon.sessions()) > sessions)
            assert over_the_limit("127.0.0.2")
            one.client.close()
            two.client.close()
            daemon.process.terminate()
            assert daemon.process.wait(60) == 0
    host.syslog.wait("127.0.0.2: per source limit reached")


def test_client_that_resets_early(host: Host) -> None:
    """A client that has gone before its session starts is logged with the address that it was accepted from."""
    with Daemon(host) as daemon:
        daemon.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: ids(daemon.pid)["State"].startswith("T"))
        with socket.create_connection(("127.0.0.1", 110), 60, ("127.0.0.9", 0)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        daemon.process.send_signal(signal.SIGCONT)
        host.syslog.wait("Session from 127.0.0.9")


def test_descriptors_for_another_process(host: Host) -> None:
    """LISTEN_FDS that are meant for another process are not kept, let alone listened on."""
    file = host.configuration("[listen]\nport = 1110\n")
    strays = [os.open("/etc/shadow", os.O_RDONLY) for _ in range(2)]

    def strays_first() -> None:
        for i, fd in enumerate(strays):
            os.dup2(fd, 3 + i)

    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2"}
    process = subprocess.Popen(
        [*POPA3D, "-F", "-c", file],
        env=environment,
        preexec_fn=strays_first,  # noqa: PLW1509 - no thread that it could disturb
        close_fds=False,
    )
    try:
        wait_until(lambda: logged_in_at(1110))
        assert "/etc/shadow" not in descriptors(process.pid).values()
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        for fd in strays:
            os.close(fd)


def logged_in_at(port: int) -> bool:
    try:
        return logged_in(port=port)
    except ConnectionRefusedError:
        return False


def calls_of(daemon: Daemon, path: Path, addresses: tuple[str, ...]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """System calls of the listener, and of the processes that it starts, while clients from some addresses connect and quit."""
    with attach(daemon.pid, path, "-f", "-s", "200") as tracer:
        for of in addresses:
            with Connected(of=of) as talk:
                if talk.line():
                    talk.ask(b"QUIT")
        wait_until(daemon.idle)
        tracer.terminate()
    begun: dict[str, str] = {}
    listeners: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for shown in path.read_text(errors="replace").splitlines():
        pid, _, line = shown.partition(" ")
        line = line.strip()
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
            continue
        if "resumed>" in line:
            line = begun.pop(pid) + line.partition("resumed>")[2]
        name, bracket, rest = line.partition("(")
        if bracket:
            (listeners if pid == str(daemon.pid) else others).append((name, rest))
    return listeners, others


def test_signals_and_alarms(host: Host) -> None:
    """The listener forks with its signals blocked; a child leaves its session, and may not hang in libwrap."""
    rules = host.base / "hosts.allow"
    rules.write_text("popa3d: ALL\n")
    bind(rules, "/etc/hosts.allow")
    try:
        with Daemon(host, "[listen]\nspare = 0\n[session]\nlogin_timeout_s = 77\n") as daemon:
            listeners, others = calls_of(daemon, host.base / "trace", ("127.0.0.1",))
    finally:
        unmount("/etc/hosts.allow")
    names = [name for name, _ in listeners]
    fork = next(i for i, name in enumerate(names) if name in ("clone", "clone3", "fork", "vfork"))
    masks = [rest for name, rest in listeners[:fork] if name == "rt_sigprocmask"]
    assert masks[-1].startswith("SIG_BLOCK") and all(name in masks[-1] for name in ("HUP", "INT", "TERM", "CHLD"))
    hosts = next(i for i, (name, rest) in enumerate(others) if name == "openat" and "hosts.allow" in rest)
    before = others[:hosts]
    assert [rest.partition(")")[0] for name, rest in before if name == "alarm"] == ["77"]
    assert [name for name, _ in before if name == "setsid"]


def test_alarm_of_the_log(host: Host) -> None:
    """The process that logs for the listener does not wait for a stuck log for ever."""
    with Daemon(host, "[listen]\nsessions_per_source = 1\n") as daemon, Connected() as one:
        assert one.line().startswith(b"+OK")
        path = host.base / "trace"
        with attach(daemon.pid, path, "-f", "-s", "200") as tracer:
            assert over_the_limit("127.0.0.1")
            host.syslog.wait("per source limit reached")
            wait_until(lambda: len(daemon.sessions()) == 1)
            tracer.terminate()
        lines = path.read_text(errors="replace").splitlines()
        (logged,) = [i for i, line in enumerate(lines) if "sendto(" in line and "per source limit reached" in line]
        pid = lines[logged].split()[0]
        own = [line.partition(" ")[2].strip() for line in lines[:logged] if line.split()[0] == pid]
        assert [line for line in own if line.startswith("alarm(5)")]


def test_sessions_have_nothing_of_the_listener(host: Host) -> None:
    """No process of a session has a socket that listens: neither while libwrap is at work, nor before or after the login."""
    ready, go = host.base / "ready", host.base / "go"
    for fifo in (ready, go):
        os.mkfifo(fifo)
    rules = host.base / "hosts.allow"
    rules.write_text(f"popa3d: ALL: spawn (echo > {ready}; cat {go})\n")
    bind(rules, "/etc/hosts.allow")
    try:
        with Daemon(host) as daemon, Connected() as talk:
            ready.read_bytes()
            listeners = {each.link for each in listening()}
            assert listeners & set(descriptors(daemon.pid).values())
            session = daemon.session()
            seen = set(descriptors(session).values())
            go.write_bytes(b"")
            assert not listeners & seen
            assert talk.line().startswith(b"+OK")
            for pid in (session, *children(session)):
                assert not listeners & set(descriptors(pid).values())
    finally:
        unmount("/etc/hosts.allow")
        ready.unlink()
        go.unlink()
