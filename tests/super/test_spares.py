"""Spare sessions of popa3d -D: forked before their clients come."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

import pytest

from popa3d.shared.census import processes
from popa3d.shared.limits import SPARE
from popa3d.shared.process_name import ROOT
from tests.host import PAM_OPEN, Host, bind, unmount
from tests.sockets import listening
from tests.super.daemon import Connected, Daemon, logged_in, name, over_the_limit, wait_until
from tests.talk import children, descriptors, ids


def full(daemon: Daemon, count: int = SPARE) -> bool:
    """Whether there are that many spare sessions, each with its pre-auth child."""
    return len(daemon.spares()) == count and all(len(children(pid)) == 1 for pid in daemon.spares())


def test_what_they_have(host: Host) -> None:
    """No client, no socket that listens, and the pre-auth child is confined already; popa3d-status does not list them."""
    with Daemon(host) as daemon:
        wait_until(lambda: full(daemon))
        listeners = {each.link for each in listening()}
        for pid in daemon.spares():
            (child,) = children(pid)
            assert not listeners & (set(descriptors(pid).values()) | set(descriptors(child).values()))
            assert [descriptors(one)[fd] for one in (pid, child) for fd in (0, 1, 2)] == ["/dev/null"] * 6
            wait_until(lambda child=child: ids(child)["Uid"].split() == ["20100"] * 4)
            assert os.readlink(f"/proc/{child}/root") == "/var/lib/popa3d"
            assert os.getsid(pid) == pid
        own = {daemon.pid, *(one for pid in daemon.spares() for one in (pid, *children(pid)))}
        assert not own & {session.pid for session in processes.sessions()}  # of the whole machine


def test_they_are_used_and_replaced(host: Host) -> None:
    """The one that has waited longest takes the client, and another one comes in its place."""
    with Daemon(host) as daemon:
        wait_until(lambda: full(daemon))
        first = daemon.spares()[0]
        with Connected() as talk:
            assert talk.line().startswith(b"+OK")
            assert daemon.session() == first and name(first) == ROOT
            wait_until(lambda: full(daemon))
            assert first not in daemon.spares()


@pytest.mark.parametrize("dead", ["session", "child"])
def test_half_dead_ones(host: Host, dead: str) -> None:
    """Where a session or its pre-auth child alone has died, a client is served all the same, by another one."""
    with Daemon(host, "[listen]\nspare = 1\n") as daemon:
        wait_until(lambda: full(daemon, 1))
        (spare,) = daemon.spares()
        os.kill(daemon.pid, signal.SIGSTOP)
        victim = spare if dead == "session" else children(spare)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: ids(victim)["State"].startswith("Z"))
        with Connected() as talk:
            os.kill(daemon.pid, signal.SIGCONT)
            assert talk.login() == b"+OK\r\n" and talk.ask(b"QUIT") == b"+OK\r\n"


@pytest.mark.parametrize("count", [0, 1])
def test_bursts(host: Host, count: int) -> None:
    """More clients than there are spare sessions are all served."""
    host.pam_stack(PAM_OPEN)
    with Daemon(host, f"[listen]\nspare = {count}\n") as daemon, contextlib.ExitStack() as stack:
        wait_until(lambda: full(daemon, count))
        talks = [stack.enter_context(Connected(of=f"127.0.0.{i + 1}")) for i in range(12)]
        assert all(talk.login() == b"+OK\r\n" for talk in talks)
        assert all(talk.ask(b"QUIT") == b"+OK\r\n" for talk in talks)
        wait_until(daemon.idle)
    assert "Internal error" not in host.syslog.text


def test_a_reload(host: Host) -> None:
    """Those with the old settings end, and there are as many as the new ones want, with these."""
    with Daemon(host, "[listen]\nspare = 2\n") as daemon:
        wait_until(lambda: full(daemon, 2))
        old = daemon.spares()
        daemon.file.write_text("[listen]\nspare = 3\n[session]\nlogin_timeout_s = 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: full(daemon, 3) and not set(old) & set(daemon.spares()))
        with Connected() as talk:
            assert talk.line().startswith(b"+OK")
            assert talk.rest() == b""  # the new limit


def test_dead_ones(host: Host) -> None:
    """Killed ones are replaced; a client that comes while one is dead and not yet buried is served all the same."""
    with Daemon(host, "[listen]\nspare = 2\n") as daemon:
        for _ in range(3):
            wait_until(lambda: full(daemon, 2))
            os.kill(daemon.pid, signal.SIGSTOP)
            for pid in daemon.spares():
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda pid=pid: ids(pid)["State"].startswith("Z"))
            with socket.create_connection(("127.0.0.1", 110), 60) as client:
                os.kill(daemon.pid, signal.SIGCONT)
                assert client.recv(100).startswith(b"+OK")
        assert logged_in()


def test_a_child_that_dies_before_it_has_its_client(host: Host) -> None:
    """It had been given the client, so nobody else serves it; the log says so, and it is no error of the program's."""
    with Daemon(host, "[listen]\nspare = 1\n") as daemon:
        wait_until(lambda: full(daemon, 1))
        (child,) = children(daemon.spares()[0])
        os.kill(child, signal.SIGSTOP)
        with Connected() as talk:
            host.syslog.wait("Session from 127.0.0.1")
            os.kill(child, signal.SIGKILL)
            assert talk.rest() == b""
        host.syslog.wait("The pre-auth child ended without a record (wait status 0x9)")
    assert "Internal error" not in host.syslog.text


