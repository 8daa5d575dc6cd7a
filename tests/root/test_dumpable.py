"""What other users can see of a process that knows a password, whatever fs.suid_dumpable and kernel.core_pattern say."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kills import attach
from tests.host import ALICE, PAM_QUICK, Host
from tests.talk import Talk, children, ids, wait_until

NULL = Path("/dev/null")
USER = ALICE.uid  # alice's


@contextlib.contextmanager
def sysctl(name: str, value: str) -> Iterator[None]:
    """A kernel's setting for the whole machine, put back afterwards."""
    path = Path("/proc/sys") / name
    before = path.read_text()
    path.write_text(value)
    try:
        yield
    finally:
        path.write_text(before)


@pytest.fixture(params=["0", "1", "2"])
def dumpable(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each value of fs.suid_dumpable, with a core handler for the whole machine."""
    with sysctl("kernel/core_pattern", "|/bin/true"), sysctl("fs/suid_dumpable", request.param):
        yield str(request.param)


def end_of(pid: int) -> tuple[int, int]:
    """How a child of ours ended: waitid(2)'s code and status. It is left to be waited for."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert found is not None
    return found.si_code, found.si_status


def test_a_core_is_dumped_of_others(dumpable: str) -> None:
    """The handler of these tests does get a process that is not protected: what they do not see would be seen."""
    abort = [sys.executable, "-c", "import os; os.abort()"]
    with subprocess.Popen(abort, preexec_fn=unlimited) as process:  # noqa: PLW1509 - no threads that matter
        assert end_of(process.pid) == (os.CLD_DUMPED, signal.SIGABRT)


def unlimited() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_no_core_of_who_knows_the_password(host: Host, dumpable: str) -> None:
    """The owner's signal between setresuid and exec gives no core of root's memory, neither a file nor to a handler."""
    host.pam_stack(PAM_QUICK)
    with Talk(preexec_fn=unlimited) as talk:
        talk.line()
        inject = ["--trace=setgroups", "--inject=setgroups:signal=SIGSEGV:when=2"]  # the last try to regain root
        with attach(talk.process.pid, NULL, *inject):
            talk.send(b"USER alice\r\nPASS sesame-1\r\n")
            assert talk.rest() == b"+OK\r\n"
        assert end_of(talk.process.pid) == (os.CLD_KILLED, signal.SIGSEGV)
    assert "loaded" not in host.syslog.text


def test_no_core_of_the_preauth_child(host: Host, dumpable: str) -> None:
    """Nor of the process that reads the password from the client."""
    with Talk(preexec_fn=unlimited) as talk:
        talk.line()
        (child,) = children(talk.process.pid)
        with attach(talk.process.pid, host.base / "waited", "--trace=wait4"):
            os.kill(child, signal.SIGSEGV)
            talk.rest()
        assert "WCOREDUMP" not in (host.base / "waited").read_text()
        assert "WTERMSIG(s) == SIGSEGV" in (host.base / "waited").read_text()
        assert Path(f"/proc/{talk.process.pid}").exists()


def may(pid: int, what: str, uid: int) -> bool:
    """Whether user `uid` may signal process `pid`, or read its memory, as a debugger would."""
    code = f"import os; os.kill({pid}, 0)" if what == "signal" else f"open('/proc/{pid}/mem', 'rb')"
    done = subprocess.run(
        ["/usr/bin/python3", "-IBS", "-c", code], user=uid, group=uid, extra_groups=[], stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0 or b"PermissionError" in done.stderr, done.stderr
    return done.returncode == 0


@contextlib.contextmanager
def held(talk: Talk, when: int, uids: str) -> Iterator[None]:
    """Log in, and hold root's process at the end of so many calls of setresuid, when it has these ids."""
    pid = talk.process.pid
    hold = f"--inject=setresuid:delay_exit={60_000_000}:when={when}"
    with attach(pid, NULL, "--trace=setresuid", hold) as tracer:
        talk.send(b"USER alice\r\nPASS sesame-1\r\n")
        wait_until(lambda: ids(pid)["Uid"].split() == uids.split())
        yield
        tracer.terminate()


def test_there_is_no_moment_for_a_debugger(host: Host, dumpable: str) -> None:
    """After the first change of ids the owner may neither signal nor trace the process; after the second it is undumpable."""
    host.pam_stack(PAM_QUICK)
    with Talk() as talk:
        talk.line()
        with held(talk, 1, f"0 {USER} 0 {USER}"):
            assert not may(talk.process.pid, "signal", USER) and not may(talk.process.pid, "memory", USER)
        assert talk.line() == b"+OK\r\n" and talk.line() == b"+OK\r\n"
        assert may(talk.process.pid, "memory", USER)  # it is the owner's program now: the test can see a difference
    with Talk() as talk:
        talk.line()
        with held(talk, 2, f"{USER} {USER} {USER} {USER}"):
            assert may(talk.process.pid, "signal", USER) and not may(talk.process.pid, "memory", USER)


def test_preauth_children_cannot_look_into_each_other(host: Host, dumpable: str) -> None:
    """The pre-auth child's memory is not for its own uid, which other connections' children have."""
    with Talk() as talk:
        talk.line()
        (child,) = children(talk.process.pid)
        assert not may(child, "memory", 20100)
