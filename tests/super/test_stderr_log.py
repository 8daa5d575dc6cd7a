"""The log on standard error: where popa3d listens in the foreground, where a super-server keeps it apart, and never on a client's
connection."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import CHECKOUT, Host
from tests.root.shown import ran, shown
from tests.super.daemon import Connected, Daemon, refused
from tests.talk import POPA3D, Talk, children, descriptors, ids, state, wait_until

STDERR = '[log]\nto = "stderr"\n'
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
MBOX = b"From bob Mon Nov 23 06:00:00 2026\nSubject: hello\n\nhello\n\n"
COMMANDS = b"RETR 1\r\nQUIT\r\n"
REPLIES = b"+OK\r\nSubject: hello\r\n\r\nhello\r\n.\r\n+OK\r\n"
OCTETS = len(b"+OK\r\n") + len(REPLIES) - len(b"+OK\r\n")  # the login's reply, and all but QUIT's

SESSION = [
    r"Session from 127\.0\.0\.1",
    r"Authentication passed for alice from 127\.0\.0\.1",
    r"1 message \(\d+ bytes\) loaded for alice",
    rf"0 \(0\) deleted, 1 \(\d+\) left for alice messages=1 octets={OCTETS} seconds=\d+",
]


@pytest.fixture(autouse=True)
def mail(host: Host) -> None:
    """Alice has a message."""
    host.deliver("alice", MBOX)


@pytest.fixture
def no_system_log(host: Host) -> Iterator[None]:
    """A host on which nobody listens on /dev/log."""
    os.rename("/dev/log", "/dev/away")
    yield
    os.rename("/dev/away", "/dev/log")


def talked(talk: Talk) -> None:
    """A session of alice's. What she gets is what she would get otherwise, octet for octet."""
    assert talk.login() == b"+OK\r\n"
    talk.send(COMMANDS)
    assert talk.rest() == REPLIES


def of_session(lines: list[str], head: str) -> list[str]:
    """The texts of the lines with that head. All have one process id, but for those after the login, which may have another."""
    matched = [re.fullmatch(rf"{head}popa3d\[(\d+)\]: (.*)", line) for line in lines]
    assert all(matched), lines
    pids, texts = ([match[group] for match in matched if match] for group in (1, 2))
    until_login = next((i for i, text in enumerate(texts, 1) if text.startswith("Authentication passed")), len(texts))
    assert len(set(pids[:until_login])) == 1 and len(set(pids[until_login:])) <= 1
    return texts


def assert_session(lines: list[str], head: str = f"{TIME} ") -> None:
    """The lines are those of one session, with that head."""
    texts = of_session(lines, head)
    assert len(texts) == len(SESSION)
    for text, expected in zip(texts, SESSION, strict=True):
        assert re.fullmatch(expected, text), (text, expected)


def read_all(fd: int) -> list[str]:
    """The lines in a pipe that nobody writes any more."""
    with os.fdopen(fd, "rb") as file:
        return file.read().decode().splitlines()


@pytest.mark.parametrize("configuration", ["", STDERR], ids=["by itself", "as configured"])
def test_pipe(host: Host, no_system_log: None, configuration: str) -> None:
    """In a container a listener in the foreground logs on its standard error, and so do its sessions, each line as a whole."""
    reading, writing = os.pipe()
    with Daemon(host, configuration, ("-F",), writing):
        os.close(writing)
        with Connected() as talk:
            talked(talk)
    lines = [line for line in read_all(reading) if "No libwrap" not in line]
    assert_session(lines)
    (pattern,) = re.findall(r"^left for \(.*$", (CHECKOUT / "man/popa3d.8").read_text(), re.M)
    found = re.search(pattern, lines[-1])
    assert found and found.groups()[:3] == ("alice", "1", str(OCTETS)) and found[4].isdigit()


def test_modules_of_pam(host: Host, no_system_log: None) -> None:
    """What PAM's modules log with syslog(3) is on standard error too, with the process id and without a time."""
    reading, writing = os.pipe()
    with Daemon(host, "", ("-F",), writing):
        os.close(writing)
        with Connected() as talk:
            assert talk.login("alice", "wrong").startswith(b"-ERR")
            assert talk.rest() == b""
    lines = [line for line in read_all(reading) if "No libwrap" not in line]
    (of_module,) = [line for line in lines if "pam_unix" in line]
    (of_popa3d,) = [line for line in lines if "Authentication failed" in line]
    pid = of_popa3d.partition("[")[2].partition("]")[0]
    assert of_module.startswith(f"popa3d[{pid}]: pam_unix(popa3d:auth): authentication failure;")


