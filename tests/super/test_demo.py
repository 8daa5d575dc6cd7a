"""The demonstration that `make run` starts, run as a whole."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import HOME, Host, tmpfs, unmount
from tests.talk import children, wait_until

SECONDS = 120
COMMAND = ["/usr/bin/python3", "-B", "-m", "tests.demo"]


def descendants(pid: int) -> list[int]:
    """The process ids of all that descend of a process."""
    found = []
    try:
        for child in children(pid):
            found += [child, *descendants(child)]
    except OSError:
        pass  # it has just ended
    return found


def outside() -> tuple[str, list[str], list[str]]:
    """What the demonstration must leave as it is: mounts, and files where it might leave some."""
    return Path("/proc/self/mounts").read_text(), sorted(os.listdir("/tmp")), sorted(os.listdir("/run"))


@pytest.fixture(autouse=True)
def empty_tmp() -> Iterator[None]:
    """A /tmp where nobody else works."""
    tmpfs("/tmp", "mode=1777")
    yield
    unmount("/tmp")


@pytest.fixture
def demo(host: Host) -> Iterator[subprocess.Popen[str]]:
    """The running demonstration; all waits for it are bounded by the end of the process."""
    process = subprocess.Popen(COMMAND, cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    with process:
        yield process
        process.kill()
    watchdog.cancel()


def told(demo: subprocess.Popen[str], part: str) -> list[str]:
    """The lines that the demonstration prints, up to one that contains `part`."""
    assert demo.stdout
    lines: list[str] = []
    while not lines or part not in lines[-1]:
        line = demo.stdout.readline()
        assert line, f"never printed: {part!r}, but {lines}"
        lines.append(line)
    return lines


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_demonstration(host: Host, demo: subprocess.Popen[str], ending: signal.Signals) -> None:
    """The printed curl line fetches a message, the log is shown, and however it is ended nothing stays behind."""
    before = outside()
    lines = told(demo, "Ctrl-C")
    command = next(line for line in lines if "/1 -u demo:" in line).split("  the first")[0].split()
    got = subprocess.run(command, capture_output=True, timeout=SECONDS, check=True).stdout
    first = (HOME / "tests/demo.mbox").read_bytes().split(b"\n\nFrom ")[0].partition(b"\n")[2] + b"\n"
    assert got == first.replace(b"\n", b"\r\n")
    told(demo, "Authentication passed for demo from 127.0.0.1")
    told(demo, "0 (0) deleted, 6 ")
    with socket.create_connection(("127.0.0.1", 1110), SECONDS) as client:
        assert client.recv(100).startswith(b"+OK")  # so that there is a session in the middle of things
        # init of the namespace, inetd, the session and its pre-auth child; curl's session is about to end
        wait_until(lambda: len(descendants(demo.pid)) == 4)
        watched = [os.pidfd_open(pid) for pid in descendants(demo.pid)]
        demo.send_signal(ending)
        assert demo.wait(SECONDS) == (-ending if ending == signal.SIGKILL else 0)
        for process in watched:
            assert select.select([process], [], [], SECONDS)[0], "a process is left"
            os.close(process)
        client.settimeout(SECONDS)
        assert client.recv(100) == b""
    assert outside() == before
    assert host.syslog.text == ""


def test_a_busy_port_is_told_in_one_line(host: Host) -> None:
    """Where the port is taken the demonstration says so in one line and changes nothing."""
    before = outside()
    with socket.create_server(("127.0.0.1", 1110)):
        done = subprocess.run(COMMAND, cwd=HOME, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "port 1110" in done.stderr
    assert outside() == before


@pytest.mark.parametrize("without", [["--reuid=65534"], ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]])
def test_missing_rights_are_told_in_one_line(host: Host, without: list[str]) -> None:
    """Who is not root, or may not have namespaces, reads one line that says what is needed."""
    run = ["/usr/bin/setpriv", "--clear-groups", *without, *COMMAND]
    done = subprocess.run(run, cwd=HOME, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "root" in done.stderr or "CAP_SYS_ADMIN" in done.stderr
