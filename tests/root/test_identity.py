"""Least privilege, seen from outside: ids, capabilities, descriptors, directories and system calls of each process."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path

from popa3d.shared.limits import PREAUTH_OCTETS, STATE
from tests.host import ALICE, Host
from tests.talk import POPA3D, Talk, children, descriptors, ids, wait_until

MAILBOX = b"From a\nSubject: x\n\nbody\n\n"
WORKER_FILE = "popa3d-session"


def test_preauth_child(host: Host) -> None:
    """Before login the client talks to a process of user popa3d, in an empty root, that can neither fork nor open."""
    with Talk() as talk:
        talk.line()
        (child,) = children(talk.process.pid)
        found = ids(child)
        assert found["Uid"].split() == ["20100"] * 4
        assert found["Gid"].split() == ["20100"] * 4
        assert found["Groups"].strip() == ""
        assert found["CapEff"] == found["CapPrm"] == "0" * 16
        assert os.readlink(f"/proc/{child}/root") == str(host.chroot)
        assert os.readlink(f"/proc/{child}/cwd") == str(host.chroot)
        assert os.listdir(f"/proc/{child}/root") == []
        limits = Path(f"/proc/{child}/limits").read_text()
        assert re.search(r"Max processes +0 +0 ", limits)
        assert re.search(r"Max open files +0 +0 ", limits)
        assert re.search(r"Max core file size +1 +1 ", limits)
        assert re.search(r"Max msgqueue size +0 +0 ", limits)
        (memory,) = re.findall(r"Max address space +(\d+) +\1 ", limits)
        size = int(Path(f"/proc/{child}/statm").read_text().split()[0]) * resource.getpagesize()
        assert size <= int(memory) <= size + PREAUTH_OCTETS
        assert found["NoNewPrivs"].strip() == "1"
        open_now = descriptors(child)
        assert open_now[0] == open_now[1] and open_now[0].startswith("socket:")
        assert open_now[2] == "/dev/null"
        assert [what.split(":")[0] for fd, what in open_now.items() if fd > 2] == ["pipe"]


def test_worker(host: Host) -> None:
    """After login there is one process, a clean image with the owner's ids only: no group, no capability, no descriptor more."""
    host.deliver("alice", MAILBOX)
    with Talk() as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"NOOP") == b"+OK\r\n"  # by now all its modules are loaded
        pid = talk.process.pid
        assert children(pid) == []
        found = ids(pid)
        assert found["Uid"].split() == [str(ALICE.uid)] * 4
        assert found["Gid"].split() == [str(ALICE.uid)] * 4
        assert found["Groups"].strip() == ""  # alice is in a supplementary group; it is not taken on
        assert [found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == ["0" * 16] * 4
        assert found["NoNewPrivs"].strip() == "1"
        open_now = descriptors(pid)
        mailbox = [fd for fd, what in open_now.items() if what == "/var/mail/alice"]
        log = [fd for fd, what in open_now.items() if fd > 2 and what.startswith("socket:")]
        state = [fd for fd, what in open_now.items() if what == f"{STATE}/{ALICE.uid}"]
        assert len(mailbox) == 1 and len(log) == 1 and len(state) == 1
        assert sorted(open_now) == sorted([0, 1, 2, *mailbox, *log, *state])
        assert open_now[2] == "/dev/null"
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert WORKER_FILE.encode() in arguments
        assert b"alice" not in arguments and b"sesame" not in arguments + environment


def test_memory_of_the_worker_has_no_password(host: Host) -> None:
    """The password is nowhere in the memory of the process that serves the mailbox: exec wiped it."""
    with Talk() as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"NOOP") == b"+OK\r\n"  # by now all its modules are loaded
        pid = talk.process.pid
        found = 0
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                start, end = (int(word, 16) for word in line.split()[0].split("-"))
                if "r" not in line.split()[1] or "[v" in line:
                    continue
                memory.seek(start)
                block = memory.read(end - start)
                assert b"sesame-1" not in block
                found += block.count(b"TRANSACTION")
        assert found  # what was read is memory of this program


def test_core_and_dump(host: Host) -> None:
    """While root may hold a password, no core file can be written and no other user can look into it."""
    with Talk() as talk:
        talk.line()
        pid = talk.process.pid
        wait_until(lambda: "libpam.so" in Path(f"/proc/{pid}/maps").read_text())
        assert re.search(r"Max core file size +1 +1 ", Path(f"/proc/{pid}/limits").read_text())
        (child,) = children(pid)
        assert Path(f"/proc/{child}/fd").stat().st_uid == 0  # undumpable: this belongs to root, not to user popa3d


PAM_HELPER = "/sbin/unix_chkpwd"  # newer versions of pam_unix leave the shadow file to it, even for root


