"""A session that was taken over: a program in the place of popa3d-session, started by root's process in the same way."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import ALICE, HOME, PAM_QUICK, Host
from tests.sandbox.attempts import HONEST, PROGRAM, SESSION
from tests.sandbox.conftest import Targets
from tests.super.daemon import Connected, Daemon
from tests.talk import Talk, script

LOADER = "/lib64/ld-linux-x86-64.so.2"
OWN = 1024  # error numbers from here on are the filter's: log.REFUSED_ERROR


def program(targets: Targets, attempts: dict[str, str]) -> str:
    """A program that makes these attempts, and prints what became of each."""
    lines = [PROGRAM, targets.text]
    for name, code in attempts.items():
        lines.append(f"try:\n    {code}\nexcept OSError as error:\n    result = error.errno\nelse:\n    result = 'done'")
        lines.append(f"os.write(1, ('%s %s\\n' % (result, {name!r})).encode())")
    return "\n".join(lines)


def results(output: bytes) -> dict[str, str]:
    """The attempts by name, with "done" or the number of an error."""
    return {name: result for result, _, name in (line.partition(" ") for line in output.decode().splitlines())}


def taken_over(host: Host, text: str) -> bytes:
    """What a program says that is in popa3d-session's place when alice has logged in."""
    place = host.base / "taken-over-session"
    (place / "bin").mkdir(parents=True, exist_ok=True)
    if not (place / "lib").exists():
        (place / "lib").symlink_to(HOME / "lib")
    for name, content in (("popa3d", (HOME / "bin/popa3d").read_text()), ("popa3d-session", text)):
        (place / "bin" / name).write_text(content)
        (place / "bin" / name).chmod(0o755)
    host.pam_stack(PAM_QUICK)
    with Talk([str(place / "bin/popa3d")]) as talk:
        talk.send(script(b""))
        return talk.rest().partition(b"+OK\r\n")[2].removeprefix(b"+OK\r\n")


def taken_over_with_a_listener(host: Host, text: str) -> bytes:
    """The same with -D: the program is in the place of what the starter forks."""
    place = host.base / "taken-over-session"
    (place / "bin").mkdir(parents=True, exist_ok=True)
    if not (place / "lib").exists():
        (place / "lib").symlink_to(HOME / "lib")
    text = text.replace("os.uname().machine", repr(platform.machine()))  # an interpreter may ask at its start, a session not
    starter = (HOME / "bin/popa3d-starter").read_text()
    serve = f"def serve(_handover):\n    exec({text!r}, {{}})\n    os._exit(0)\n\n\nstarter.main(serve)"
    changed = starter.replace("import sys\n", "import os\nimport sys\n", 1).replace("starter.main(forked.serve)", serve)
    assert changed.count("serve") > starter.count("serve")
    for name, content in (("popa3d", (HOME / "bin/popa3d").read_text()), ("popa3d-starter", changed)):
        (place / "bin" / name).write_text(content)
        (place / "bin" / name).chmod(0o755)
    host.pam_stack(PAM_QUICK)
    with Daemon(host, program=str(place / "bin/popa3d")) as daemon, Connected() as talk:
        assert daemon.starter()
        talk.send(script(b""))
        return talk.rest().partition(b"+OK\r\n")[2].removeprefix(b"+OK\r\n")


@pytest.mark.parametrize("take_over", [taken_over, taken_over_with_a_listener])
def test_each_attempt_fails(host: Host, targets: Targets, take_over: Callable[[Host, str], bytes]) -> None:
    """No attempt is successful, and what a session does itself is."""
    attempts = {name: code for name, (code, _) in SESSION.items()} | HONEST
    got = results(take_over(host, program(targets, attempts)))
    assert list(got) == list(attempts)
    assert {name for name in got if got[name] == "done"} == set(HONEST)
    host.syslog.wait("it works")


def test_what_can_be_executed(host: Host, targets: Targets) -> None:
    """The interpreter, which root's process must be able to execute, gains nothing by it; the loader loads nothing else."""
    attempts = {name: code for name, (code, _) in SESSION.items()}
    again = f"os.execv('/usr/bin/python3', ['python3', '-IBSc', {program(targets, attempts)!r}])"
    got = results(taken_over(host, PROGRAM + again))
    assert list(got) == list(attempts)
    assert "done" not in got.values()
    loader = "os.dup2(1, 2)" if not Path(LOADER).exists() else f"os.execv({LOADER!r}, ['ld', '/usr/bin/id'])"
    assert taken_over(host, PROGRAM + loader) == b""


def test_each_attempt_is_possible(host: Host, targets: Targets) -> None:
    """Without the sandbox the owner can do what is marked so: the test above sees the sandbox, and not a mistake in it."""
    for name, (code, possible) in SESSION.items():
        done = subprocess.run(
            ["/usr/bin/python3", "-IBSc", program(targets, {name: code})],
            user=ALICE.uid,
            group=ALICE.uid,
            extra_groups=[],
            capture_output=True,
            check=False,
            timeout=60,
        )
        if possible is None:
            continue
        succeeded = results(done.stdout).get(name, "done" if done.returncode == 0 else "?") == "done"
        assert succeeded == possible, (name, done.stdout, done.stderr)


@pytest.mark.parametrize("size", [16 * 1024 * 1024 - 1, 16 * 1024 * 1024], ids=["smaller", "large"])
def test_who_may_fork(host: Host, targets: Targets, size: int) -> None:
    """Only the session of a mailbox that two processes look at may start one, and no thread or namespace with it."""
    with (host.spool / "alice").open("r+b") as file:
        file.truncate(size)
    attempts = {
        "fork": "os.fork() or os._exit(0)",
        "thread": SESSION["a thread"][0],
        "namespace": "call('clone', 0x10000011, 0, 0, 0, 0)",
    }
    got = results(taken_over(host, program(targets, attempts)))
    assert (got.pop("fork") == "done") == (size == 16 * 1024 * 1024)
    assert all(int(result) >= OWN for result in got.values())


def test_with_dotlocks(host: Host, targets: Targets) -> None:
    """Where a session makes dot-locks itself it may make and remove files in the spool, and no more."""
    host.spool.chmod(0o1777)
    attempts = {
        "lock": "os.close(os.open(mailbox + '.lock', os.O_CREAT | os.O_EXCL | os.O_WRONLY))",
        "unlock": "os.unlink(mailbox + '.lock')",
        "directory": "os.mkdir('/var/mail/directory')",
        "outside": "os.open(outside + '/taken', os.O_CREAT | os.O_WRONLY)",
    }
    text = program(targets, attempts)
    assert results(taken_over(host, text))["lock"] != "done"
    configured = host.configuration('[mailbox]\nlocks = ["dotlock"]\n')
    with Talk([str(host.base / "taken-over-session/bin/popa3d"), "-c", configured]) as talk:
        talk.send(script(b""))
        got = results(talk.rest().partition(b"+OK\r\n")[2].removeprefix(b"+OK\r\n"))
    assert [name for name in got if got[name] == "done"] == ["lock", "unlock"]


def test_a_refused_call_is_named(host: Host) -> None:
    """A session that makes a call which it may not make says which one it was."""
    text = (HOME / "bin/popa3d-session").read_text().replace("session.main()", "")
    text += "import posix\nfrom popa3d.owner import loading\n"
    text += "session.load = lambda *arguments: posix.mkfifo('/var/mail/fifo')\nsession.main()\n"
    assert taken_over(host, text).startswith(b"-ERR")
    host.syslog.wait("Failed or refused to load /var/mail/alice: the sandbox does not allow the system call mknod")
