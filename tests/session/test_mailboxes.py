"""Mailboxes of every kind, and what others do to them during a session: nothing is lost, nothing hangs."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import PAM_OPEN, Host
from tests.session import handover, worker
from tests.talk import Talk, piped, script, wait_until
from tests.unit.owner import plain

ONE = b"From a@b Mon Jan  5 10:00:00 2026\nSubject: one\n\nbody 1\n\n"
TWO = b"From a@b Mon Jan  5 10:00:00 2026\nSubject: two\n\nbody 2\n\n"
THREE = b"From c@d Mon Jan  5 10:01:00 2026\nSubject: three\n\nnew\n\n"
MAILBOX = ONE + TWO


def open_session(name: str = "alice") -> Talk:
    """A worker that has loaded the mailbox of `name`, its greeting read."""
    talk = worker(handover(name).encode())
    assert talk.line() == b"+OK\r\n"
    return talk


@pytest.mark.parametrize("mailbox", [None, b"", b"\n", b"\n\r\n\n"], ids=repr)
def test_empty(host: Host, mailbox: bytes | None) -> None:
    """An absent or empty mailbox has no messages, and stays as it is."""
    path = host.spool / "alice"
    if mailbox is not None:
        host.deliver("alice", mailbox)
    with open_session() as talk:
        assert talk.ask(b"STAT") == b"+OK 0 0\r\n"
        assert talk.ask(b"LIST") == b"+OK\r\n" and talk.lines() == []
        assert talk.ask(b"UIDL") == b"+OK\r\n" and talk.lines() == []
        for line in (b"LIST 1", b"UIDL 1", b"RETR 1", b"DELE 1", b"TOP 1 1", b"RETR 0"):
            assert talk.ask(line).startswith(b"-ERR")
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert (path.read_bytes() if path.exists() else None) == mailbox


def a_directory(path: Path) -> None:
    path.mkdir(mode=0o777)


def a_fifo(path: Path) -> None:
    os.mkfifo(path, 0o666)


def a_device(path: Path) -> None:
    os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero


def a_link_to_mail(path: Path) -> None:
    path.symlink_to("bob")


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("/nonexistent")


def a_socket(path: Path) -> None:
    os.mknod(path, 0o140666)


def unreadable(path: Path) -> None:
    path.write_bytes(MAILBOX)
    path.chmod(0)


def read_only(path: Path) -> None:
    path.write_bytes(MAILBOX)
    os.chown(path, 20001, 8)
    path.chmod(0o400)


def of_another(path: Path) -> None:
    path.write_bytes(MAILBOX)
    path.chmod(0o600)


def no_mailbox(path: Path) -> None:
    path.write_bytes(b"<html>\nFrom x\n")


def no_message(path: Path) -> None:
    path.write_bytes(b"From x\nFrom y\nSubject: z\n\n")


KINDS = [a_directory, a_fifo, a_device, a_link_to_mail, a_link_to_nothing, a_socket, unreadable, read_only, of_another]


@pytest.mark.parametrize("make", [*KINDS, no_mailbox, no_message])
def test_not_a_mailbox(host: Host, make: Callable[[Path], None]) -> None:
    """What is no mailbox of the user's is refused with one line in the log, and neither followed, opened nor waited for."""
    host.deliver("bob", MAILBOX).chmod(0o666)
    path = host.spool / "alice"
    make(path)
    if path.is_file() and make in (no_mailbox, no_message):
        os.chown(path, 20001, 8)
    before = os.lstat(path)
    with worker(handover().encode()) as talk:
        assert talk.rest() == b"-ERR mailbox cannot be loaded\r\n"
        assert talk.status() == 1
    host.syslog.wait("Failed or refused to load /var/mail/alice: ")
    after = os.lstat(path)
    assert (before.st_mode, before.st_size, before.st_mtime_ns) == (after.st_mode, after.st_size, after.st_mtime_ns)
    assert (host.spool / "bob").read_bytes() == MAILBOX


