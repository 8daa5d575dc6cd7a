"""popa3d-status as a program: its options, its exit status, and the table that it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from popa3d.operator import sessions, status
from tests.host import Host, tmpfs, unmount
from tests.root.shown import STATUS, ran
from tests.talk import POPA3D

SECONDS = 20


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=str)
def test_watch(host: Host, arguments: list[str]) -> None:
    """--watch shows the sessions again and again; SIGINT ends it, with exit status 0 and nothing on standard error."""
    with subprocess.Popen(
        [STATUS, "--watch", "0.1", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - else it may be ignored
    ) as process:
        assert process.stdout and process.stderr
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        sign = b"[" if arguments else b"STATE ACCOUNT"
        seen = 0
        while seen < 3:
            line = process.stdout.readline()
            assert line
            seen += sign in line
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.stderr.read() == b""
        watchdog.cancel()
        assert process.wait(SECONDS) == 0


def test_output_that_cannot_be_written(host: Host) -> None:
    """A reader that has left is no fault; a full device is one, told in one line."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([STATUS], stdout=writing, stderr=subprocess.PIPE, env={}, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([STATUS], stdout=full, stderr=subprocess.PIPE, env={}, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


@pytest.mark.parametrize("arguments", [["--watch"], ["--watch", "0"], ["--watch", "nan"], ["-x"], ["alice"]], ids=str)
def test_wrong_usage(host: Host, arguments: list[str]) -> None:
    """Wrong usage exits 2."""
    done = subprocess.run([STATUS, *arguments], capture_output=True, env={}, check=False)
    assert done.returncode == 2 and done.stderr.startswith(b"usage: popa3d-status") and not done.stdout


def test_version(host: Host) -> None:
    """-V says what popa3d -V says first, with its own name."""
    popa3d = subprocess.run([*POPA3D, "-V"], capture_output=True, text=True, env={}, check=True).stdout.splitlines(True)[0]
    assert ran("-V") == popa3d.replace("popa3d ", "popa3d-status ")


def test_without_psutil(host: Host) -> None:
    """Where psutil is missing one line names the Debian package, and the exit status is 1."""
    places = [place for place in Path("/usr").glob("l*/**/*-packages") if (place / "psutil").exists()]
    try:
        for place in places:
            tmpfs(place)
        done = subprocess.run([STATUS], capture_output=True, text=True, env={}, check=False)
    finally:
        for place in places:
            unmount(place)
    assert places
    assert (done.returncode, done.stdout) == (1, "")
    assert "python3-psutil" in done.stderr and done.stderr.count("\n") == 1


def made_up(**changes: Any) -> sessions.Session:
    """A session with the longest values."""
    session = sessions.Session(4194304)
    session.peer = "2001:0db8:1111:2222:3333:4444:5555:6666"
    session.account = "a-name-of-32-characters-is-long.x"[:32]
    session.state = "transaction"
    session.age_s, session.idle_s = 86400.0 * 99 + 86399, 59 * 60 + 59.9
    session.memory, session.cpu_s, session.door = 999 * 1024**2, 99.99, "a-long-name-of-a-super-server"
    session.tls = "TLS 1.3"
    for name, value in changes.items():
        setattr(session, name, value)
    return session


@pytest.mark.parametrize(
    "rows",
    [
        [{}],
        [{"account": "", "state": "authenticating", "idle_s": None, "memory": None, "door": "", "tls": ""}],
        [{"peer": "192.0.2.255"}, {"account": "alice"}, {}],
        [{"age_s": 1e9, "idle_s": 1e9, "memory": 2**62, "cpu_s": 1e9}],
        [],
    ],
    ids=range(5),
)
def test_width_of_the_table(rows: list[dict[str, Any]]) -> None:
    """No line is longer than 80 characters, with the longest names and addresses; each session has one."""
    lines = status.table([made_up(**row) for row in rows]).splitlines()
    assert len(lines) == 1 + len(rows)
    assert max(map(len, lines)) <= 80


def test_what_the_table_cuts() -> None:
    """A long name keeps its start, a long address both ends; what fits is whole."""
    line = status.table([made_up()]).splitlines()[1]
    assert " a-name-of~ 2001~6666 " in line and line.endswith(" a-long-na TLS 1.3")
    line = status.table([made_up(tls="")]).splitlines()[1]
    assert " a-name-of~ 2001:0~5:6666 " in line
    line = status.table([made_up(account="alice", peer="192.0.2.255", pid=77)]).splitlines()[1]
    assert line.split() == [
        "77",
        "trans",
        "alice",
        "192.0.2.255",
        "99d23h",
        "59m59s",
        "999M",
        "99.99s",
        "a-long-na",
        "TLS",
        "1.3",
    ]
    whole = made_up(account="bob", peer="2001:db8:1:2::77", age_s=192, idle_s=7, memory=9542042, door="systemd")
    assert status.table([whole]).splitlines()[1].split()[2:7] == ["bob", "2001:db8:1:2::77", "3m12s", "7s", "9.1M"]


def test_names_that_a_terminal_would_obey() -> None:
    """Control characters and what is not ASCII are shown as question marks."""
    shows = status.table([made_up(account="a\33[2Jb\n", peer="", door="\x9b\u202e\udcff")])
    assert "a?[2Jb? " in shows and shows.count("\n") == 2 and shows.isascii() and "\33" not in shows
