"""The starter of sessions and the keeper of the TLS key, taken over: programs of root's that wait for messages of root's."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.host import HOME, Host
from tests.sandbox.attempts import PROGRAM, SESSION
from tests.sandbox.conftest import Targets
from tests.super.daemon import Daemon
from tests.talk import ids, wait_until
from tests.tls import install

# Beyond what somebody tries who has taken a session over.
MORE = {
    "chown": "os.chown(mailbox, 20001, 20001)",
    "a device": "os.mknod(outside + '/device', 0o20666, 1 << 8 | 3)",
    "load a module into the kernel": "call('finit_module', 0, b'', 0)",
    "all capabilities": "call('capset', bytes(8), bytes(24))",
    "the host's name": "call('sethostname', b'x', 1)",
    "kill all": "os.kill(-1, 15)",
    "listen on a local socket": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(outside + '/socket')",
    "no filter": "libc('prctl', 22, 0, 0, 0, 0)",
    "trace by a filter": "call('seccomp', 1, 8, bytes(16))",
    "a link's target": "os.symlink('/etc/shadow', outside + '/link')",
}
# Root's uid opens root's files, without capabilities; the starter's children open mailboxes. A process may do with itself what
# no other sees.
MAY = {
    "starter": {"fork", "setuid", "set the same user", "set groups", "read its own memory"}
    | {"open /etc/passwd", "open /etc/hostname", "list the root directory", "list the spool", "write the library"}
    | {"read another mailbox", "write another mailbox", "read another state directory"}
    | {"a file in memory", "make a file elsewhere", "make a file in /dev/shm", "make a file in the spool"},
    "keeper": {"fork", "setuid", "set the same user", "set groups", "chroot", "a limit"},
}


def program(targets: Targets) -> str:
    """Lines for a program, after which this one's processes log what became of each attempt, instead of what they are for."""
    attempts = {name: code for name, (code, _) in SESSION.items()} | MORE
    code = "\n".join(
        f"try:\n    {line}\nexcept OSError as error:\n    result = error.errno\nelse:\n    result = 'done'\n"
        f"syslog.syslog('%s %s' % (result, {name!r}))"
        for name, line in attempts.items()
    )
    prelude = (PROGRAM + targets.text).replace("os.uname().machine", repr(platform.machine()))
    return (
        f"taken = {{}}\nexec({prelude!r}, taken)\nfrom popa3d.root import prefork\n"
        f"prefork.Prefork.run = lambda *_: (exec({code!r}, taken), taken['syslog'].syslog('all tried'), taken['os'].read(3, 1))\n"
    )


@pytest.mark.parametrize("module", MAY)
def test_each_attempt_fails(host: Host, targets: Targets, module: str) -> None:
    """No attempt is successful but what the process needs, or what root's files are there for."""
    place = host.base / f"taken-over-{module}"
    (place / "bin").mkdir(parents=True)
    (place / "lib").symlink_to(HOME / "lib")
    for name in ("popa3d", "popa3d-session", "popa3d-starter"):
        text = (HOME / "bin" / name).read_text()
        if name == ("popa3d-starter" if module == "starter" else "popa3d"):
            head, call, tail = text.rpartition("\nstart")
            text = f"{head}\n{program(targets)}{call}{tail}"
        (place / "bin" / name).write_text(text)
        (place / "bin" / name).chmod(0o755)
    with Daemon(host, install(host) if module == "keeper" else "", program=str(place / "bin/popa3d")):
        host.syslog.wait("all tried")
        lines = [line.partition("]: ")[2] for line in host.syslog.lines]
    results = {name: result for result, _, name in (line.partition(" ") for line in lines) if name in SESSION or name in MORE}
    assert set(results) == set(SESSION) | set(MORE)
    assert {name for name, result in results.items() if result == "done"} == MAY[module]


def test_their_filters(host: Host) -> None:
    """Each has one filter, from which its children have a second one; neither can gain what it has given up."""
    with Daemon(host, install(host)) as daemon:
        wait_until(lambda: len(daemon.keepers()) == 1 and daemon.starter() != 0)
        wait_until(lambda: int(ids(daemon.starter())["Seccomp_filters"]) == 1)
        for pid, capabilities in ((daemon.starter(), 1 << 6 | 1 << 7), (daemon.keepers()[0], 1 << 6 | 1 << 7 | 1 << 18)):
            found = ids(pid)
            assert (int(found["Seccomp_filters"]), found["NoNewPrivs"].strip()) == (1, "1")
            assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == capabilities
            assert Path(f"/proc/{pid}").exists()
