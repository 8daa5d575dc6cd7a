"""popa3d-status, and the limits for one address, with sessions over TLS: what counts is the client behind the TLS process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from popa3d.operator import sessions
from popa3d.shared.census import connections, counts, processes
from tests.host import ALICE, HOME, Host
from tests.root.shown import ran, shown
from tests.super.daemon import Connected, Daemon, over_the_limit, wait_until
from tests.talk import POPA3D, Talk, children, connection
from tests.tls import Tls, client_context, install
from tests.tls.test_daemon import LOOPBACK, Secure

MAILBOX = b"From a\nSubject: x\n\nbody\n\n"
POPA3D_PROGRAM = str(HOME / "bin/popa3d")
TLS_UID = 20101  # of popa3d-tls on tests' hosts
HELLO = b"\x16\x03\x01\x02\x00"  # how a handshake begins


def check(row: dict[str, Any], account: str, tls: str, peer: str = "127.0.0.1") -> None:
    """One row says who it is, and since when the client is silent."""
    assert (row["peer"], row["account"], row["tls"]) == (peer, account, tls)
    assert row["state"] == ("transaction" if account else "authenticating")
    assert 0 <= row["idle_s"] <= row["age_s"]
    assert row["memory"] > 1_000_000


def private(pid: int) -> int:
    """Octets of memory that a process shares with no other."""
    rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(row[1]) * 1024 for row in rows if row[0].startswith("Private_"))


def tls_of(session: int) -> int:
    """The TLS process of a session."""
    (found,) = [one.tls for one in processes.sessions() if one.pid == session]
    assert found is not None
    return found


@pytest.mark.parametrize("implicit", [True, False], ids=["-s", "STLS"])
def test_behind_a_super_server(host: Host, implicit: bool) -> None:
    """A session over TLS is one row with the client's address, before and after the login; the TLS process is none."""
    host.deliver("alice", MAILBOX)
    with Tls(host, implicit=implicit) as talk:
        pid = talk.process.pid
        talk.line()
        if not implicit:
            check(shown()[pid], "", "")
            talk.stls()
            talk.ask(b"NOOP")  # with its reply, the handshake is complete for the TLS process, too
        ours = children(pid)
        found = shown()
        check(found[pid], "", "TLS 1.3")
        assert len(ours) == 2 and not set(ours) & found.keys()
        assert talk.ask(b"USER alice") == b"+OK\r\n"
        assert talk.ask(b"PASS sesame-1") == b"+OK\r\n"
        found = shown()
        check(found[pid], "alice", "TLS 1.3")
        assert not set(ours) & found.keys()
        assert "TLS 1.3" in next(line for line in ran().splitlines() if line.split()[0] == str(pid))


def test_what_it_costs(host: Host) -> None:
    """Memory and processor time are those of the session, of its pre-auth child and of its TLS process."""
    host.deliver("alice", MAILBOX)
    with Tls(host) as talk:
        talk.line()
        pid = talk.process.pid
        rest = [one for one in children(pid) if one != tls_of(pid)]
        assert private(pid) + private(rest[0]) + private(tls_of(pid)) / 2 < shown()[pid]["memory"]
        talk.ask(b"USER alice")
        talk.ask(b"PASS sesame-1")
        row = shown()[pid]
        assert private(pid) + private(tls_of(pid)) / 2 < row["memory"]
        os.kill(tls_of(pid), signal.SIGSTOP)  # what it costs is asked once the session is idle
        ticks = Path(f"/proc/{tls_of(pid)}/stat").read_text().rpartition(")")[2].split()[11:13]
        own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
        seconds = sum(map(int, [*ticks, *own])) / os.sysconf("SC_CLK_TCK")
        assert abs(shown()[pid]["cpu_s"] - seconds) < 0.011
        os.kill(tls_of(pid), signal.SIGCONT)


