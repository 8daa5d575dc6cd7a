"""Dot-locks in Debian's own spool, of mode 2775 and root:mail, where sessions can make no files: root's locker makes them."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner.mailbox import LockerFailed
from popa3d.owner.mailbox import locker_client as owner_locker
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.locker_client import Locker
from popa3d.root import locker
from popa3d.shared import locker_messages
from popa3d.shared.limits import STATE
from tests import peers
from tests.host import ALICE, BOB, HOME, PAM_OPEN, Host
from tests.session import MAILBOX, ONE, THREE, TWO
from tests.session.locks import NOBODY, all_free, append, deliver, dotlock, held, make_dotlock, silent
from tests.session.test_dotlocks import LARGE
from tests.talk import POPA3D, Talk, children, descriptors, ids, state, wait_until

IN_USE = b"-ERR [IN-USE] mailbox is locked or in use by another program\r\n"


@pytest.fixture
def command(host: Host) -> list[str]:
    """The server, configured for dot-locks alone; the spool is Debian's."""
    host.pam_stack(PAM_OPEN)
    return [*POPA3D, "-c", host.configuration('[mailbox]\nlocks = ["dotlock"]\n')]


def locker_of(pid: int) -> int:
    """The locker of a session (process `pid`): the child that has the spool's group."""
    found = [child for child in children(pid) if ids(child)["Gid"].split() == ["8"] * 4]
    assert len(found) == 1
    return found[0]


