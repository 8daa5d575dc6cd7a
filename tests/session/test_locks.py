"""Locks by configuration: waited for, not longer than they have to be, and free whenever a session does not need them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.host import PAM_OPEN, Host, tmpfs, unmount
from tests.session import MAILBOX, ONE, THREE, TWO, handover, worker
from tests.talk import POPA3D, Talk, wait_until

LOCKS = ("fcntl", "flock", "dotlock", "fcntl,dotlock", "dotlock,flock", "flock,fcntl,dotlock")
EACH = [(locks, held) for locks in LOCKS for held in locks.split(",")]
IN_USE = b"-ERR [IN-USE] mailbox is locked by another program\r\n"
NOT_LOADED = b"-ERR mailbox cannot be loaded\r\n"
NOBODY = 2**22 + 1  # beyond the largest pid_max


@pytest.fixture
def spool(host: Host) -> Path:
    """The spool, in which users may make dot-locks."""
    host.spool.chmod(0o1777)
    return host.spool


def dotlock(mailbox: Path) -> Path:
    return mailbox.with_name(mailbox.name + ".lock")


def deliver(path: Path, mbox: bytes = MAILBOX) -> Path:
    """A mailbox of alice's, whatever its name; not so young that its times could not show a change."""
    path.write_bytes(mbox)
    os.chown(path, 20001, 8)
    path.chmod(0o660)
    os.utime(path, (time.time() - 1000,) * 2)
    return path


def session(path: Path, locks: str, **changes: object) -> Talk:
    """A worker for alice's mailbox `path`; its reply to PASS is still to be read."""
    told = handover(locks=locks)
    told.path = bytes(path)
    for name, value in changes.items():
        setattr(told, name, value)
    return worker(told.encode())


def opened(path: Path, locks: str, **changes: object) -> Talk:
    """The same, loaded."""
    talk = session(path, locks, **changes)
    assert talk.line() == b"+OK\r\n"
    return talk


def make_dotlock(path: Path, text: bytes = b"%d\n" % os.getpid(), age_s: int = 0) -> Path:
    """MAILBOX.lock of alice's, as another program would have made it."""
    lock = dotlock(path)
    lock.write_bytes(text)
    os.chown(lock, 20001, 20001)
    lock.chmod(0o444)
    os.utime(lock, (time.time() - age_s,) * 2)
    return lock


