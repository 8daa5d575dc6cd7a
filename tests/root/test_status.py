"""popa3d-status against live sessions of every kind. Other sessions of the machine may be seen too; they are not looked at."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from popa3d.operator import sessions, status
from popa3d.shared.census import connections, counts
from tests.host import ALICE, HOME, NOPASS, PAM_QUICK, Host
from tests.root.shown import ran, shown
from tests.super.daemon import sessions_of
from tests.super.inetd import Inetd
from tests.talk import POPA3D, Talk, children, connection, piped, script, state, wait_until

PYTHON = "/usr/bin/python3"
MAILBOX = b"From a\nSubject: x\n\nbody\n\n"
FIELDS = ["pid", "peer", "account", "state", "started", "age_s", "idle_s", "memory", "cpu_s", "door", "tls"]
SECONDS = 20
PORT = 11050
Ends = tuple[socket.socket, socket.socket]


def mapped() -> Ends:
    """An IPv4 connection to an IPv6 socket."""
    with socket.socket(socket.AF_INET6) as listening:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(("::", 0))
        listening.listen(1)
        client = socket.create_connection(("127.0.0.1", listening.getsockname()[1]))
        return client, listening.accept()[0]


KINDS: dict[str, tuple[Callable[[], Ends], str]] = {
    "IPv4": (connection, "127.0.0.1"),
    "IPv6": (lambda: connection(socket.AF_INET6), "::1"),
    "IPv4 in IPv6": (mapped, "127.0.0.1"),
    "socketpair": (socket.socketpair, ""),
}


def check(row: dict[str, Any], peer: str, account: str) -> None:
    """One row has all fields, of the right types, and says what is so."""
    assert list(row) == FIELDS
    assert (row["peer"], row["account"]) == (peer, account)
    assert row["state"] == ("transaction" if account else "authenticating")
    assert isinstance(row["started"], float) and abs(time.time() - row["started"]) < 600
    assert isinstance(row["age_s"], float) and row["age_s"] >= 0
    assert (row["idle_s"] is None) == (peer == "")
    assert row["idle_s"] is None or 0 <= row["idle_s"] <= row["age_s"]
    assert isinstance(row["memory"], int) and row["memory"] > 100_000
    assert isinstance(row["cpu_s"], float) and row["cpu_s"] >= 0
    assert isinstance(row["door"], str) and row["door"]
    assert row["tls"] == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_on_a_socket(host: Host, kind: str) -> None:
    """A session is one row with its peer, before and after the login, and none when it has ended."""
    ends, peer = KINDS[kind]
    host.deliver("alice", MAILBOX)
    with Talk(ends=ends()) as talk:
        pid = talk.process.pid
        assert talk.line().startswith(b"+OK")
        (child,) = children(pid)
        found = shown()
        check(found[pid], peer, "")
        assert child not in found
        assert talk.ask(b"USER alice") == b"+OK\r\n"
        assert talk.ask(b"PASS sesame-1") == b"+OK\r\n"
        check(shown()[pid], peer, "alice")
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        talk.status()
        assert pid not in shown()


def test_a_session_on_a_pipe(host: Host) -> None:
    """A session on pipes has no peer and no idle time, and is else like the others."""
    host.deliver("alice", MAILBOX)
    with subprocess.Popen(POPA3D, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline().startswith(b"+OK")
        check(shown()[process.pid], "", "")
        process.stdin.write(script(b""))
        process.stdin.flush()
        assert [process.stdout.readline() for _ in "UP"] == [b"+OK\r\n"] * 2
        check(shown()[process.pid], "", "alice")
        process.stdin.close()
        process.stdout.read()
        assert process.wait(SECONDS) is not None


def test_idle_is_the_time_since_the_last_command(host: Host) -> None:
    """A command brings the idle time below what it was; the age goes on."""
    with Talk() as talk:
        talk.line()
        pid = talk.process.pid
        wait_until(lambda: shown()[pid]["idle_s"] > 0.3)
        before = shown()[pid]
        talk.ask(b"NOOP")
        after = shown()[pid]
        assert after["age_s"] > before["age_s"]
        assert after["age_s"] - after["idle_s"] > before["age_s"] - before["idle_s"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_behind_inetd(host: Host, address: str) -> None:
    """The door of what inetd has started is inetd, before and after the login."""
    host.deliver("alice", MAILBOX)
    with (
        Inetd(port=PORT, addresses=(address,)) as inetd,
        socket.create_connection((address, PORT), SECONDS) as client,
        client.makefile("rb") as replies,
    ):
        assert replies.readline().startswith(b"+OK")
        (pid,) = inetd.sessions()
        row = shown()[pid]
        check(row, address, "")
        assert row["door"] == "inetd"
        client.sendall(script(b""))
        assert [replies.readline() for _ in "UP"] == [b"+OK\r\n"] * 2
        row = shown()[pid]
        check(row, address, "alice")
        assert row["door"] == "inetd"


def test_a_shell_as_door(host: Host) -> None:
    """A session that a shell has started says so, and the shell with its arguments is no session."""
    with Talk(["/bin/sh", "-c", f"{POPA3D[0]}; true"]) as talk:
        talk.line()
        (pid,) = children(talk.process.pid)
        found = shown()
        assert found[pid]["door"] == "shell"
        assert talk.process.pid not in found


@contextlib.contextmanager
def listener(host: Host, option: str) -> Iterator[subprocess.Popen[bytes]]:
    """popa3d -D or -F on PORT; it and its sessions are gone afterwards."""
    file = host.configuration(f'[listen]\nport = {PORT}\naddresses = ["127.0.0.1"]\n')
    with subprocess.Popen([*POPA3D, option, "-c", file], stdin=subprocess.DEVNULL, env={}) as process:
        try:
            yield process
        finally:
            process.kill()


def connected(process: subprocess.Popen[bytes]) -> socket.socket:
    """A connection to a listener that may still be starting."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", PORT), SECONDS)
        except ConnectionRefusedError:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("option", ["-DF", "-F", "-4F"])