def test_a_session(host: Host, command: list[str]) -> None:
    """PASS, RETR and QUIT wait for another program's dot-lock; the session's own is the owner's file, and gone when it is not
    needed. Neither of its processes has more than it needs.
    """
    path = deliver(host.spool / "alice")
    assert host.spool.stat().st_mode & 0o7777 == 0o2775
    with Talk(command) as talk:
        with held("dotlock", path):
            assert talk.line().startswith(b"+OK")
            talk.send(b"USER alice\r\nPASS x\r\n")
            assert talk.line() == b"+OK\r\n"
            silent(talk)
        assert talk.line() == b"+OK\r\n"
        assert all_free(path)
        pid = talk.process.pid
        session, its_locker = ids(pid), ids(locker_of(pid))
        assert (session["Uid"].split(), session["Gid"].split(), session["Groups"].split()) == (
            [str(ALICE.uid)] * 4,
            [str(ALICE.uid)] * 4,
            [],
        )
        assert (its_locker["Uid"].split(), its_locker["Groups"].split(), its_locker["CapPrm"].strip("0")) == (
            [str(ALICE.uid)] * 4,
            [],
            "",
        )
        assert its_locker["NoNewPrivs"] == "1"
        open_there = descriptors(locker_of(pid))
        assert sorted(open_there) == [0, 1, 2, 3]
        assert [open_there[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3
        assert descriptors(pid)[4].startswith("socket:")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
            os.kill(locker_of(pid), number)  # as who stops all processes does: it ends when the session has
        append(path, THREE)
        with held("dotlock", path):
            talk.send(b"RETR 1\r\n")
            silent(talk)
        assert talk.line() == b"+OK\r\n" and talk.lines()
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        with held("dotlock", path):
            talk.send(b"QUIT\r\n")
            silent(talk)
        assert talk.line() == b"+OK\r\n"
        assert all_free(path)
    assert path.read_bytes() == TWO + THREE
    assert os.listdir(host.spool) == ["alice"]


@contextlib.contextmanager
def in_the_middle(command: list[str], path: Path, of: str) -> Iterator[Talk]:
    """A session that is stopped while the lock is there: it parses, or updates (ONE is deleted then)."""
    deliver(path, ONE + LARGE)
    with Talk(command) as talk:
        talk.send(b"USER alice\r\nPASS x\r\n")
        for _ in range(2):
            talk.line()
        if of == "update":
            assert talk.line() == b"+OK\r\n"
            talk.send(b"DELE 1\r\nQUIT\r\n")
            assert talk.line() == b"+OK\r\n"
        end = time.monotonic() + 20
        while not dotlock(path).exists():
            assert time.monotonic() < end
        talk.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: state(talk.process.pid) == "T")
        assert dotlock(path).exists()
        yield talk
        talk.process.send_signal(signal.SIGCONT)


def there(lock: Path) -> tuple[bytes, int, int, int]:
    status = lock.stat()
    return lock.read_bytes(), status.st_uid, status.st_gid, status.st_mode


@pytest.mark.parametrize("of", ["parse", "update"])
def test_a_killed_session(host: Host, command: list[str], of: str) -> None:
    """The lock of a session that is killed goes with it, at once; the next session finishes what it has begun."""
    path = host.spool / "alice"
    with in_the_middle(command, path, of) as talk:
        wait_until(lambda: there(dotlock(path)) == (b"%d\n" % talk.process.pid, ALICE.uid, 8, 0o100444))
        talk.process.kill()
        talk.process.wait(20)
        wait_until(lambda: not dotlock(path).exists())
    with Talk(command) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert all_free(path)
    assert path.read_bytes().removeprefix(ONE) == LARGE


@pytest.mark.parametrize("of", ["parse", "update"])
def test_killed_with_its_locker(host: Host, command: list[str], of: str) -> None:
    """If both are killed the lock stays, and is stale, since it has the session's number. One whose locker alone is killed goes
    on to where it needs that again: then nothing more is changed.
    """
    path = host.spool / "alice"
    with in_the_middle(command, path, of) as talk:
        os.kill(locker_of(talk.process.pid), signal.SIGKILL)
        talk.process.kill()
        talk.process.wait(20)
        assert dotlock(path).exists()
    with Talk(command) as talk:
        assert talk.login() == b"+OK\r\n"
        assert all_free(path)
        os.kill(locker_of(talk.process.pid), signal.SIGKILL)
        before = path.read_bytes()
        talk.send(b"DELE 1\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n-ERR [SYS/PERM] deleted messages not removed\r\n"
    assert path.read_bytes() == before
    host.syslog.wait(f"Failed to update {path}: cannot make its dot-lock: ")


def started(host: Host, group: int) -> tuple[int, int]:
    """A locker: the socket to it, and its process id."""
    before = set(children(os.getpid()))
    fd = locker.start(str(host.spool), group)
    (pid,) = set(children(os.getpid())) - before
    return fd, pid


def test_its_time_is_renewed(host: Host) -> None:
    """A mailbox that is read keeps its dot-lock young, without asking for that each time."""
    path = deliver(host.spool / "alice")
    lock = dotlock(path)
    fd, pid = started(host, 8)
    file = MboxFile(bytes(path), ("dotlock",), fd)
    try:
        os.write(fd, locker_messages.encode_owner(os.getpid(), ALICE.uid, b"alice"))
        file.lock(exclusive=False)
        for seconds, renewed in ((10**6, False), (0, True)):
            with mock.patch.object(owner_locker, "DOTLOCK_TOUCH_S", seconds):
                os.utime(lock, (1, 1))
                file.read(10, 0)
            os.write(fd, locker_messages.TAKE)
            assert os.read(fd, 100) == locker_messages.TAKEN  # it has done all that it was asked for before
            assert (lock.stat().st_mtime > 1) == renewed
    finally:
        file.close()
        os.close(fd)
        os.waitpid(pid, 0)
    assert all_free(path)


def test_a_stale_one(host: Host, command: list[str]) -> None:
    """A dot-lock of a dead process is removed, whoever has made it; an old one, too, that may not be read (OpenSMTPD's, which is
    empty); one of a living process is waited for.
    """
    path = deliver(host.spool / "alice")
    for text, age_s, mode in ((b"%d\n" % NOBODY, 0, 0o444), (b"", 301, 0o600)):
        make_dotlock(path, text, age_s)
        os.chown(dotlock(path), 0, 8)
        dotlock(path).chmod(mode)
        with Talk(command) as talk:
            assert talk.login() == b"+OK\r\n"
            assert all_free(path)
            assert talk.ask(b"QUIT") == b"+OK\r\n"
    with Talk(command) as talk:
        assert talk.login() == b"+OK\r\n"
        make_dotlock(path, b"1\n")
        talk.send(b"DELE 1\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n" + IN_USE
        assert dotlock(path).read_bytes() == b"1\n"
    assert path.read_bytes() == MAILBOX


def test_a_failed_login(host: Host, command: list[str]) -> None:
    """Where nobody logs in, and when the client is gone, no locker stays."""
    host.pam_stack()
    deliver(host.spool / "alice")
    for said in (b"USER alice\r\nPASS wrong\r\n", b"QUIT\r\n", b""):
        with Talk(command) as talk:
            wait_until(lambda pid=talk.process.pid: len(children(pid)) == 2)
            lockers = children(talk.process.pid)
            talk.send(said)
            if not said:
                talk.client.shutdown(1)
            talk.rest()
            talk.process.wait(60)
            wait_until(lambda found=lockers: not any(Path(f"/proc/{pid}").exists() for pid in found))
    assert os.listdir(host.spool) == ["alice"]


def test_nothing_else_is_done(host: Host, command: list[str]) -> None:
    """A locker that is asked for anything that a session does not say ends; the user's other processes cannot get into it."""
    path = deliver(host.spool / "alice")
    with Talk(command) as talk:
        assert talk.login() == b"+OK\r\n"
        pid = locker_of(talk.process.pid)
        for way in ("mem", "fd/3", "environ"):
            done = subprocess.run(
                ["cat", f"/proc/{pid}/{way}"], user=ALICE.uid, group=ALICE.uid, extra_groups=[], capture_output=True, check=False
            )
            assert b"Permission denied" in done.stderr, way
        traced = subprocess.run(
            ["strace", "-p", str(pid)],
            user=ALICE.uid,
            group=ALICE.uid,
            extra_groups=[],
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert traced.returncode and b"Operation not permitted" in traced.stderr
    assert all_free(path)


def test_recover(host: Host, command: list[str]) -> None:
    """popa3d-recover, too, waits for the dot-lock in such a spool, and leaves none."""
    path = host.spool / "alice"
    with in_the_middle(command, path, "update") as talk:
        wait_until(
            lambda: [name for name in os.listdir(Path(STATE) / str(ALICE.uid)) if name.endswith(".journal")] or go_on(talk)
        )
        talk.process.kill()
        talk.process.wait(20)
        wait_until(lambda: not dotlock(path).exists())
    recover = [str(HOME / "bin/popa3d-recover"), *command[1:], "--all"]
    with subprocess.Popen(recover, stderr=subprocess.PIPE) as process, held("dotlock", path):
        wait_until(lambda: children(process.pid))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    assert process.returncode == 0
    assert path.read_bytes() == LARGE
    assert all_free(path)


def go_on(talk: Talk) -> bool:
    """Let a session that was stopped go on for a moment."""
    talk.process.send_signal(signal.SIGCONT)
    time.sleep(0.001)
    talk.process.send_signal(signal.SIGSTOP)
    return False


def given(process: subprocess.Popen[bytes], mail: bytes) -> subprocess.Popen[bytes]:
    """A delivery agent that has got a message."""
    assert process.stdin is not None
    process.stdin.write(mail)
    process.stdin.close()
    return process


def waits_for_an_update(command: list[str], path: Path, delivery: Callable[[], subprocess.Popen[bytes]], mail: bytes) -> None:
    """A delivery that begins in the middle of an update waits for its end; then what the update leaves and the mail are there."""
    with in_the_middle(command, path, "update") as talk:
        with delivery() as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            talk.process.send_signal(signal.SIGCONT)
            assert talk.line() == b"+OK\r\n"
        assert process.returncode == 0
    after = path.read_bytes()
    assert after.startswith(LARGE) and after.endswith(mail + b"\n")
    assert all_free(path)


def test_procmail(host: Host, command: list[str]) -> None:
    """Another program with the spool's group, Debian's procmail, waits for a session's dot-lock; then all mail is there."""
    path = deliver(host.spool / "alice", MAILBOX)
    place = host.base / "procmail"
    place.mkdir(exist_ok=True)
    program = place / "procmail"
    program.write_bytes(peers.program("procmail", "usr/bin/procmail").read_bytes())
    program.chmod(0o755)
    rules = place / "procmailrc"
    rules.write_text(f"SHELL=/bin/sh\nDEFAULT={path}\nLOCKSLEEP=1\n:0:\n{path}\n")
    rules.chmod(0o600)
    os.chown(rules, ALICE.uid, ALICE.uid)
    mail = b"Subject: by procmail\n\nnew\n"

    def delivery() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(program), "-f", "a@b", str(rules)], stdin=subprocess.PIPE, user=ALICE.uid, group=8, extra_groups=[],
            env={"HOME": str(place), "LOGNAME": "alice", "PATH": "/usr/bin:/bin"}, cwd=place,
        )  # fmt: skip
        return given(process, mail)

    waits_for_an_update(command, path, delivery, mail)


def test_opensmtpd(host: Host, command: list[str]) -> None:
    """OpenSMTPD's mail.local, which takes a dot-lock only (root's, and empty), waits for a session; and a session for that."""
    path = host.spool / "alice"
    program = str(peers.program("opensmtpd", "usr/libexec/opensmtpd/mail.local"))
    mail = b"Subject: by OpenSMTPD\n\nnew\n"

    def delivery() -> subprocess.Popen[bytes]:
        return given(subprocess.Popen([program, "-f", "a@b", "alice"], stdin=subprocess.PIPE), mail)

    waits_for_an_update(command, path, delivery, mail)
    make_dotlock(path, b"")
    os.chown(dotlock(path), 0, 8)
    dotlock(path).chmod(0o600)
    with Talk(command) as talk:
        talk.send(b"USER alice\r\nPASS x\r\n")
        for _ in range(2):
            talk.line()
        silent(talk)
        dotlock(path).unlink()
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"


def test_configurations(host: Host) -> None:
    """A spool that only root can write is refused; with one that everybody can write, or with home_file, there is no locker."""
    host.pam_stack(PAM_OPEN)
    name = host.configuration('[mailbox]\nlocks = ["dotlock"]\n')
    deliver(host.spool / "alice")
    for group, mode in ((8, 0o755), (0, 0o2775)):
        os.chown(host.spool, 0, group)
        host.spool.chmod(mode)
        with Talk([*POPA3D, "-c", name]) as talk:
            assert talk.rest() == b""
        host.syslog.wait(f"{name}: mailbox.locks: nobody but root can make a dot-lock in /var/mail")
        host.syslog.clear()
    host.spool.chmod(0o1777)
    with Talk([*POPA3D, "-c", name]) as talk:
        assert talk.login() == b"+OK\r\n"
        assert children(talk.process.pid) == []
        assert talk.ask(b"QUIT") == b"+OK\r\n"


def test_a_locker_by_itself(host: Host) -> None:
    """What is no message of a session's ends a locker, which removes its lock; it can be asked again and again until then."""
    path = deliver(host.spool / "alice")
    for last in (b"", b"x", b"++", b"+/etc/shadow", b"%d bob" % BOB.uid):
        fd, pid = started(host, 8)
        try:
            os.write(fd, locker_messages.encode_owner(os.getpid(), ALICE.uid, b"alice"))
            for asked, answer in (
                (locker_messages.TAKE, locker_messages.TAKEN),
                (locker_messages.TAKE, locker_messages.TAKEN),
                (locker_messages.LET_GO, locker_messages.FREE),
            ) * 2:
                os.write(fd, asked)
                assert os.read(fd, 100) == answer
            with held("dotlock", path):
                os.write(fd, locker_messages.TAKE)
                assert os.read(fd, 100) == locker_messages.BUSY
            os.write(fd, locker_messages.TAKE)
            assert os.read(fd, 100) == locker_messages.TAKEN
            assert there(dotlock(path)) == (b"%d\n" % os.getpid(), ALICE.uid, 8, 0o100444)
            if last:
                os.write(fd, last)
                assert os.read(fd, 100) == b""
        finally:
            os.close(fd)
            os.waitpid(pid, 0)
        assert os.listdir(host.spool) == ["alice"]


def test_a_mailbox_in_its_place(host: Host) -> None:
    """A mailbox is no dot-lock, however old, and whether it may be read or not: there may be a user whose name ends so."""
    lock = make_dotlock(deliver(host.spool / "alice"), MAILBOX, 10**6)
    os.chown(lock, BOB.uid, 8)
    for mode in (0o444, 0o600):
        lock.chmod(mode)
        fd, pid = started(host, 8)
        try:
            os.write(fd, locker_messages.encode_owner(os.getpid(), ALICE.uid, b"alice"))
            os.write(fd, locker_messages.TAKE)
            assert os.read(fd, 100) == locker_messages.BUSY
        finally:
            os.close(fd)
            os.waitpid(pid, 0)
        assert lock.read_bytes() == MAILBOX


def test_a_locker_that_does_not_answer() -> None:
    """A session whose locker hangs or has gone gets no lock, and does not take a late answer for another one's."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        found = Locker(ours.detach())
        with mock.patch.object(owner_locker, "LOCK_TIMEOUT_S", 0.01), pytest.raises(LockerFailed, match="has failed"):
            found.take()
        with contextlib.suppress(OSError):
            its.send(locker_messages.TAKEN)
        with pytest.raises(OSError, match="reset"):
            found.take()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        found = Locker(ours.fileno())
        its.send(locker_messages.encode_error(28))
        with pytest.raises(OSError, match="No space left on device"):
            found.take()


def test_a_locker_that_cannot(host: Host) -> None:
    """Where the group cannot make files either, the session is told why."""
    fd, pid = started(host, 20200)
    try:
        os.write(fd, locker_messages.encode_owner(os.getpid(), ALICE.uid, b"alice"))
        os.write(fd, locker_messages.TAKE)
        assert locker_messages.decode_error(os.read(fd, 100)) == errno.EACCES
    finally:
        os.close(fd)
        os.waitpid(pid, 0)