def test_system_log_first(host: Host) -> None:
    """Where there is a system log, a listener in the foreground says nothing on standard error unless it is configured."""
    reading, writing = os.pipe()
    with Daemon(host, '[log]\nfacility = "mail"\n', ("-F",), writing):
        os.close(writing)
        with Connected() as talk:
            talked(talk)
    assert [line for line in read_all(reading) if "libwrap" not in line] == []
    line = host.syslog.wait("Authentication passed for alice")
    left = host.syslog.wait("left for alice")
    assert line.startswith("<22>") and left.startswith("<22>")  # LOG_MAIL, LOG_INFO: root's lines, and the owner's


def test_explicit_system_log(host: Host, no_system_log: None) -> None:
    """Whoever asks for the system log gets no other, even if it is not there (yet)."""
    reading, writing = os.pipe()
    with Daemon(host, '[log]\nto = "syslog"\n', ("-F",), writing):
        os.close(writing)
        with Connected() as talk:
            talked(talk)
    assert read_all(reading) == []


def test_file(host: Host, tmp_path: Path) -> None:
    """Sessions of a listener whose standard error is a file have a pipe; nothing is lost, and the copier is no session."""
    output = tmp_path / "log"
    with output.open("wb") as file, Daemon(host, STDERR, ("-F",), file.fileno()) as daemon:
        with Connected() as talk:
            assert talk.login() == b"+OK\r\n"
            ((pid, _),) = shown().items()
            assert ids(pid)["Uid"].split()[0] == "20001"
            assert descriptors(pid)[2].startswith("pipe:")
            assert str(output) not in descriptors(pid).values()
            assert ran("--listeners", POPA3D[0]).split() == [str(daemon.pid)]
            talk.send(COMMANDS)
            assert talk.rest() == REPLIES
        wait_until(lambda: not shown())
        (copier,) = daemon.copiers()
        assert [descriptors(copier)[2], len(descriptors(copier))] == [str(output), 3]
    lines = [line for line in output.read_text().splitlines() if "No libwrap" not in line]
    assert_session(lines)


def test_copier_that_is_killed(host: Host, tmp_path: Path) -> None:
    """A copier that ends is replaced, and what was logged meanwhile is there; control characters do not reach the file."""
    output = tmp_path / "log"
    with output.open("wb") as file, Daemon(host, STDERR, ("-F",), file.fileno()) as daemon:
        (copier,) = daemon.copiers()
        os.kill(copier, signal.SIGSTOP)
        with Connected() as talk:
            talked(talk)
        os.kill(copier, signal.SIGKILL)
        wait_until(lambda: daemon.copiers() not in ([], [copier]))
        with open(f"/proc/{daemon.pid}/fd/2", "wb", buffering=0) as pipe:
            pipe.write(b"\x1b[2J\xff\n")
        wait_until(lambda: "?[2J?" in output.read_text())
    lines = [line for line in output.read_text().splitlines() if "No libwrap" not in line and line != "?[2J?"]
    assert_session(lines)


def test_listener_that_has_ended(host: Host, tmp_path: Path) -> None:
    """Sessions that outlive the listener still have a log, whatever the copier is told; it is no listener, and ends with them."""
    output = tmp_path / "log"
    with output.open("wb") as file, Daemon(host, STDERR, ("-F",), file.fileno()) as daemon:
        (copier,) = daemon.copiers()
        with Connected() as talk:
            assert talk.login() == b"+OK\r\n"
            for _ in range(2):
                daemon.process.terminate()
                wait_until(lambda: refused("127.0.0.1"))
            assert daemon.process.wait(60) == 0
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(copier, number)
            assert ran("--listeners", POPA3D[0]) == ""
            talk.send(COMMANDS)
            assert talk.rest() == REPLIES
        wait_until(lambda: "left for alice" in output.read_text())
        wait_until(lambda: not os.path.exists(f"/proc/{copier}") or state(copier) == "Z")


