"""The starter of popa3d -D: sessions without an interpreter between the login and the mail, and what happens without it."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from popa3d import VERSION
from popa3d.shared.limits import STATE
from popa3d.shared.process_name import SPARE
from tests.host import ALICE, HOME, PAM_OPEN, PASSWORDS, Host, bind, unmount
from tests.sockets import listening
from tests.super.daemon import Connected, Daemon, logged_in, name, over_the_limit, wait_until
from tests.talk import POPA3D, children, descriptors, ids

LIB = HOME / "lib"
STARTER = Path(POPA3D[0]).with_name("popa3d-starter")
ENDED = "The starter of sessions has ended: starting another one"
MAIL = b"From a@example.org Thu Jan  1 00:00:00 1970\nSubject: one\n\nbody\n"
NO_DELAY = "[listen]\nmin_delay_s = 0\n"
NONE_WAIT = f"{NO_DELAY}spare = 0\n"
DOTLOCK = '[mailbox]\nlocks = ["dotlock"]\n'  # in the tests' spool only another process can make them
IDENTITY = 1 << 6 | 1 << 7  # CAP_SETGID and CAP_SETUID (linux/capability.h)


def is_started_by(pid: int, starter: int) -> bool:
    """Whether a process was forked by the starter, and is its program."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return int(ids(pid)["PPid"]) == starter and command == Path(f"/proc/{starter}/cmdline").read_bytes()


def is_ready(starter: int) -> bool:
    """Whether it can be asked: it has closed what it says so on."""
    opened = descriptors(starter)
    return len(opened) == 8 and 5 not in opened


def waiting(starter: int) -> list[int]:
    """Its processes that wait for a login: it forks them once it can be asked."""
    return [pid for pid in children(starter) if name(pid) == SPARE]


def is_served() -> bool:
    """Whether a client is greeted."""
    with Connected() as talk:
        return talk.line().startswith(b"+OK")


def test_a_session(host: Host) -> None:
    """A client that has logged in is served by a child of the starter, for good the mailbox owner's, with nothing of root's."""
    host.deliver("alice", MAIL)
    with Daemon(host) as daemon, Connected() as talk:
        starter = daemon.starter()
        assert talk.login() == b"+OK\r\n"
        pid = daemon.session()
        assert is_started_by(pid, starter)
        found = ids(pid)
        assert found["Uid"].split() == found["Gid"].split() == [str(ALICE.uid)] * 4
        assert found["Groups"].split() in ([], [str(ALICE.uid)])
        assert {int(found[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "SigBlk")} == {0}
        ours = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM)
        assert not [number for number in ours if int(found["SigIgn"], 16) & 1 << number - 1]
        assert (found["NoNewPrivs"], found["NSsid"]) == ("1", found["NSpid"])
        assert os.stat(f"/proc/{pid}/status").st_uid == 0  # undumpable
        assert found["Seccomp_filters"].strip() == "2"  # the starter's, and its own
        opened = descriptors(pid)
        assert opened[0] == opened[1] and opened[0].startswith("socket:") and opened[2] == "/dev/null"
        assert not set(opened.values()) & set(descriptors(starter).values()) - {"/dev/null"}
        assert talk.ask(b"DELE 1") == b"+OK\r\n" and talk.ask(b"QUIT") == b"+OK\r\n"
        wait_until(daemon.idle)
    assert (host.spool / "alice").read_bytes() == b""