def test_idle_time(host: Host) -> None:
    """It is the client's: a command brings it below what it was."""
    with Tls(host) as talk:
        talk.line()
        pid = talk.process.pid
        wait_until(lambda: shown()[pid]["idle_s"] > 0.3)
        before = shown()[pid]
        talk.ask(b"NOOP")
        after = shown()[pid]
        assert after["age_s"] - after["idle_s"] > before["age_s"] - before["idle_s"]


def test_during_the_handshake(host: Host) -> None:
    """A client that stalls is there with its address, and counts for it."""
    of = f"127.79.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    file = host.configuration(install(host))
    with Talk([*POPA3D, "-s", "-c", file], connection(of=of)) as talk:
        talk.send(HELLO)
        wait_until(lambda: shown().get(talk.process.pid, {}).get("tls") == "TLS")
        check(shown()[talk.process.pid], "", "TLS", of)
        assert counts.count_sessions(of).of_source == 1


def test_a_user_sees_no_address(host: Host) -> None:
    """The owner of a mailbox sees a session over TLS, and that it is one; its address and idle time are root's to see."""
    host.deliver("alice", MAILBOX)
    with Tls(host) as talk:
        talk.line()
        talk.ask(b"USER alice")
        talk.ask(b"PASS sesame-1")
        (row,) = shown(user=ALICE.uid, group=ALICE.uid, extra_groups=[]).values()
        assert (row["pid"], row["account"], row["tls"]) == (talk.process.pid, "alice", "TLS 1.3")
        assert (row["peer"], row["idle_s"], row["memory"]) == ("", None, None)