class Trace:
    """The system calls of a whole session, with the uid that each process had when it made them."""

    LINE = re.compile(r"^(\d+) +(\w+)\((.*)")

    def __init__(self, path: Path) -> None:
        self.calls: list[tuple[str, bool, str, str]] = []  # pid, whether uid 0, name, the rest
        root: dict[str, bool] = {}
        others: set[str] = set()  # processes that have become another program, PAM's helper for passwords
        self.helpers = 0
        begun: dict[str, str] = {}  # what strace shows in two halves when processes take turns
        for shown in path.read_text(errors="replace").splitlines():
            line = shown
            if line.endswith("<unfinished ...>"):
                begun[line.split()[0]] = line.removesuffix("<unfinished ...>")
                continue
            if "resumed>" in line:
                line = begun.pop(line.split()[0]) + line.partition("resumed>")[2]
            found = self.LINE.match(line)
            if not found:
                continue
            pid, name, rest = found.groups()
            if name == "execve" and PAM_HELPER in rest:
                others.add(pid)
                self.helpers += 1
            if pid in others:
                continue
            is_root = root.setdefault(pid, True)
            self.calls.append((pid, is_root, name, rest))
            if name in ("setresuid", "setuid", "setreuid") and rest.endswith("= 0") and not rest.startswith("0"):
                root[pid] = False

    def of(self, *names: str, root: bool) -> list[str]:
        """The arguments and results of some calls, as root or not."""
        return [rest for _, is_root, name, rest in self.calls if name in names and is_root == root]


def traced(host: Host, talk_to: bytes) -> Trace:
    """Trace a session."""
    path = host.base / "trace"
    command = ["/usr/bin/strace", "-f", "-qq", "-s", "200", "-o", str(path)]
    with Talk([*command, *POPA3D], seconds=60) as talk:
        talk.send(talk_to)
        talk.rest()
    return Trace(path)


READS = ("read", "readv", "pread64", "recvfrom", "recvmsg", "recv", "poll", "ppoll", "select", "pselect6", "epoll_ctl")


def test_system_calls_of_root(host: Host) -> None:
    """In a whole session no process with uid 0 reads the client, opens the mailbox, or starts a program."""
    path = host.deliver("alice", MAILBOX)
    trace = traced(host, b"USER alice\r\nPASS sesame-1\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
    assert path.read_bytes() == b""  # the session did what it was asked
    reads = trace.of(*READS, root=True)
    assert len(reads) > 10
    assert not [rest for rest in reads if rest.startswith(("0,", "[{fd=0,"))]
    assert [rest for rest in trace.of(*READS, root=False) if rest.startswith("0,")]
    assert not [rest for rest in trace.of("write", "writev", "sendto", "sendmsg", root=True) if rest.startswith("1,")]
    opened = trace.of("open", "openat", "openat2", "creat", root=True)
    assert opened
    assert not [rest for rest in opened if "/var/mail" in rest or "/home" in rest or "/nonexistent" in rest or "/tmp" in rest]
    assert not [rest for rest in opened if re.search(r"O_(WRONLY|RDWR|CREAT)", rest) and "/dev/null" not in rest]
    started = trace.of("execve", "execveat", root=True)
    assert len(started) == 1 and "bin/popa3d" in started[0] and WORKER_FILE not in started[0]
    started = trace.of("execve", "execveat", root=False)
    assert len(started) == 1 and WORKER_FILE in started[0]
    assert len(trace.of("fork", "vfork", "clone", "clone3", root=True)) == 1 + trace.helpers
    assert not trace.of("fork", "vfork", "clone", "clone3", root=False)
    names = [name for _, is_root, name, rest in trace.calls if is_root and (name == "pipe2" or "PR_SET_DUMPABLE, S" in rest)]
    assert names[0] == "pipe2" and "prctl" in names  # python-pam is loaded, and the process closed to debuggers, in time


def test_dropping_is_tried_out(host: Host) -> None:
    """Each process that gives root up tries to get it back, and is refused."""
    trace = traced(host, b"USER alice\r\nPASS sesame-1\r\nQUIT\r\n")
    for pid in {pid for pid, is_root, _, _ in trace.calls if not is_root}:
        tried = [
            (name, rest)
            for who, is_root, name, rest in trace.calls
            if who == pid and not is_root and name in ("setuid", "setgid", "setresuid", "setgroups")
        ]
        assert {name for name, _ in tried} == {"setuid", "setgid", "setresuid", "setgroups"}
        assert all("EPERM" in rest for _, rest in tried), tried


def test_failed_login(host: Host) -> None:
    """It is logged by root, whom no process of user popa3d can stop, and answered by a process that has become that user."""
    trace = traced(host, b"USER alice\r\nPASS wrong\r\n")
    logged = [rest for rest in trace.of("write", "sendto", root=True) if "Authentication failed" in rest]
    said = [rest for rest in trace.of("write", "sendto", "send", root=False) if "Authentication failed" in rest]
    assert len(logged) == len(said) == 1
    assert said[0].startswith('1, "-ERR ') and not logged[0].startswith("1,")
    assert [rest for rest in trace.of("setresuid", root=True) if rest.startswith("20100, 20100, 20100")]
