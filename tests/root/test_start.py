"""Whoever starts popa3d, and however: what a session has of that is what it should."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from popa3d.shared.limits import INVALID_COMMANDS, LOGIN_TIMEOUT_S, PAM_TIMEOUT_S, RECORD_GRACE_S, USER
from tests.host import HOME, PAM_QUICK, Host, bind, unmount
from tests.root.test_identity import traced
from tests.talk import POPA3D, Talk, becoming, children, connection, descriptors, ids

FILE_SIZE = 1 << 30


def spoil() -> None:
    """What a careless super-server could leave: a descriptor, groups, umask, limits, ignored signals."""
    os.dup2(os.open("/etc/shadow", os.O_RDONLY), 500)
    os.setgroups([4, 8, 20200])
    os.umask(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for number in (signal.SIGALRM, signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def test_nothing_is_inherited(host: Host) -> None:
    """Groups, umask, limits, ignored signals, environment and directory of whoever starts it do not reach any process of it."""
    directory = host.base / "secret"
    directory.mkdir(mode=0o700, exist_ok=True)
    with Talk(preexec_fn=spoil, close_fds=False, cwd=directory) as talk:
        talk.line()
        pid = talk.process.pid
        ours = [pid, *children(pid)]
        assert len(ours) == 2
        assert talk.ask(b"USER alice") == b"+OK\r\n"
        seen = [ids(one) for one in ours]
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert not [one for one in ours if "/etc/shadow" in descriptors(one).values()]
        assert talk.ask(b"PASS sesame-1") == b"+OK\r\n"
        assert talk.ask(b"NOOP") == b"+OK\r\n"
        seen.append(ids(pid))
        assert seen[1]["Groups"].strip() == seen[2]["Groups"].strip() == ""
        for found in seen:
            assert found["Umask"].strip() == "0077"
            ignored = int(found["SigIgn"], 16)
            for number in (signal.SIGALRM, signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                assert not ignored >> (number - 1) & 1
        limits = Path(f"/proc/{pid}/limits").read_text()
        (most,) = re.findall(r"Max file size +(\w+) +\1 ", limits)
        assert most in ("unlimited", str(FILE_SIZE))  # the latter without the capability to raise it
        assert re.search(r"Max core file size +1 +1 ", limits)
        assert os.readlink(f"/proc/{pid}/cwd") == "/"


SHOW = f"""
import sys
sys.path.insert(0, {str(HOME / "lib")!r})
from popa3d.root import process
process.forget_environment()
import ctypes, posix
entries = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
print(bool(entries) and entries[0], posix.environ)
"""


@pytest.mark.parametrize("variables", [{}, {"A": "b", "LD_BIND_NOW": "1"}, {"": "x=y", "A": "b"}], ids=str)
def test_environment(host: Host, variables: dict[str, str]) -> None:
    """No variable stays for PAM's modules, not even one without a name, which unsetenv(3) cannot remove; sessions are served."""
    command = ["/usr/bin/python3", "-IBS", "-c", SHOW]
    done = subprocess.run(
        command,
        preexec_fn=becoming(command, variables),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout in ("None {}\n", "False {}\n")
    with Talk(preexec_fn=becoming(POPA3D, variables)) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert talk.status() == 0


def test_alarms(host: Host) -> None:
    """SIGALRM is due in turn for what hangs before the record, and for PAM; the session itself has none to die of."""
    trace = traced(host, b"USER alice\r\nPASS sesame-1\r\nQUIT\r\n")
    order = [(name, rest) for _, _, name, rest in trace.calls if name in ("alarm", "setitimer", "execve")]
    alarms = [rest.partition(")")[0] for name, rest in order if name == "alarm"]
    assert alarms == [str(LOGIN_TIMEOUT_S + 2 * RECORD_GRACE_S), str(PAM_TIMEOUT_S), "0"]
    names = [name for name, _ in order]
    assert names == ["execve", "alarm", "alarm", "alarm", "execve"]


def reset_by_its_client() -> tuple[socket.socket, socket.socket]:
    """A connection whose client has gone before anybody looked at it."""
    client, server = connection()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    return socket.socket(), server


def test_client_that_has_gone(host: Host) -> None:
    """A client that resets the connection before it is looked at is not taken for a pipe."""
    with Talk(ends=reset_by_its_client()) as talk:
        talk.status()
    assert "Session from a client that has gone" in host.syslog.text


def test_invalid_commands(host: Host) -> None:
    """A client that has sent too many lines that are no commands is sent away before it logs in; one less is fine."""
    host.pam_stack(PAM_QUICK)
    for line in (b"", b"XYZZY", b"PASS x", b"USER", b"\0", b"QUIT now"):
        with Talk() as talk:
            talk.line()
            for _ in range(INVALID_COMMANDS - 1):
                assert talk.ask(line) == b"-ERR invalid command\r\n"
            assert talk.ask(b"USER alice") == b"+OK\r\n"
            assert talk.ask(b"PASS sesame-1") == b"+OK\r\n"
            for _ in range(INVALID_COMMANDS + 1):
                assert talk.ask(b"") == b"-ERR invalid command\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
    host.syslog.clear()
    with Talk() as talk:
        talk.line()
        talk.send(b"\r\n" * 100_000)
        assert talk.rest() == b"-ERR invalid command\r\n" * INVALID_COMMANDS + b"-ERR too many commands without a login\r\n"
        assert talk.status() == 0
    assert "Too many commands without a login from 127.0.0.1" in host.syslog.text


def test_group_zero_of_the_preauth_user(host: Host) -> None:
    """The user popa3d must have neither uid 0 nor group 0."""
    for old, new in ((":20100:20100:", ":20100:0:"), (":20100:20100:", ":0:20100:")):
        passwd = host.base / "passwd"
        passwd.write_text(Path("/etc/passwd").read_text().replace(f"{USER}:x{old}", f"{USER}:x{new}"))
        bind(passwd, "/etc/passwd")
        try:
            with Talk() as talk:
                assert talk.rest() == b""
                assert talk.status() == 1
        finally:
            unmount("/etc/passwd")
        host.syslog.wait(f"User {USER} must not have uid 0 or group 0")
        host.syslog.clear()