ODD = {
    "no final newline": ONE + TWO[:-2],
    "ends in the header": ONE + b"From x\nSubject: end",
    "NULs": b"From x\0\nSub\0ject: \0\n\n\0\n.\0\n\0.\n",
    "CRLF": (ONE + TWO).replace(b"\n", b"\r\n"),
    "CRLF, no final newline": (ONE + TWO).replace(b"\n", b"\r\n")[:-3],
    "empty lines first": b"\n\r\n\n" + ONE + TWO,
    "8 bit": b"From x\nSubject: \xe4\xf6\xfc\n\n" + bytes(range(11, 256)) + b"\n",
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_mailbox(host: Host, kind: str) -> None:
    """Sizes are exact, content is the file's, deleting all leaves what is no message, deleting one leaves the rest."""
    mailbox = ODD[kind]
    path = host.deliver("alice", mailbox)
    crlf = kind.startswith("CRLF")
    expected = plain.messages(mailbox, b"\r\n" if crlf else b"\n")
    assert expected
    with open_session() as talk:
        talk.ask(b"LIST")
        listed = [int(line.split()[1]) for line in talk.lines()]
        for i, message in enumerate(expected, 1):
            assert talk.ask(b"RETR %d" % i) == b"+OK\r\n"
            lines = talk.lines()
            assert b"".join(lines) == plain.sent(message.content, crlf)
            assert listed[i - 1] == sum(len(line) - line.startswith(b".") for line in lines) == message.octets
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    first = expected[0].start
    assert path.read_bytes() == mailbox[:first] + (mailbox[expected[1].start :] if len(expected) > 1 else b"")


def test_many_messages(host: Host) -> None:
    """200,000 messages are listed, and half of them deleted, in one session."""
    message = b"From x\nMessage-ID: <%d>\n\n%d\n\n"
    host.deliver("alice", b"".join(message % (i, i) for i in range(200_000)))
    replies = piped(
        script(b"STAT\r\nLIST\r\nUIDL\r\n" + b"".join(b"DELE %d\r\n" % i for i in range(1, 200_001, 2)) + b"QUIT\r\n")
    )
    assert replies.endswith(b"+OK\r\n") and b"-ERR" not in replies
    lines = replies.split(b"\r\n")
    assert lines[3].startswith(b"+OK 200000 ")
    assert len(set(lines[lines.index(b".") + 2 : lines.index(b".") + 200_002])) == 200_000
    host.syslog.wait("100000 (")
    assert (host.spool / "alice").read_bytes() == b"".join(message % (i, i) for i in range(1, 200_000, 2))


def test_huge_lines(host: Host) -> None:
    """A header line and a body line of 100 MB each are served whole, in little memory."""
    path = host.deliver("alice", b"")
    with open(path, "wb") as file:
        file.write(b"From x\nSubject: ")
        for _ in range(100):
            file.write(b"h" * 1_000_000)
        file.write(b"\n\n")
        for _ in range(100):
            file.write(b"b" * 1_000_000)
        file.write(b"\n")
    with open_session() as talk:
        size = 200_000_000 + 9 + 6
        assert talk.ask(b"STAT") == b"+OK 1 %d\r\n" % size
        talk.send(b"RETR 1\r\nQUIT\r\n")
        got = 0
        tail = b""
        while more := talk.client.recv(1 << 20):
            got += len(more)
            tail = (tail + more)[-30:]
        assert got == size + len(b"+OK\r\n.\r\n+OK\r\n")
        assert tail.endswith(b"b\r\n.\r\n+OK\r\n")
        peak = [line for line in host_status(talk) if line.startswith("VmHWM")]
        assert not peak or int(peak[0].split()[1]) < 40_000


def host_status(talk: Talk) -> list[str]:
    """/proc/PID/status, if the process is still there."""
    try:
        return Path(f"/proc/{talk.process.pid}/status").read_text().splitlines()
    except OSError:
        return []


def test_beyond_2_gib(host: Host) -> None:
    """A sparse mailbox of over 2 GiB is counted, served and updated."""
    path = host.deliver("alice", ONE + b"From x\nSubject: hole\n\n")
    hole = 2**31 + 5
    with open(path, "r+b") as file:
        file.seek(0, 2)
        file.seek(hole, 1)
        file.write(b"\n\n" + TWO)
    with worker(handover().encode()) as talk:
        talk.client.settimeout(120)
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"LIST 2") == b"+OK 2 %d\r\n" % (hole + 2 + 17)
        assert talk.ask(b"TOP 2 0") == b"+OK\r\n"
        assert talk.lines() == [b"Subject: hole\r\n", b"\r\n"]
        assert talk.ask(b"RETR 3") == b"+OK\r\n"
        assert talk.lines() == [b"Subject: two\r\n", b"\r\n", b"body 2\r\n"]
        assert talk.ask(b"DELE 2") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes() == ONE + TWO


# --- What others do during a session ---


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


def grow_and_change(path: Path) -> None:
    path.write_bytes(TWO + ONE + THREE)


def replace(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy2(path, other)
    os.chown(other, 20001, 8)
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


@pytest.mark.parametrize("change", [truncate, empty, rewrite, grow_and_change, replace, unlink, swap_for_link, delete_first])
def test_any_other_change_ends_the_session(host: Host, change: Callable[[Path], None]) -> None:
    """The session ends before a wrong octet is sent and before anything is written."""
    for commands in (b"RETR 2", b"TOP 1 1", b"DELE 1\r\nQUIT"):
        path = host.deliver("alice", MAILBOX)
        path.with_name("other").unlink(missing_ok=True)
        host.syslog.clear()
        with open_session() as talk:
            change(path)
            left = path.read_bytes() if path.exists() else None
            talk.send(commands + b"\r\n")
            assert talk.rest() in (b"", b"+OK\r\n" if b"DELE" in commands else b"")
            assert talk.status() == 1
        host.syslog.wait("Another MUA active, giving up")
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


def large_update(host: Host, meanwhile: Callable[[Path, int], None]) -> tuple[bytes, bytes]:
    """Delete a first message before 150 MB, and do something once UPDATE has begun; the mailbox then, and as expected."""
    rest = (b"From x\nSubject: large\n\n" + (b"x" * 70 + b"\n") * 14_000 + b"\n") * 150
    path = host.deliver("alice", ONE + rest)
    before = path.stat().st_mtime_ns
    with open_session() as talk:
        talk.send(b"DELE 1\r\nQUIT\r\n")
        wait_until(lambda: path.stat().st_mtime_ns != before)
        meanwhile(path, talk.process.pid)
        talk.rest()
    return path.read_bytes(), rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM])
def test_signals_during_update(host: Host, number: int) -> None:
    """A signal that would end the session (a host that shuts down) waits until UPDATE is done."""
    after, expected = large_update(host, lambda _path, pid: os.kill(pid, number))
    assert after == expected


def test_delivery_without_lock_during_update(host: Host) -> None:
    """Mail that is appended during UPDATE, by a program that ignores the lock, is taken along."""
    after, expected = large_update(host, lambda path, _pid: append(path))
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
    host.syslog.wait("Premature disconnect")


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