@contextlib.contextmanager
def held(kind: str, path: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
    """A lock of this process, another program to the session. Who opens and closes the mailbox in here loses an fcntl lock."""
    fd = os.open(path, os.O_RDWR)
    if kind == "dotlock":
        make_dotlock(path)
    else:
        (fcntl.lockf if kind == "fcntl" else fcntl.flock)(fd, how | fcntl.LOCK_NB)
    try:
        yield fd
    finally:
        os.close(fd)
        if kind == "dotlock":
            dotlock(path).unlink()


def all_free(path: Path) -> bool:
    """Whether another program gets every kind of lock at once, if it tries now."""
    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return not os.path.lexists(dotlock(path))


def silent(*talks: Talk) -> None:
    """The sessions say nothing for a moment."""
    assert select.select([talk.client for talk in talks], [], [], 0.25) == ([], [], [])


# Waiting


@pytest.mark.parametrize(("locks", "kind"), EACH)
def test_waits_for_each_lock(spool: Path, locks: str, kind: str) -> None:
    """PASS and QUIT wait for whichever of the locks another program has, and go on when it lets go."""
    path = deliver(spool / "alice")
    with contextlib.ExitStack() as stack:
        with held(kind, path):
            talk = stack.enter_context(session(path, locks))
            silent(talk)
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert all_free(path)
        with held(kind, path) as fd:
            talk.send(b"QUIT\r\n")
            silent(talk)
            assert os.pread(fd, 1000, 0) == MAILBOX
        assert talk.line() == b"+OK\r\n"
        assert all_free(path)
    assert path.read_bytes() == TWO


def a_link(lock: Path) -> None:
    lock.symlink_to("kept")


def a_dangling_link(lock: Path) -> None:
    lock.symlink_to("nowhere")


def a_directory(lock: Path) -> None:
    lock.mkdir(0o777)


def a_fifo(lock: Path) -> None:
    os.mkfifo(lock, 0o666)


def a_device(lock: Path) -> None:
    os.mknod(lock, 0o020666, os.makedev(1, 5))  # /dev/zero


def of_another(lock: Path) -> None:
    lock.write_bytes(b"%d\n" % NOBODY)
    lock.chmod(0o600)


ODD = (a_link, a_dangling_link, a_directory, a_fifo, a_device, of_another)


def test_a_wait_that_never_ends(host: Host, spool: Path) -> None:
    """A lock that is kept gives [IN-USE] at PASS, and at QUIT, when nothing is changed; so does anything odd in the
    dot-lock's place, which is neither waited for longer, nor followed, nor removed.
    """
    kept = deliver(spool / "kept")
    refused: list[tuple[str, Talk]] = []
    with contextlib.ExitStack() as stack:
        paths = []
        for locks, kind in (("fcntl", "fcntl"), ("dotlock,flock", "flock"), ("dotlock", "dotlock"), ("fcntl,dotlock", "dotlock")):
            path = deliver(spool / f"kept-{locks}")
            talk = stack.enter_context(opened(path, locks))
            assert talk.ask(b"DELE 1") == b"+OK\r\n"
            fd = stack.enter_context(held(kind, path))
            paths.append((path, fd))
            talk.send(b"QUIT\r\n")
            refused += [(locks, talk), (locks, stack.enter_context(session(path, locks)))]
        for make in ODD:
            path = deliver(spool / make.__name__)
            lock = dotlock(path)
            make(lock)
            if make is not of_another:
                os.chown(lock, 20001, 20001, follow_symlinks=False)
            os.utime(lock, (1, 1), follow_symlinks=False)
            refused.append((make.__name__, stack.enter_context(session(path, "fcntl,dotlock"))))
        for what, talk in refused:
            talk.client.settimeout(60)
            assert (what, talk.rest()) == (what, IN_USE)
            assert talk.status() == 1
        for path, fd in paths:
            assert os.pread(fd, 1000, 0) == MAILBOX
            host.syslog.wait(f"Failed or refused to load {path}: locked by another program")
            host.syslog.wait(f"Failed to update {path}: locked by another program")
    for make in ODD:
        lock = dotlock(spool / make.__name__)
        assert os.lstat(lock).st_mtime == 1, make.__name__
    assert kept.read_bytes() == MAILBOX


def test_readers_do_not_wait_for_each_other(spool: Path) -> None:
    """A shared fcntl lock of another reader, or several at once of sessions, keep nobody from reading."""
    path = deliver(spool / "alice")
    with held("fcntl", path, fcntl.LOCK_SH), contextlib.ExitStack() as stack:
        talks = [stack.enter_context(opened(path, "fcntl")) for _ in range(3)]
        for talk in talks:
            assert talk.ask(b"RETR 2") == b"+OK\r\n"
            assert talk.lines()[-1] == b"body 2\r\n"


# Letting go


@pytest.mark.parametrize("locks", LOCKS)
def test_free_between_commands(spool: Path, locks: str) -> None:
    """Between commands another program gets every lock at once, also after a command that had to lock again."""
    path = deliver(spool / "alice")
    with opened(path, locks) as talk:
        assert all_free(path)
        with open(path, "ab") as file:
            file.write(THREE)
        assert talk.ask(b"RETR 1") == b"+OK\r\n"  # looks at the mailbox once more, since it has grown
        talk.lines()
        assert all_free(path)
        assert talk.ask(b"DELE 2") == b"+OK\r\n"
        assert all_free(path)
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert all_free(path)
    assert path.read_bytes() == ONE + THREE


def quits(talk: Talk, path: Path) -> bytes:
    talk.send(b"QUIT\r\n")
    return b"+OK\r\n"


def deletes(talk: Talk, path: Path) -> bytes:
    talk.send(b"DELE 1\r\nQUIT\r\n")
    return b"+OK\r\n+OK\r\n"


def disconnects(talk: Talk, path: Path) -> bytes:
    talk.send(b"DELE 1\r\n")
    talk.client.shutdown(1)
    return b"+OK\r\n"


def is_terminated(talk: Talk, path: Path) -> bytes:
    os.kill(talk.process.pid, signal.SIGTERM)
    return b""


def finds_another_program(talk: Talk, path: Path) -> bytes:
    path.write_bytes(TWO)
    talk.send(b"RETR 1\r\n")
    return b""


def finds_another_program_at_quit(talk: Talk, path: Path) -> bytes:
    path.write_bytes(TWO)
    return deletes(talk, path)[:5]


def finds_junk_at_quit(talk: Talk, path: Path) -> bytes:
    with open(path, "ab") as file:
        file.write(b"this is no message\n")
    return deletes(talk, path)[:5]


@pytest.mark.parametrize(
    "end",
    [quits, deletes, disconnects, is_terminated, finds_another_program, finds_another_program_at_quit, finds_junk_at_quit],
)
def test_free_after_the_end(spool: Path, end: Callable[[Talk, Path], bytes]) -> None:
    """However a session ends, it leaves no lock behind."""
    path = deliver(spool / "alice")
    with opened(path, "fcntl,flock,dotlock") as talk:
        expected = end(talk, path)
        assert talk.rest() == expected
        talk.process.wait(20)
        assert all_free(path)


def test_free_after_an_update_that_fails(spool: Path) -> None:
    """An update that cannot be made leaves no lock behind, and the mailbox as it was."""
    path = deliver(spool / "alice")
    with opened(path, "fcntl,flock,dotlock", state=b"") as talk:  # without a state directory there is no journal
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT").startswith(b"-ERR")
        assert talk.status() == 1
        assert all_free(path)
    assert path.read_bytes() == MAILBOX


@pytest.mark.parametrize("mbox", [b"no mailbox\n", b"From x\nFrom y\n"])
def test_free_after_a_refused_mailbox(spool: Path, mbox: bytes) -> None:
    """A mailbox that cannot be served is left without locks."""
    path = deliver(spool / "alice", mbox)
    with session(path, "fcntl,flock,dotlock") as talk:
        assert talk.rest() == NOT_LOADED
        assert all_free(path)


# What a dot-lock is

LARGE = (b"From x\nSubject: large\n\n" + (b"x" * 70 + b"\n") * 14_000 + b"\n") * 150


@contextlib.contextmanager
def in_the_middle(path: Path, of: str, locks: str = "dotlock") -> Iterator[Talk]:
    """A session that is stopped while it has its dot-lock: while it parses, or in UPDATE (ONE is deleted then)."""
    deliver(path, ONE + LARGE)
    with session(path, locks) as talk:
        if of == "update":
            assert talk.line() == b"+OK\r\n"
            talk.send(b"DELE 1\r\nQUIT\r\n")
        lock = dotlock(path)
        end = time.monotonic() + 20
        while not lock.exists():
            assert time.monotonic() < end
        talk.process.send_signal(signal.SIGSTOP)
        try:
            state = Path(f"/proc/{talk.process.pid}/status")
            wait_until(lambda: "State:\tT" in state.read_text())
            wait_until(lambda: lock.read_bytes() == b"%d\n" % talk.process.pid or a_moment(talk))
            yield talk
        finally:
            talk.process.send_signal(signal.SIGCONT)


def a_moment(talk: Talk) -> bool:
    """Let a session that was stopped between making the file and writing into it go on for an instant."""
    talk.process.send_signal(signal.SIGCONT)
    talk.process.send_signal(signal.SIGSTOP)
    return False


@pytest.mark.parametrize("of", ["parse", "update"])
def test_a_signal_does_not_leave_it(spool: Path, of: str) -> None:
    """The dot-lock is MAILBOX.lock, of mode 0444, with the process's number; a session that is told to end removes it first,
    and ends with an update that is done.
    """
    path = spool / "alice"
    with in_the_middle(path, of, "fcntl,dotlock") as talk:
        wait_until(lambda: dotlock(path).stat().st_mode == 0o100444 or a_moment(talk))
        assert dotlock(path).stat().st_uid == 20001
        talk.process.terminate()
        talk.process.send_signal(signal.SIGCONT)
        assert talk.process.wait(30) == -signal.SIGTERM
        assert all_free(path)
    assert path.read_bytes() == (ONE if of == "parse" else b"") + LARGE


def test_a_signal_while_waiting(spool: Path) -> None:
    """A session that waits for another lock ends at once when it is told to, and leaves no dot-lock."""
    path = deliver(spool / "alice")
    with held("flock", path), session(path, "dotlock,flock") as talk:
        silent(talk)
        talk.process.terminate()
        assert talk.process.wait(10) == -signal.SIGTERM
        assert not dotlock(path).exists()


@pytest.mark.parametrize("of", ["parse", "update"])
def test_a_killed_session_is_not_waited_for(spool: Path, of: str) -> None:
    """The dot-lock of a session that was killed is removed by the next one, which finishes an update that was begun."""
    path = spool / "alice"
    with in_the_middle(path, of) as talk:
        talk.process.kill()
        talk.process.wait(20)
        assert dotlock(path).exists()
    with opened(path, "dotlock") as talk:
        assert all_free(path)
        assert talk.ask(b"STAT").split()[1] in ((b"151",) if of == "parse" else (b"150", b"151"))
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes().removeprefix(ONE) == LARGE


@pytest.mark.parametrize("of", ["parse", "update"])
@pytest.mark.parametrize("by", [None, b"0"], ids=["removed", "replaced"])
def test_taken_for_a_stale_one(spool: Path, of: str, by: bytes | None) -> None:
    """A session whose dot-lock somebody removes goes on; it does not remove the one that somebody else makes meanwhile."""
    path = spool / "alice"
    with in_the_middle(path, of) as talk:
        dotlock(path).unlink()
        if by is not None:
            make_dotlock(path, by)
        talk.process.send_signal(signal.SIGCONT)
        assert talk.line() == b"+OK\r\n"
        if of == "update":
            assert talk.line() == b"+OK\r\n"
        assert (dotlock(path).read_bytes() if os.path.lexists(dotlock(path)) else None) == by
    assert path.read_bytes() == (ONE if of == "parse" else b"") + LARGE


def test_its_time_tells_that_somebody_is_at_work(spool: Path) -> None:
    """A session that has its dot-lock for long keeps it young, for programs that go by the time."""
    path = spool / "alice"
    with in_the_middle(path, "parse") as talk:
        lock = dotlock(path)
        os.utime(lock, (1, 1))
        talk.process.send_signal(signal.SIGCONT)
        wait_until(lambda: not lock.exists() or lock.stat().st_mtime > 1)
        assert talk.line() == b"+OK\r\n"


# Almost as old as a dot-lock of a living process can be.
SINCE_BOOT = int(time.clock_gettime(time.CLOCK_BOOTTIME)) - 20
STALE = {
    "dead process": (b"%d\n" % NOBODY, 0),
    "dead process, no line end": (b"%d" % NOBODY, 0),
    "empty, old": (b"", 301),
    "procmail's, old": (b"0", 301),
    "not a number, old": (b"x" * 1000, 301),
    "no possible number, old": (b"9" * 20, 301),
    "dead process of some host, old": (b"%d\nmail.example.org\n" % NOBODY, 301),
    "living process, older than the system's start": (b"1\n", 10**9),
}
LIVE = {
    "living process": (b"%d\n" % os.getpid(), 0),
    "living process, old": (b"%d\n" % os.getpid(), SINCE_BOOT),
    "root's process, old": (b"1\n", SINCE_BOOT),
    "living process of some host, old": (b"%d\nmail.example.org\n" % os.getpid(), SINCE_BOOT),
    "empty": (b"", 280),
    "procmail's": (b"0", 280),
    "dead process of some host": (b"%d\nmail.example.org\n" % NOBODY, 280),
    "empty, from the future": (b"", -1000),
}


@pytest.mark.parametrize("kind", STALE)
def test_a_stale_one_is_removed(spool: Path, kind: str) -> None:
    """A dot-lock of a dead process, or one of five minutes whose process cannot be told, is in nobody's way."""
    path = deliver(spool / "alice")
    make_dotlock(path, *STALE[kind])
    with opened(path, "fcntl,dotlock"):
        assert all_free(path)


def test_a_live_one_is_respected(spool: Path) -> None:
    """A dot-lock of a living process, however old, or a young one whose process cannot be told, is waited for."""
    with contextlib.ExitStack() as stack:
        talks = {}
        for i, kind in enumerate(LIVE):
            path = deliver(spool / f"live-{i}")
            make_dotlock(path, *LIVE[kind])
            talks[kind] = path, stack.enter_context(session(path, "dotlock"))
        silent(*(talk for _, talk in talks.values()))
        for kind, (path, talk) in talks.items():
            dotlock(path).unlink()
            assert (kind, talk.line()) == (kind, b"+OK\r\n")
            assert all_free(path)


def test_many_that_find_a_stale_one(spool: Path) -> None:
    """Sessions that find the same stale dot-lock remove it, but not each other's; all get in."""
    path = deliver(spool / "alice")
    make_dotlock(path, *STALE["dead process"])
    with contextlib.ExitStack() as stack:
        for talk in [stack.enter_context(session(path, "dotlock")) for _ in range(6)]:
            assert talk.line() == b"+OK\r\n"
        assert all_free(path)


# Where it cannot be made


def test_a_spool_that_is_not_for_it(host: Host) -> None:
    """In a spool where users cannot make files the log says what is wrong; a QUIT that would delete changes nothing."""
    path = deliver(host.spool / "alice")
    with session(path, "fcntl,dotlock") as talk:
        assert talk.rest() == NOT_LOADED
    host.syslog.wait(f"Failed or refused to load {path}: cannot make its dot-lock: its directory does not let the owner")
    assert all_free(path)
    host.spool.chmod(0o1777)
    with opened(path, "fcntl,dotlock") as talk:
        host.spool.chmod(0o2775)
        talk.send(b"DELE 1\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n-ERR deleted messages not removed\r\n"
    host.syslog.wait(f"Failed to update {path}: cannot make its dot-lock: its directory does not let the owner")
    assert path.read_bytes() == MAILBOX


@pytest.fixture
def small_spool(host: Host) -> Iterator[Path]:
    """A spool with room for some files, small ones."""
    tmpfs(host.spool, "mode=1777,size=64k,nr_inodes=8")
    yield host.spool
    unmount(host.spool)


def test_no_inode_for_it(host: Host, small_spool: Path) -> None:
    """On a file system without room for another file the log says so, the client too, and nothing is changed."""
    path = deliver(small_spool / "alice")
    with opened(path, "dotlock") as talk:
        with contextlib.suppress(OSError):
            for i in range(20):
                (small_spool / str(i)).touch()
        talk.send(b"DELE 1\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n-ERR deleted messages not removed\r\n"
    host.syslog.wait(f"Failed to update {path}: cannot make its dot-lock: No space left on device")
    with session(path, "dotlock") as talk:
        assert talk.rest() == NOT_LOADED
    host.syslog.wait(f"Failed or refused to load {path}: cannot make its dot-lock: No space left on device")
    assert path.read_bytes() == MAILBOX


def test_no_block_for_it(small_spool: Path) -> None:
    """Where there is room for its name, but not for the number in it, a dot-lock locks as well, and is removed."""
    path = deliver(small_spool / "alice")
    with contextlib.suppress(OSError), open(small_spool / "large", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with opened(path, "dotlock") as talk:
        assert all_free(path)
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert all_free(path)
    assert path.read_bytes() == TWO


def test_read_only_file_system(spool: Path) -> None:
    """Where nobody can write, a mailbox is read without a dot-lock; one that is there is respected all the same."""
    path = deliver(spool / "alice")
    subprocess.run(["mount", "-o", "remount,ro", spool], check=True)
    try:
        with opened(path, "fcntl,dotlock") as talk:
            assert talk.ask(b"RETR 2") == b"+OK\r\n"
            assert talk.lines()[-1] == b"body 2\r\n"
            talk.send(b"DELE 1\r\nQUIT\r\n")
            assert talk.rest() == b"+OK\r\n-ERR deleted messages not removed\r\n"
    finally:
        subprocess.run(["mount", "-o", "remount,rw", spool], check=True)
    assert path.read_bytes() == MAILBOX


# Through the whole server


def test_configured(host: Host) -> None:
    """With dot-locks configured the server wants a spool in which users can make them, and says so; then it uses them."""
    host.pam_stack(PAM_OPEN)
    path = deliver(host.spool / "alice")
    name = host.configuration('[mailbox]\nlocks = ["dotlock"]\n')
    with Talk([*POPA3D, "-c", name]) as talk:
        assert talk.rest() == b""
        assert talk.status() == 1
    host.syslog.wait(f"{name}: mailbox.locks: users cannot make a dot-lock in /var/mail, which needs mode 1777 for it")
    host.spool.chmod(0o1777)
    with Talk([*POPA3D, "-c", name]) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        with held("dotlock", path), held("fcntl", path):
            talk.send(b"QUIT\r\n")
            silent(talk)
        assert talk.line() == b"+OK\r\n"
    assert path.read_bytes() == TWO
    assert all_free(path)