def test_behind_the_listener(host: Host, option: str) -> None:
    """What listens is no session, though its arguments are those of its sessions, which remain sessions when it is killed."""
    host.deliver("alice", MAILBOX)
    with listener(host, option) as process, connected(process) as client, client.makefile("rb") as replies:
        assert replies.readline().startswith(b"+OK")
        wait_until(lambda: len(sessions_of(process.pid)) == 1)
        (pid,) = sessions_of(process.pid)
        (child,) = children(pid)
        found = shown()
        check(found[pid], "127.0.0.1", "")
        assert found[pid]["door"] == "popa3d -D"
        assert process.pid not in found and child not in found
        with connected(process) as other, other.makefile("rb") as lines:
            assert lines.readline().startswith(b"+OK")
            other.sendall(script(b""))
            assert [lines.readline() for _ in "UP"] == [b"+OK\r\n"] * 2
            wait_until(lambda: len(shown()) == 2)
            found = shown()
            (row,) = [found[one] for one in found if one != pid]
            check(row, "127.0.0.1", "alice")
            assert row["door"] == "popa3d -D"
        process.kill()
        process.wait(SECONDS)
        found = shown()
        check(found[pid], "127.0.0.1", "")
        assert child not in found
        client.sendall(b"QUIT\r\n")
        assert replies.readline() == b"+OK\r\n"


def test_a_user_sees_his_own(host: Host) -> None:
    """A normal user is shown only their own sessions, with the peers."""
    host.deliver("alice", MAILBOX)
    host.deliver("bob", MAILBOX)
    with Talk() as alice, Talk() as bob, Talk() as nobody:
        assert alice.login("alice") == bob.login("bob") == b"+OK\r\n"
        nobody.line()
        assert {alice.process.pid, bob.process.pid, nobody.process.pid} <= shown().keys()
        found = shown(user=ALICE.uid, group=ALICE.uid, extra_groups=[])
        assert {row["account"] for row in found.values()} == {"alice"}
        check(found[alice.process.pid], "127.0.0.1", "alice")
    assert shown(user=NOPASS.uid, group=NOPASS.uid, extra_groups=[]) == {}
    assert ran(user=NOPASS.uid, group=NOPASS.uid, extra_groups=[]) == status.table([])


