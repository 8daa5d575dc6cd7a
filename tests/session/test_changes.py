"""What others do to a mailbox during a session, and what the session does to it: nothing is lost, nothing hangs."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner import loading
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.state_directory import State
from popa3d.shared.limits import STATE
from tests.faults import kills
from tests.host import ALICE, PAM_OPEN, Host
from tests.session import MAILBOX, ONE, THREE, TWO, handover, open_session, waiting, worker
from tests.talk import piped, script, wait_until


def append(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(THREE)


def touch(path: Path) -> None:
    os.utime(path)


def test_append_and_touch_are_fine(host: Host) -> None:
    """New mail waits for the next session and survives the update; a changed time means nothing."""
    for change, behind in ((append, THREE), (touch, b"")):
        path = host.deliver("alice", MAILBOX)
        with open_session() as talk:
            change(path)
            assert talk.ask(b"STAT").startswith(b"+OK 2 ")
            assert talk.ask(b"RETR 1") == b"+OK\r\n"
            assert talk.lines()[-1] == b"body 1\r\n"
            change(path)
            assert talk.ask(b"DELE 1") == b"+OK\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert path.read_bytes() == TWO + behind * 2


def truncate(path: Path) -> None:
    os.truncate(path, len(MAILBOX) - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def rewrite(path: Path) -> None:
    path.write_bytes(MAILBOX.replace(b"Subject: one", b"Status: RO\nSubject: one"))


def same_size(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(MAILBOX.replace(b"\n\nFrom", b"\nX\nFro"))


def same_size_body(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(MAILBOX.replace(b"body 2", b"bodx 2"))


def same_size_body_and_time(path: Path) -> None:
    """Only the time of the last change of the inode tells, which nobody can set back."""
    status = path.stat()
    same_size_body(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def same_size_body_and_grow(path: Path) -> None:
    same_size_body(path)
    append(path)


def grow_and_change(path: Path) -> None:
    path.write_bytes(TWO + ONE + THREE)


def replace(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy2(path, other)
    os.chown(other, ALICE.uid, 8)
    os.rename(other, path)


def unlink(path: Path) -> None:
    path.unlink()


def swap_for_link(path: Path) -> None:
    os.rename(path, path.with_name("kept"))
    path.symlink_to("kept")


def delete_first(path: Path) -> None:
    path.write_bytes(TWO)


def append_junk(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"this is no message\n")


@pytest.mark.parametrize(
    "change",
    [truncate, empty, rewrite, same_size, same_size_body, same_size_body_and_time, same_size_body_and_grow]
    + [grow_and_change, replace, unlink, swap_for_link, delete_first],
)
def test_any_other_change_ends_the_session(host: Host, change: Callable[[Path], None]) -> None:
    """The session ends before a wrong octet is sent and before anything is written."""
    for first, commands in ((b"", b"RETR 2"), (b"RETR 1", b"RETR 2"), (b"", b"TOP 1 1"), (b"", b"DELE 1\r\nQUIT")):
        path = host.deliver("alice", MAILBOX)
        path.with_name("other").unlink(missing_ok=True)
        host.syslog.clear()
        with open_session() as talk:
            if first:
                assert talk.ask(first) == b"+OK\r\n" and talk.lines()
                waiting(talk)  # by now it has prepared the next one
            change(path)
            left = path.read_bytes() if path.exists() else None
            talk.send(commands + b"\r\n")
            assert talk.rest() in (b"", b"+OK\r\n" if b"DELE" in commands else b"")
            assert talk.status() == 1
        host.syslog.wait("Another MUA active, giving up for alice")
        assert (path.read_bytes() if path.exists() else None) == left
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("empty_lines", [0, 3, 3_000_000])
def test_junk_behind_is_not_rewritten(host: Host, empty_lines: int) -> None:
    """What was appended and is no message keeps the mailbox from being updated: it could not stand first in it."""
    path = host.deliver("alice", MAILBOX)
    with open_session() as talk:
        with open(path, "ab") as file:
            file.write(b"\n" * empty_lines)
        append_junk(path)
        assert talk.ask(b"RETR 1") == b"+OK\r\n"
        talk.lines()
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        talk.send(b"QUIT\r\n")
        assert talk.rest() == b""
    assert path.read_bytes() == MAILBOX + b"\n" * empty_lines + b"this is no message\n"


def test_a_carriage_return_behind(host: Host) -> None:
    """A lone CR before what was appended is no empty line: with the messages before it removed, no session could read that."""
    path = host.deliver("alice", MAILBOX)
    with open_session() as talk:
        with path.open("ab") as file:
            file.write(b"\r" + THREE)
        talk.send(b"DELE 1\r\nDELE 2\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n+OK\r\n"
    assert path.read_bytes() == MAILBOX + b"\r" + THREE


def test_changed_for_a_moment(host: Host, tmp_path: Path) -> None:
    """What another program writes under its lock, and takes back before it lets go of that, is never sent."""
    path = tmp_path / "mailbox"
    path.write_bytes(MAILBOX)
    loaded = loading.load(MboxFile(bytes(path), ("fcntl",)), State(b"", b"alice", bytes(path)), 10, 1 << 40)
    path.write_bytes(MAILBOX.replace(b"body", b"BODY"))
    take = MboxFile.lock

    def after_it(file: MboxFile, exclusive: bool) -> None:
        path.write_bytes(MAILBOX)
        take(file, exclusive)

    with mock.patch.object(MboxFile, "lock", after_it):
        assert loaded.content(1) == b"Subject: two\n\nbody 2\n"
    loaded.file.close()


def test_two_sessions(host: Host) -> None:
    """Of two sessions that delete, the first QUIT wins and the other ends without damage."""
    path = host.deliver("alice", MAILBOX + THREE)
    with open_session() as first, open_session() as second:
        for talk, line in ((first, b"DELE 1"), (second, b"DELE 2")):
            assert talk.ask(line) == b"+OK\r\n"
        assert first.ask(b"QUIT") == b"+OK\r\n"
        assert first.status() == 0
        second.send(b"QUIT\r\n")
        assert second.rest() == b""
        assert second.status() == 1
    assert path.read_bytes() == TWO + THREE


def large_update(host: Host, meanwhile: Callable[[Path, int], None]) -> tuple[bytes, bytes, bytes]:
    """Delete a first message before 150 MB, and do something once UPDATE has begun, which waits for that.

    The mailbox then, as expected, and the replies to DELE and QUIT.
    """
    rest = (b"From x\nSubject: large\n\n" + (b"x" * 70 + b"\n") * 14_000 + b"\n") * 150
    path = host.deliver("alice", ONE + rest)
    before = path.stat().st_mtime_ns
    with open_session() as talk:
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        # The journal's head, data and record; then the first write to the mailbox, behind which it is held up.
        delay = ["-e", "trace=pwrite64", "-e", "inject=pwrite64:delay_exit=2000000:when=4"]
        tracer = kills.attach(talk.process.pid, host.base / "strace", *delay)
        talk.send(b"QUIT\r\n")
        wait_until(lambda: path.stat().st_mtime_ns != before)
        meanwhile(path, talk.process.pid)
        said = talk.rest()
        tracer.wait(60)
    return path.read_bytes(), rest, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM])
def test_signals_during_update(host: Host, number: int) -> None:
    """A signal that would end the session (a host that shuts down) waits until UPDATE is done."""
    after, expected, _ = large_update(host, lambda _path, pid: os.kill(pid, number))
    assert after == expected


def test_delivery_without_lock_during_update(host: Host) -> None:
    """Mail that is appended during UPDATE, by a program that ignores the lock, is taken along."""
    after, expected, _ = large_update(host, lambda path, _pid: append(path))
    assert after == expected + THREE


def test_closing_without_quit(host: Host) -> None:
    """A connection that is closed without QUIT removes nothing, and does not even touch the file."""
    path = host.deliver("alice", MAILBOX)
    before = path.stat()
    with open_session() as talk:
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"DELE 2") == b"+OK\r\n"
    after = path.stat()
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ctime_ns, after.st_ino)
    assert path.read_bytes() == MAILBOX
    host.syslog.wait("Premature disconnect for alice")


def test_update_keeps_the_file(host: Host) -> None:
    """UPDATE keeps inode, owner, group and mode."""
    path = host.deliver("alice", MAILBOX)
    before = path.stat()
    with open_session() as talk:
        assert talk.ask(b"DELE 2") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    after = path.stat()
    assert [getattr(before, "st_" + n) for n in ("ino", "uid", "gid", "mode")] == [
        getattr(after, "st_" + n) for n in ("ino", "uid", "gid", "mode")
    ]
    assert path.read_bytes() == ONE


def locked(path: Path, kind: int) -> int:
    """A descriptor with another process's kind of lock (this process's) on the mailbox."""
    fd = os.open(path, os.O_RDWR)
    fcntl.lockf(fd, kind)
    return fd


def test_locks_are_waited_for(host: Host) -> None:
    """While another program holds a lock nothing is parsed or written; when it lets go, all goes on."""
    path = host.deliver("alice", MAILBOX)
    fd = locked(path, fcntl.LOCK_EX)
    with worker(handover().encode()) as talk:
        talk.client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            talk.client.recv(1)
        talk.client.settimeout(20)
        fcntl.lockf(fd, fcntl.LOCK_UN)
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        fcntl.lockf(fd, fcntl.LOCK_SH)
        talk.send(b"QUIT\r\n")
        talk.client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            talk.client.recv(1)
        assert path.read_bytes() == MAILBOX
        fcntl.lockf(fd, fcntl.LOCK_UN)  # (reading the file above has dropped the lock already: POSIX)
        talk.client.settimeout(20)
        assert talk.line() == b"+OK\r\n"
    os.close(fd)
    assert path.read_bytes() == TWO


def test_message_in_use(host: Host) -> None:
    """When new mail came and its deliverer keeps the lock, RETR says so after a while, and does not count for LAST."""
    path = host.deliver("alice", MAILBOX)
    with open_session() as talk:
        append(path)
        fd = locked(path, fcntl.LOCK_EX)
        talk.client.settimeout(40)
        assert talk.ask(b"RETR 2").startswith(b"-ERR [IN-USE]")
        os.close(fd)
        assert talk.ask(b"LAST") == b"+OK 0\r\n"
        assert talk.ask(b"RETR 2") == b"+OK\r\n"


def test_locks_are_not_held_in_between(host: Host) -> None:
    """Between commands a delivery agent gets its lock at once."""
    path = host.deliver("alice", MAILBOX)
    with open_session() as talk:
        assert talk.ask(b"RETR 1") == b"+OK\r\n"
        talk.lines()
        fd = os.open(path, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
        assert talk.ask(b"QUIT") == b"+OK\r\n"


def test_read_only_file_system_is_not_needed_to_read(host: Host) -> None:
    """Through the whole server: a session that deletes nothing writes nothing."""
    host.pam_stack(PAM_OPEN)
    path = host.deliver("alice", MAILBOX)
    before = path.stat().st_ctime_ns
    assert piped(script(b"RETR 1\r\nRETR 2\r\nQUIT\r\n")).endswith(b"+OK\r\n")
    assert path.stat().st_ctime_ns == before


def make_anew(path: Path) -> None:
    path.unlink()
    path.write_bytes(FOREIGN * 20)
    os.chown(path, ALICE.uid, 8)


FOREIGN = b"From x@y\nSubject: important\n\nkeep me\n\n"


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda path: path.write_bytes(FOREIGN * 20), True),  # in place, the same inode
        (lambda path: path.write_bytes(MAILBOX * 20), True),
        (make_anew, True),
        (lambda path: os.truncate(path, 10), False),
    ],
    ids=["rewritten", "restored", "made anew", "cut"],
)
def test_journal_of_another_mailbox(host: Host, tmp_path: Path, change: Callable[[Path], object], kept: bool) -> None:
    """After an interrupted update somebody else changed the mailbox: the journal is put aside with a line, never applied."""
    path = host.deliver("alice", MAILBOX + THREE * 3)
    with open_session() as talk:
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        tracer = kills.attach(talk.process.pid, tmp_path / "log", "-e", "inject=pwrite64:signal=SIGKILL:when=4")
        talk.send(b"QUIT\r\n")
        talk.rest()
        tracer.wait(20)
    state = Path(STATE) / str(ALICE.uid)
    assert [name for name in os.listdir(state) if name.endswith(".journal")]
    change(path)
    there = path.read_bytes()
    with worker(handover().encode()) as talk:
        assert talk.line().startswith(b"+OK" if kept else b"-ERR")
    assert path.read_bytes() == there
    host.syslog.wait("A journal that does not fit the mailbox was put aside: ")
    assert [name.rpartition(".")[2] for name in os.listdir(state)] == ["rejected"]


def test_mailbox_cut_meanwhile(host: Host) -> None:
    """Somebody who ignores the locks cuts the mailbox during UPDATE: the session ends, with what it was at in the journal."""
    _, _, said = large_update(host, lambda path, _pid: os.truncate(path, 1_000_000))
    assert said.endswith(b"-ERR [SYS/PERM] deleted messages not removed\r\n")