def test_journal(host: Host) -> None:
    """Standard error that systemd has connected to the journal gets priorities, not times; another socket does not."""
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    with (
        ours,
        Talk(
            [*POPA3D, "-c", host.configuration(STDERR)],
            stderr=theirs,
            env={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
        ) as talk,
    ):
        theirs.close()
        talked(talk)
        said = b"".join(iter(lambda: ours.recv(65536), b"")).decode().splitlines()
    assert_session(said, "<6>")
    assert host.syslog.lines == []


def test_not_the_journal(host: Host) -> None:
    """A socket that systemd has not named may be a client's, whatever the environment has: the system log has the lines."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        Talk([*POPA3D, "-c", host.configuration(STDERR)], stderr=theirs, env={"JOURNAL_STREAM": "1:2"}) as talk,
    ):
        theirs.close()
        talked(talk)
        assert ours.recv(65536) == b""
    host.syslog.wait("left for alice")


def test_reader_that_has_gone(host: Host) -> None:
    """A session goes on when nobody reads its log any more."""
    reading, writing = os.pipe()
    with Talk([*POPA3D, "-c", host.configuration(STDERR)], stderr=writing) as talk:
        os.close(writing)
        os.close(reading)
        talked(talk)
        assert talk.status() == 0


def test_inetd(host: Host) -> None:
    """Where standard error is the client's connection nothing is written there: the system log has the lines."""
    with Talk([*POPA3D, "-c", host.configuration(STDERR)]) as talk:
        talked(talk)
    host.syslog.wait("Session from 127.0.0.1")
    host.syslog.wait("left for alice")


def test_pipe_of_a_super_server(host: Host) -> None:
    """A super-server's pipe gets the lines of root and of the owner's program; who talks to strangers does not have it."""
    reading, writing = os.pipe()
    with Talk([*POPA3D, "-c", host.configuration(STDERR)], stderr=writing) as talk:
        os.close(writing)
        assert talk.line().startswith(b"+OK")
        (child,) = children(talk.process.pid)
        wait_until(lambda: ids(child)["Uid"].split()[0] == "20100")
        assert descriptors(child)[2] == "/dev/null"
        talk.send(b"USER alice\r\nPASS sesame-1\r\n" + COMMANDS)
        assert talk.rest() == b"+OK\r\n+OK\r\n" + REPLIES
    assert_session(read_all(reading))
    assert host.syslog.lines == []


def test_locker(host: Host) -> None:
    """The process that makes dot-locks has the pipe on descriptor 2 alone."""
    reading, writing = os.pipe()
    with Talk([*POPA3D, "-c", host.configuration(STDERR + '[mailbox]\nlocks = ["dotlock"]\n')], stderr=writing) as talk:
        os.close(writing)
        assert talk.login() == b"+OK\r\n"
        (locker,) = children(talk.process.pid)
        assert [descriptors(locker)[fd] for fd in (0, 1)] == ["/dev/null", "/dev/null"]
        talk.send(COMMANDS)
        assert talk.rest() == REPLIES
    assert_session(read_all(reading))


@pytest.mark.parametrize("kind", ["file", "terminal", "the client's pipe", "closed"])
def test_unfit(host: Host, tmp_path: Path, kind: str) -> None:
    """A session gets no file, no terminal, and nothing that its client has: the system log has the lines."""
    command = [*POPA3D, "-c", host.configuration(STDERR)]
    says = b"USER alice\r\nPASS sesame-1\r\n" + COMMANDS
    with contextlib.ExitStack() as stack:
        errors: int = subprocess.STDOUT
        if kind == "file":
            errors = stack.enter_context((tmp_path / "log").open("wb")).fileno()
        elif kind == "terminal":
            main, errors = os.openpty()
            stack.callback(os.close, main)
            stack.callback(os.close, errors)
        closing = {"preexec_fn": lambda: os.close(2)} if kind == "closed" else {}
        done = subprocess.run(  # type: ignore[call-overload]
            command, input=says, stdout=subprocess.PIPE, stderr=errors, timeout=60, env={}, check=False, **closing
        )
        if kind == "terminal":
            os.set_blocking(main, False)
            with pytest.raises(BlockingIOError):
                os.read(main, 1)
    assert done.stdout == b"+OK popa3d ready\r\n+OK\r\n+OK\r\n" + REPLIES
    host.syslog.wait("left for alice")
    assert kind != "file" or (tmp_path / "log").read_bytes() == b""


def test_detached(host: Host) -> None:
    """A daemon that detaches has no standard error to log on: it says so, and does not start."""
    command = [*POPA3D, "-D", "-c", host.configuration(STDERR)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, check=False)
    reason = 'log.to is "stderr", but popa3d -D leaves that when it detaches: use -F'
    assert (done.returncode, done.stderr) == (1, f"popa3d: {reason}\n")
    assert host.syslog.wait(reason)


def test_cannot_listen(host: Host) -> None:
    """What keeps it from listening is told once on standard error, in one form or the other."""
    with socket.create_server(("127.0.0.1", 110)):
        done = subprocess.run(
            [*POPA3D, "-F", "-c", host.configuration(STDERR + '[listen]\naddresses = ["127.0.0.1"]\n')],
            capture_output=True,
            text=True,
            timeout=60,
            env={},
            check=False,
        )
    assert done.returncode == 1
    assert re.fullmatch(rf"{TIME} popa3d\[\d+\]: 127\.0\.0\.1 port 110: Address already in use\n", done.stderr)


def test_reload(host: Host) -> None:
    """SIGHUP changes the facility, for the listener and for sessions from then on, and not where the log goes."""
    with Daemon(host, "", ("-F",)) as daemon:
        daemon.file.write_text('[log]\nto = "stderr"\nfacility = "local3"\n')
        os.kill(daemon.pid, signal.SIGHUP)
        assert host.syslog.wait("Configuration reloaded").startswith("<158>")
        with Connected() as talk:
            talked(talk)
        assert host.syslog.wait("left for alice").startswith("<158>")
        assert not stat.S_ISFIFO(os.stat(f"/proc/{daemon.pid}/fd/2").st_mode) or daemon.copiers() == []