def test_kernels_tables_as_second_choice(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where descriptors cannot be copied the address comes from the kernel's tables."""

    def refuse(pid: int, of: int) -> int:
        raise PermissionError(errno.EPERM, "")

    monkeypatch.setattr(connections, "_copied", refuse)
    with Tls(host) as talk:
        talk.line()
        (found,) = [session for session in sessions.live() if session.pid == talk.process.pid]
        assert (found.peer, found.idle_s, found.tls) == ("127.0.0.1", None, "TLS 1.3")


@pytest.mark.parametrize("port", [995, 110])
def test_with_the_daemon(host: Host, port: int) -> None:
    """With -D a session has its client's address; TLS processes and the keeper are no sessions and no listeners."""
    host.deliver("alice", MAILBOX)
    with Daemon(host, install(host) + LOOPBACK) as daemon:
        keeper = daemon.keeper()
        with Secure(port) as talk:
            assert talk.ask(b"USER alice") == b"+OK\r\n"
            pid = daemon.session()
            assert len(daemon.tls()) == 1
            found = shown()
            check(found[pid], "", "TLS 1.3")
            assert found[pid]["door"] == "popa3d -D"
            assert not {daemon.pid, *children(keeper), keeper, *children(pid)} & found.keys()
            assert ran("--listeners", POPA3D_PROGRAM).split() == [str(daemon.pid)]
            assert talk.ask(b"PASS sesame-1") == b"+OK\r\n"
            wait_until(lambda: pid not in daemon.sessions())
            found = shown()
            check(found[daemon.session()], "alice", "TLS 1.3")
            assert (
                not {daemon.pid, daemon.starter(), keeper, *children(keeper), *daemon.spares()} & found.keys() and len(found) == 1
            )
            assert ran("--listeners", POPA3D_PROGRAM).split() == [str(daemon.pid)]


def test_when_the_listener_is_killed(host: Host) -> None:
    """Sessions that have not logged in stay sessions; nothing that is left is a listener, which packages would end."""
    daemon = Daemon(host, install(host) + LOOPBACK)
    try:
        keeper = daemon.keeper()
        with Secure() as talk:
            pid = daemon.session()
            daemon.process.kill()
            daemon.process.wait(60)
            assert Path(f"/proc/{keeper}").exists() and Path(f"/proc/{pid}").exists()
            assert ran("--listeners", POPA3D_PROGRAM) == ""
            found = shown()
            check(found[pid], "", "TLS 1.3")
            assert keeper not in found
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        wait_until(lambda: not Path(f"/proc/{keeper}").exists())
    finally:
        daemon.process.kill()


def test_limit_behind_a_super_server(host: Host) -> None:
    """Sessions over TLS count for the address of their clients, and no other one's do."""
    of, others = (f"127.{net}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}" for net in (77, 78))
    file = host.configuration(install(host) + "[listen]\nsessions_per_source = 1\n")
    command = [*POPA3D, "-s", "-c", file]
    with Talk(command, connection(of=of)) as one:
        one.client = client_context().wrap_socket(one.client)
        assert one.line().startswith(b"+OK")
        with Talk(command, connection(of=of)) as two:
            assert two.rest() == b""
        host.syslog.wait(f"{of}: per source limit reached")
        with Talk(command, connection(of=others)) as other:
            other.client = client_context().wrap_socket(other.client)
            assert other.line().startswith(b"+OK")
            counted = counts.count_sessions(of)
            assert (counted.of_source, counted.unseen) == (1, 0)


def test_limit_of_the_daemon(host: Host) -> None:
    """With -D connections to both ports count together for their address, with TLS from either and without."""
    configuration = install(host) + LOOPBACK + "sessions_per_source = 3\n"
    with Daemon(host, configuration), Secure(), Secure(110), Connected() as clear:
        assert clear.line().startswith(b"+OK")
        assert over_the_limit("127.0.0.1")
        host.syslog.wait("127.0.0.1: per source limit reached")
        with pytest.raises((OSError, AssertionError)):
            Secure()
        with Connected(of="127.0.0.9") as other:
            assert other.line().startswith(b"+OK")


@pytest.mark.parametrize("uid", [ALICE.uid, TLS_UID], ids=["a user", "popa3d-tls"])
@pytest.mark.parametrize("on", ["a connection", "no socket"])
def test_names_that_others_choose(host: Host, uid: int, on: str) -> None:
    """A process that says it is a session's TLS process changes nothing of that session: a user's, or one that was taken over."""
    own = host.base / f"named-{uid}-{on[:2]}"
    own.mkdir()
    with Talk(ends=connection(of="127.0.0.9")) as talk:
        talk.line()
        name = f"tls1.3 {talk.process.pid}"
        (own / "popa3d").write_text(f"import time\nopen('/proc/self/comm', 'w').write({name!r})\ntime.sleep(60)\n")
        command = ["/usr/bin/python3", "-IBS", str(own / "popa3d")]
        client, server = connection()
        out = server.fileno() if on == "a connection" else subprocess.DEVNULL
        with client, server, subprocess.Popen(command, stdout=out, user=uid, group=uid, extra_groups=[]) as other:
            try:
                wait_until(lambda: Path(f"/proc/{other.pid}/comm").read_text() == f"{name}\n")
                found = shown()
                check(found[talk.process.pid], "", "", "127.0.0.9")
                assert found.get(other.pid, {"tls": ""})["tls"] == ""
            finally:
                other.kill()


def test_sessions_of_a_container(host: Host) -> None:
    """They have their clients' addresses, though the name of a TLS process there has the number of a session here."""
    file = host.configuration(install(host))
    with Talk() as ours:
        ours.line()
        number = ours.process.pid
        inner = f"echo {number - 1} > /proc/sys/kernel/ns_last_pid; {POPA3D_PROGRAM} -s -c {file}; true"
        with Talk(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", inner], connection(of="127.0.0.9")) as theirs:
            theirs.client = client_context().wrap_socket(theirs.client)
            theirs.line()
            (shell,) = children(theirs.process.pid)
            (session,) = children(shell)
            assert Path(f"/proc/{session}/status").read_text().split("NSpid:")[1].split()[:2] == [str(session), str(number)]
            found = shown()
            check(found[number], "", "")
            check(found[session], "", "TLS 1.3", "127.0.0.9")
            assert not set(children(session)) & found.keys()