def test_what_commands_of_hosts_allow_have(host: Host) -> None:
    """No socket of popa3d's: not the one to the pre-auth child."""
    rules, said = host.base / "hosts.allow", host.base / "said"
    rules.write_text(f"popa3d: ALL: spawn (/bin/ls -l /proc/self/fd > {said}; /bin/echo end >> {said})\n")
    bind(rules, "/etc/hosts.allow")
    try:
        with Daemon(host) as daemon:
            wait_until(lambda: full(daemon))
            assert logged_in()
            wait_until(lambda: said.exists() and said.read_text().endswith("end\n"))
    finally:
        unmount("/etc/hosts.allow")
    assert "socket:" not in said.read_text()


def test_a_dead_child_of_one(host: Host) -> None:
    """Where the pre-auth child alone has died, the session has another one, and greets its client."""
    rules = host.base / "hosts.allow"
    rules.write_text("popa3d: ALL\n")  # so that the session gives its child the client
    bind(rules, "/etc/hosts.allow")
    try:
        with Daemon(host, "[listen]\nspare = 1\n") as daemon:
            wait_until(lambda: full(daemon, 1))
            (spare,) = daemon.spares()
            (child,) = children(spare)
            os.kill(child, signal.SIGKILL)
            wait_until(lambda: ids(child)["State"].startswith("Z"))
            assert logged_in()
    finally:
        unmount("/etc/hosts.allow")


def test_rules_that_come_later(host: Host) -> None:
    """hosts.deny is asked from the first connection after it has got a rule, also if a spare session waits since before."""
    deny = host.base / "hosts.deny"
    deny.write_text("# nobody\n\n")
    bind(deny, "/etc/hosts.deny")
    try:
        with Daemon(host, "[listen]\nmin_delay_s = 0\n") as daemon:
            wait_until(lambda: full(daemon))
            assert logged_in(of="127.0.0.2")
            deny.write_text("# nobody\npopa3d: 127.0.0.2\n")
            assert over_the_limit("127.0.0.2")
            host.syslog.wait("refused connect from 127.0.0.2")
            assert logged_in(of="127.0.0.3")
            deny.write_text("#\n")
            assert logged_in(of="127.0.0.2")
    finally:
        unmount("/etc/hosts.deny")