def test_look_alikes(host: Host, tmp_path: Path) -> None:
    """Other programs with popa3d's name among their arguments are not sessions, whatever they call themselves."""
    python = "import time\ntime.sleep(60)\n"
    place = tmp_path / "some/dir"
    place.mkdir(parents=True)
    for name in ("popa3d", "popa3d.py", "popa3d-sessions", "other", "popa3d-status"):
        (place / name).write_text(python)
    (tmp_path / "popa3d").write_text("sleep 60;\n")
    mine = str(place / "popa3d")
    commands = [
        (PYTHON, [PYTHON, mine]),
        (PYTHON, [PYTHON, "-B", mine]),
        (PYTHON, [PYTHON, "-IBS", str(place / "popa3d.py")]),
        (PYTHON, [PYTHON, "-IBS", str(place / "popa3d-sessions")]),
        (PYTHON, [PYTHON, "-IBS", str(place / "popa3d-status")]),
        (PYTHON, [PYTHON, "-IBS", str(place / "other"), mine]),
        (PYTHON, [PYTHON, "-IBSc", f"{python}#/popa3d"]),
        ("/usr/bin/tail", ["tail", "-f", mine]),
        ("/usr/bin/perl", [PYTHON, "-IBS", str(tmp_path / "popa3d")]),
    ]
    with contextlib.ExitStack() as stack:
        pids = set()
        for program, words in commands:
            process = stack.enter_context(subprocess.Popen(words, executable=program, stdout=subprocess.DEVNULL, env={}))
            stack.callback(process.kill)
            pids.add(process.pid)
        real = stack.enter_context(Talk())
        real.line()
        found = shown().keys()
        assert real.process.pid in found
        assert not pids & found
        assert all(state(pid) != "Z" for pid in pids)


def test_only_root_listens(host: Host) -> None:
    """A user's process that looks as if it listened is none of those that packages end."""
    own = host.base / "own"
    own.mkdir()
    (own / "popa3d").write_text(f"import os, time\nos.chdir({str(HOME / 'bin')!r})\ntime.sleep({SECONDS})\n")
    for user, found in ((ALICE.uid, False), (0, True)):
        with subprocess.Popen([PYTHON, "-IBS", "popa3d", "-D"], cwd=own, user=user, group=user, extra_groups=[]) as process:
            try:
                wait_until(lambda pid=process.pid: Path(f"/proc/{pid}/cwd").resolve() == HOME / "bin")
                assert (str(process.pid) in ran("--listeners", str(HOME / "bin/popa3d")).split()) is found
            finally:
                process.kill()


def test_sessions_that_come_and_go(host: Host) -> None:
    """Sessions that end while they are looked at do no harm."""
    host.pam_stack(PAM_QUICK)
    host.deliver("alice", MAILBOX)
    done = threading.Event()
    served = []

    def serve() -> None:
        while not done.is_set():
            served.append(piped(script(b"QUIT\r\n")))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        for _ in range(20):
            for row in shown().values():
                assert row["state"] in ("authenticating", "transaction")
            counts.count_sessions("127.0.0.1")
    finally:
        done.set()
        thread.join()
    assert served and all(b"+OK" in got for got in served)


def test_kernels_tables_as_second_choice(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where descriptors cannot be copied the peer comes from the kernel's tables, and there is no idle time."""

    def refuse(pid: int, of: int) -> int:
        raise PermissionError

    monkeypatch.setattr(connections, "_copied", refuse)
    for ends, peer in (KINDS["IPv4"], KINDS["IPv6"], KINDS["IPv4 in IPv6"], KINDS["socketpair"]):
        with Talk(ends=ends()) as talk:
            talk.line()
            (found,) = [session for session in sessions.live() if session.pid == talk.process.pid]
            assert (found.peer, found.idle_s) == (peer, None)
