"""Each filter in the kernel, and that each process has its own: the pre-auth child, the TLS process, the session, the locker."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from popa3d.root import sandbox
from popa3d.shared import system_calls
from popa3d.shared.log import REFUSED_ERROR
from tests import proxies
from tests.host import HOME, PAM_QUICK, Host
from tests.talk import POPA3D, Talk, children, ids, wait_until
from tests.tls import client_context, install
from tests.unit.root.sandbox.expected import ALLOWED, KILLS, RULED

MACHINE = os.uname().machine
SIGSYS = 31

# Makes each of the calls that it is told, in a process of its own, and prints how that ended: by a signal, or by an error.
CALLER = """
import ctypes, os, sys
sys.path.insert(0, "/opt/popa3d/lib")
from popa3d.root import privileges, sandbox
library = ctypes.CDLL(None, use_errno=True)
sandbox.prepare()
for number in map(int, sys.argv[2].split(",")):
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        privileges.no_new_privileges()
        sandbox._forbid(sys.argv[1])
        result = library.syscall(number, -1, -1, -1, -1, -1, -1)
        os.write(writing, b"%d" % (ctypes.get_errno() if result == -1 else 0))
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 10).decode()
    os.close(reading)
    print(number, os.WTERMSIG(os.waitpid(pid, 0)[1]), said)
"""


@pytest.mark.parametrize("name", ALLOWED)
def test_all_other_calls(host: Host, name: str) -> None:
    """Every system call that is not written out for a process ends it, or fails with its own number."""
    assert not sandbox.missing()
    numbers = system_calls.numbers(MACHINE)
    others = sorted(numbers[word] for word in numbers if word not in ALLOWED[name] | RULED[name] | {"clone3"})
    command = ["/usr/bin/python3", "-IBSc", CALLER, name, ",".join(map(str, others))]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    got = [tuple(line.split(" ")) for line in output.splitlines()]
    if name in KILLS:
        assert got == [(str(number), str(SIGSYS), "") for number in others]
    else:
        assert got == [(str(number), "0", str(REFUSED_ERROR + number)) for number in others]


def filters(pid: int) -> int:
    """How many filters a process has."""
    return int(ids(pid)["Seccomp_filters"])


def test_each_process_has_its_filter(host: Host) -> None:
    """The pre-auth child, the TLS process, the session and the locker each have one, and root's process has none."""
    host.pam_stack(PAM_QUICK)
    configured = host.configuration(install(host) + '[mailbox]\nlocks = ["dotlock"]\n')
    with Talk([*POPA3D, "-s", "-c", configured]) as talk:
        talk.client = client_context().wrap_socket(talk.client)
        talk.line()
        root = talk.process.pid
        wait_until(lambda: len(children(root)) == 3)
        by_name = {Path(f"/proc/{pid}/comm").read_text().split()[0]: pid for pid in children(root)}
        tls = by_name.pop(next(name for name in by_name if name.startswith("tls")))
        users = {ids(pid)["Uid"].split()[0]: pid for pid in children(root) if pid != tls}
        assert set(users) == {"0", "20100"}  # the locker does not know the owner yet
        wait_until(lambda: filters(users["20100"]) == 1)  # once it has greeted, and before it reads
        assert [filters(pid) for pid in (root, tls, users["0"])] == [0, 1, 0]
        assert talk.ask(b"USER alice") == b"+OK\r\n" and talk.ask(b"PASS sesame-1") == b"+OK\r\n"
        assert [filters(pid) for pid in (root, tls, users["0"])] == [1, 1, 1]
        assert ids(root)["NoNewPrivs"].strip() == "1"


@pytest.mark.parametrize("has_tls", [False, True])
def test_before_a_header(host: Host, has_tls: bool) -> None:
    """Who reads a proxy's header has its filter before the first octet of that."""
    configured = host.configuration((install(host) if has_tls else "") + '[listen]\nproxies = ["127.0.0.1"]\n')
    with Talk([*POPA3D, *(["-s"] if has_tls else []), "-c", configured]) as talk:
        wait_until(lambda: [filters(pid) for pid in children(talk.process.pid)] == [1])
        talk.send(proxies.version_1("192.0.2.1"))
        if has_tls:
            talk.client = client_context().wrap_socket(talk.client)
        assert talk.line().startswith(b"+OK")


def test_what_a_preauth_child_did_is_logged(host: Host) -> None:
    """A pre-auth child that makes another call is killed, and root's process says so in one line."""
    program = host.base / "taken-over-child"
    program.write_text(
        f"#!/usr/bin/python3 -IBS\nimport os, sys\nsys.path.insert(0, '{HOME}/lib')\nfrom popa3d.root import start\n"
        "def preauth(pipe, timeout_s, login_timeout_s, offer, first, confine, meet):\n"
        "    confine()\n    os.write(1, b'+OK taken over\\r\\n')\n    os.getppid()\n    os.write(1, b'and goes on')\n"
        f"start.main('{HOME}/bin/popa3d-session', '', lambda: preauth, None, None, None)\n"
    )
    program.chmod(0o755)
    with Talk([str(program)]) as talk:
        assert talk.rest() == b"+OK taken over\r\n"
    host.syslog.wait("The pre-auth child has made a system call that it may not make (the kernel's log says which)")


@pytest.mark.parametrize("option", [[], ["-D"], ["-t"]], ids=str)
def test_required_and_missing(host: Host, option: list[str]) -> None:
    """Where the kernel lacks something and the administrator requires it, nobody is served; without that, everybody is."""
    place = host.base / "other-machine"
    (place / "bin").mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-R", f"{HOME}/lib", str(place)], check=True)
    for name in ("popa3d", "popa3d-session"):
        subprocess.run(["cp", f"{HOME}/bin/{name}", str(place / "bin")], check=True)
    (place / f"lib/popa3d/root/sandbox/{MACHINE}.filters").unlink()  # as on a machine that has none
    host.pam_stack(PAM_QUICK)
    reason = f"This host has no seccomp filters for {MACHINE}, and sandbox.require is set"
    command = [str(place / "bin/popa3d"), *option, "-c", host.configuration("[sandbox]\nrequire = true\n")]
    if option:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (1, f"popa3d: {reason}\n")
        return
    with Talk(command) as talk:
        assert talk.rest() == b""
    host.syslog.wait(reason)
    with Talk([str(place / "bin/popa3d")]) as talk:
        assert talk.login() == b"+OK\r\n"
        assert filters(talk.process.pid) == 0
    said = subprocess.run([str(place / "bin/popa3d"), "-V"], capture_output=True, text=True, check=True).stdout
    assert "seccomp" not in said and "\nsandbox: Landlock" in said