def test_what_the_starter_has(host: Host) -> None:
    """Of root's powers those to become somebody, and neither a socket of the internet's nor the key."""
    with Daemon(host) as daemon:
        assert logged_in()
        starter = daemon.starter()
        found = ids(starter)
        assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == IDENTITY and found["NoNewPrivs"] == "1"
        wait_until(daemon.idle)
        opened = descriptors(starter)
        assert [opened[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3 and len(opened) == 8
        assert not {each.link for each in listening()} & set(opened.values())
        assert Path(f"/proc/{starter}/environ").read_bytes() == b""
        command = Path(f"/proc/{starter}/cmdline").read_bytes().split(b"\0")
        assert command[-5:-1] == [os.fsencode(STARTER), VERSION.encode(), b"0", b"4"]


@pytest.mark.parametrize("times", [1, 3])
def test_the_starter_is_killed(host: Host, times: int) -> None:
    """Its sessions go on and still count, the log says it once each time, and there is another one."""
    host.pam_stack(PAM_OPEN)
    with Daemon(host, "[listen]\nmin_delay_s = 0\nsessions_per_source = 2\n") as daemon, Connected() as talk:
        assert talk.login() == b"+OK\r\n"
        session = daemon.session()
        for _ in range(times):
            starter = daemon.starter()
            os.kill(starter, signal.SIGKILL)
            # What the one before has forked last may have its name for a moment, but no children.
            wait_until(lambda starter=starter: daemon.starter() not in (0, starter) and waiting(daemon.starter()))
        wait_until(lambda: host.syslog.text.count(ENDED) == times)
        assert talk.ask(b"NOOP") == b"+OK\r\n"
        with Connected() as another:
            assert another.login() == b"+OK\r\n"
            assert over_the_limit("127.0.0.1")
            assert another.ask(b"QUIT") == b"+OK\r\n"
        wait_until(is_served)  # once the listener has heard of its end
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        wait_until(lambda: not Path(f"/proc/{session}").exists() and daemon.idle())


def test_processes_wait(host: Host) -> None:
    """As many as there are spare sessions wait for logins, root's, with nothing of a client's; who has one is replaced."""
    with Daemon(host, f"{NO_DELAY}spare = 2\n") as daemon, contextlib.ExitStack() as stack:
        starter = daemon.starter()
        for number in range(4):
            wait_until(lambda: len(waiting(starter)) == 2)
            for pid in waiting(starter):
                assert ids(pid)["Uid"] == ids(starter)["Uid"] and ids(pid)["CapEff"] == ids(starter)["CapEff"]
                own = set(descriptors(pid).values()) - set(descriptors(starter).values())
                assert not own and [descriptors(pid)[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3
            before = waiting(starter)
            talk = stack.enter_context(Connected())
            assert talk.login("alice" if number % 2 else "bob") == b"+OK\r\n"
            wait_until(lambda number=number: len(daemon.sessions()) == number + 1)
            assert len(set(before) & set(daemon.sessions())) == 1


def test_processes_that_wait_are_killed(host: Host) -> None:
    """Logins are served all the same, and after a while others wait."""
    with Daemon(host, NO_DELAY) as daemon:
        starter = daemon.starter()
        wait_until(lambda: len(waiting(starter)) == 4)
        for pid in waiting(starter):
            os.kill(pid, signal.SIGKILL)
        assert logged_in() and logged_in()
        wait_until(lambda: len(waiting(starter)) == 4)
        assert daemon.starter() == starter
    assert "The starter does not start" not in host.syslog.text


def test_another_number_waits(host: Host) -> None:
    """After a reload with another number of spare sessions there is another starter; sessions of the old one go on."""
    with Daemon(host, f"{NO_DELAY}spare = 1\n") as daemon, Connected() as talk, Connected() as late:
        starter = daemon.starter()
        assert talk.login() == b"+OK\r\n" and late.line().startswith(b"+OK")
        daemon.file.write_text(f"{NO_DELAY}spare = 3\n")
        daemon.process.send_signal(signal.SIGHUP)
        host.syslog.wait("Configuration reloaded")
        wait_until(lambda: len([pid for each in daemon.starters() if each != starter for pid in waiting(each)]) == 3)
        assert talk.ask(b"NOOP") == b"+OK\r\n" and logged_in()
        assert late.ask(b"USER bob") == b"+OK\r\n" and late.ask(b"PASS " + PASSWORDS["bob"].encode()) == b"+OK\r\n"
        assert talk.ask(b"QUIT") == late.ask(b"QUIT") == b"+OK\r\n"
        wait_until(lambda: starter not in daemon.starters() and daemon.idle())
    assert ENDED not in host.syslog.text


def test_the_starter_hangs(host: Host) -> None:
    """The session executes the owner's program itself; when the starter goes on, its child leaves the client alone."""
    host.deliver("alice", MAIL)
    with Daemon(host, NONE_WAIT) as daemon, Connected() as talk:
        starter = daemon.starter()
        wait_until(lambda: is_ready(starter))
        os.kill(starter, signal.SIGSTOP)
        try:
            assert talk.login() == b"+OK\r\n"
        finally:
            os.kill(starter, signal.SIGCONT)
        assert talk.ask(b"STAT") == b"+OK 1 %d\r\n" % (len(MAIL) + 2 - MAIL.index(b"\n"))
        (session,) = [pid for pid in children(daemon.pid) if ids(pid)["Uid"].split()[0] == str(ALICE.uid)]
        assert b"popa3d-session" in Path(f"/proc/{session}/cmdline").read_bytes()
        wait_until(lambda: not children(starter))
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert logged_in()
        assert daemon.starter() == starter
    assert "Internal error" not in host.syslog.text
    assert host.syslog.text.count("The starter does not start the session of alice") == 1


def test_the_starter_cannot_take_a_client(host: Host) -> None:
    """A starter that is out of descriptors costs nobody a session."""
    with Daemon(host, NONE_WAIT) as daemon:
        starter = daemon.starter()
        wait_until(lambda: is_ready(starter))
        before = resource.prlimit(starter, resource.RLIMIT_NOFILE)
        resource.prlimit(starter, resource.RLIMIT_NOFILE, (len(descriptors(starter)), before[1]))
        with Connected() as talk:
            assert talk.login() == b"+OK\r\n"
            assert not is_started_by(daemon.session(), starter)
        resource.prlimit(starter, resource.RLIMIT_NOFILE, before)
        with Connected() as talk:
            assert talk.login() == b"+OK\r\n"
            wait_until(lambda: len(children(starter)) == 1)


def test_the_starter_has_room_for_some_descriptors(host: Host) -> None:
    """A session never has some of what it was given: here the client's connection, but not who makes its dot-lock."""
    host.deliver("alice", MAIL)
    with Daemon(host, NONE_WAIT + DOTLOCK) as daemon:
        starter = daemon.starter()
        wait_until(lambda: is_ready(starter))
        opened = descriptors(starter)
        free = [fd for fd in range(20) if fd not in opened]
        before = resource.prlimit(starter, resource.RLIMIT_NOFILE)
        resource.prlimit(starter, resource.RLIMIT_NOFILE, (free[2], before[1]))  # two
        with Connected() as talk:
            assert talk.login() == b"+OK\r\n"
            assert not is_started_by(daemon.session(), starter)
            assert talk.ask(b"DELE 1") == b"+OK\r\n" and talk.ask(b"QUIT") == b"+OK\r\n"
    assert (host.spool / "alice").read_bytes() == b""


def test_the_listener_is_out_of_descriptors(host: Host) -> None:
    """Where the starter ends meanwhile, the listener goes on, and has another one as soon as it can."""
    with Daemon(host, f"{NO_DELAY}spare = 0\n") as daemon:
        starter = daemon.starter()
        wait_until(lambda: is_ready(starter))
        opened = descriptors(daemon.pid)
        before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (min(set(range(50)) - set(opened)), before[1]))
        os.kill(starter, signal.SIGKILL)
        host.syslog.wait("The starter of sessions cannot start: Too many open files")
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)
        assert logged_in()
    assert "Internal error" not in host.syslog.text


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent"])
def test_without_a_starter(host: Host, program: str) -> None:
    """Where its program does not work, the log says so, and not for each session; all are served."""
    nothing = host.base / "nothing"
    nothing.touch()
    bind(Path(program) if Path(program).exists() else nothing, str(STARTER))
    try:
        with Daemon(host, NO_DELAY) as daemon:
            for _ in range(3):
                assert logged_in()
            assert not daemon.starter()
            host.syslog.wait("The starter of sessions cannot start: it has ended")
    finally:
        unmount(str(STARTER))
    assert host.syslog.text.count("The starter") == 1


def test_another_version() -> None:
    """A starter that is not of the listener's version ends at once, without a word, and so does one that was started by hand."""
    for words in ([], ["1.0.3", "0", "0"], [VERSION, "0"], [VERSION, "0", "0", "x"]):
        done = subprocess.run([str(STARTER), *words], capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


@pytest.mark.parametrize("configuration", ["", DOTLOCK])
@pytest.mark.parametrize("removed", [False, True])
def test_an_upgrade_meanwhile(host: Host, removed: bool, configuration: str) -> None:
    """Sessions of a daemon that has not been restarted are those of its version to their end: they delete, too."""
    host.deliver("alice", MAIL)
    library = host.base / "library"
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(LIB, library, ignore=shutil.ignore_patterns("__pycache__"))
    bind(library, str(LIB))
    try:
        with Daemon(host, configuration) as daemon, Connected() as talk:
            assert talk.login() == b"+OK\r\n"
            if removed:
                shutil.rmtree(library / "popa3d")
            else:
                for path in library.rglob("*.py"):
                    path.write_text("raise AssertionError('another version')\n")
            assert talk.ask(b"DELE 1") == b"+OK\r\n" and talk.ask(b"QUIT") == b"+OK\r\n"
            assert logged_in()
            wait_until(daemon.idle)
    finally:
        unmount(str(LIB))
    assert (host.spool / "alice").read_bytes() == b""
    assert "Internal error" not in host.syslog.text


def test_the_listener_is_killed(host: Host) -> None:
    """Sessions go on without it; the starter ends when nobody can ask it any more, and so do spare sessions."""
    with Daemon(host) as daemon, Connected() as talk, Connected() as late:
        starter, spares = daemon.starter(), daemon.spares()
        assert talk.login() == b"+OK\r\n" and late.line().startswith(b"+OK")
        daemon.process.kill()
        daemon.process.wait(60)
        assert talk.ask(b"NOOP") == b"+OK\r\n"
        assert late.ask(b"USER alice") == b"+OK\r\n" and late.ask(b"PASS sesame-1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == late.ask(b"QUIT") == b"+OK\r\n"
        for pid in (starter, *spares):
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def test_at_the_end(host: Host) -> None:
    """SIGTERM leaves a session its time: the listener ends after it, and then there is nothing of either."""
    with Daemon(host) as daemon, Connected() as talk:
        assert talk.login() == b"+OK\r\n"
        starter, session = daemon.starter(), daemon.session()
        daemon.process.terminate()
        wait_until(lambda: not daemon.spares())
        assert talk.ask(b"NOOP") == b"+OK\r\n"
        assert daemon.process.poll() is None
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert daemon.process.wait(60) == 0
        for pid in (starter, session):
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())
    assert not list(Path(STATE).rglob("*.new"))
