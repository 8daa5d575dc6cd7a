"""Mailboxes of every kind: served exactly, or refused and left alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import ALICE, Host
from tests.session import MAILBOX, ONE, TWO, handover, open_session, worker
from tests.talk import Talk, piped, script
from tests.unit.owner import plain
from tests.unit.owner.index.test_parser import METADATA


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
    os.chown(path, ALICE.uid, 8)
    path.chmod(0o400)


def of_another(path: Path) -> None:
    path.write_bytes(MAILBOX)
    path.chmod(0o600)


def no_mailbox(path: Path) -> None:
    path.write_bytes(b"<html>\nFrom x\n")


def no_message(path: Path) -> None:
    path.write_bytes(b"From x\nFrom y\nSubject: z\n\n")


def of_a_group(path: Path) -> None:
    path.write_bytes(MAILBOX)
    os.chown(path, 0, 20200)  # alice is in it, but it is not her primary one
    path.chmod(0o660)


def of_his_group(path: Path) -> None:
    path.write_bytes(MAILBOX)
    os.chown(path, 0, ALICE.uid)
    path.chmod(0o640)


DENIED = "Permission denied"
KINDS: dict[Callable[[Path], None], str] = {
    a_directory: "not a regular file but a directory",
    a_fifo: "not a regular file but a FIFO",
    a_device: "not a regular file but a character device",
    a_link_to_mail: "not a regular file but a symbolic link",
    a_link_to_nothing: "not a regular file but a symbolic link",
    a_socket: "not a regular file but a socket",
    unreadable: DENIED,
    read_only: DENIED,
    of_another: DENIED,
    of_a_group: "only its group, 20200, may read it, which is not the user's primary one",
    of_his_group: DENIED,
    no_mailbox: 'does not start with "From "',
    no_message: "has a message without content",
}


def test_a_spool_of_another_group(host: Host) -> None:
    """A spool that only a supplementary group may enter: the log says that, not just that permission was denied."""
    host.deliver("alice", MAILBOX)
    os.chown(host.spool, 0, 20200)
    host.spool.chmod(0o2770)
    with worker(handover().encode()) as talk:
        assert talk.rest() == b"-ERR [SYS/PERM] service unavailable: mailbox cannot be loaded\r\n"
    host.syslog.wait("only its group, 20200, may enter its directory, which is not the user's primary one")


@pytest.mark.parametrize("make", KINDS)
def test_not_a_mailbox(host: Host, make: Callable[[Path], None]) -> None:
    """What is no mailbox of the user's is refused with one line in the log, and neither followed, opened nor waited for."""
    host.deliver("bob", MAILBOX).chmod(0o666)
    path = host.spool / "alice"
    make(path)
    if path.is_file() and make in (no_mailbox, no_message):
        os.chown(path, ALICE.uid, 8)
    before = os.lstat(path)
    with worker(handover().encode()) as talk:
        assert talk.rest() == b"-ERR [SYS/PERM] service unavailable: mailbox cannot be loaded\r\n"
        assert talk.status() == 1
    host.syslog.wait(f"Failed or refused to load /var/mail/alice: {KINDS[make]}")
    after = os.lstat(path)
    assert (before.st_mode, before.st_size, before.st_mtime_ns) == (after.st_mode, after.st_size, after.st_mtime_ns)
    assert (host.spool / "bob").read_bytes() == MAILBOX


ODD = {
    "no final newline": ONE + TWO[:-2],
    "ends in the header": ONE + b"From x\nSubject: end",
    "NULs": b"From x\0\nSub\0ject: \0\n\n\0\n.\0\n\0.\n",
    "CRLF": (ONE + TWO).replace(b"\n", b"\r\n"),
    "CRLF, no final newline": (ONE + TWO).replace(b"\n", b"\r\n")[:-3],
    "CRLF lines in an LF mailbox": b"From x\nReceived: r9\nSubject: php\nX-A: 1\r\nMIME-Version: 1.0\r\n\nbody\n\n"
    + b"From y\nSubject: z\r\n\r\n"
    + b"..a line\r\n" * 100_000
    + b"\r\r\n\rz\r",
    "empty lines first": b"\n\r\n\n" + ONE + TWO,
    "8 bit": b"From x\nSubject: \xe4\xf6\xfc\n\n" + bytes(range(11, 256)) + b"\n",
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_mailbox(host: Host, kind: str) -> None:
    """Sizes are exact, content is the file's, deleting all leaves what is no message, deleting one leaves the rest."""
    mailbox = ODD[kind]
    path = host.deliver("alice", mailbox)
    expected = plain.messages(mailbox, b"\r\n" if mailbox.partition(b"\n")[0].endswith(b"\r") else b"\n")
    assert expected
    with open_session() as talk:
        talk.ask(b"LIST")
        listed = [int(line.split()[1]) for line in talk.lines()]
        for i, message in enumerate(expected, 1):
            assert talk.ask(b"RETR %d" % i) == b"+OK\r\n"
            lines = talk.lines()
            assert b"".join(lines) == plain.sent(message.content)
            assert listed[i - 1] == sum(len(line) - line.startswith(b".") for line in lines) == message.octets
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    first = expected[0].start
    assert path.read_bytes() == mailbox[:first] + (mailbox[expected[1].start :] if len(expected) > 1 else b"")


def test_top_of_a_header_with_crlf(host: Host) -> None:
    """In an LF mailbox, too, TOP takes an empty line that ends in CRLF for the end of the header."""
    host.deliver("alice", b"From x\nSubject: y\r\nTo: z\r\n\r\none\r\ntwo\r\n\n" + ONE)
    with open_session() as talk:
        assert talk.ask(b"TOP 1 1") == b"+OK\r\n"
        assert talk.lines() == [b"Subject: y\r\n", b"To: z\r\n", b"\r\n", b"one\r\n"]
        assert talk.ask(b"QUIT") == b"+OK\r\n"


CRON = (
    b"From root@h Mon Jan  1 00:00:00 2024\nFrom: root@h\nSubject: A\n\na\n\n",
    b"From root@h Mon Jan  1 00:00:00 2024\nFrom: root@h\nSubject: B\n\nb\n\n",
    b"From root@h Mon Jan  1 00:00:00 2024\nMessage-ID: <1>\n\nc\n\n",
    b"From root@h Mon Jan  1 00:00:00 2024\nMessage-ID: <1>\n\nd\n\n",
    b"From root@h Mon Jan  1 00:00:00 2024\nMessage-ID: <1>\n\ne\n\n",
)


def unique_ids(mailbox: bytes, host: Host) -> list[bytes]:
    """What a session says of a mailbox."""
    host.deliver("alice", mailbox)
    with open_session() as talk:
        assert talk.ask(b"UIDL") == b"+OK\r\n"
        return [line.split()[1] for line in talk.lines()]


def test_unique_ids_of_copies(host: Host) -> None:
    """Mail without any field that counts, and mail with equal ones, have unique-ids of their own, whatever is deleted before."""
    ids = unique_ids(b"".join(CRON), host)
    assert len(set(ids)) == 5
    assert unique_ids(CRON[1] + b"".join(CRON[2:]), host) == ids[1:]
    assert unique_ids(CRON[1] + CRON[2] + CRON[4], host) == [ids[1], ids[2], ids[4]]
    assert unique_ids(CRON[3] + CRON[4], host) == [ids[2], ids[4]]  # as in C popa3d: the first one with these fields
    assert unique_ids(CRON[0].replace(b"Subject", b"Status: RO\nSubject"), host) == ids[:1]


def test_metadata(host: Host) -> None:
    """What IMAP servers keep first for themselves is not shown, counted or deleted; alone it is an empty mailbox."""
    path = host.deliver("alice", METADATA + ONE + TWO)
    with open_session() as talk:
        assert talk.ask(b"STAT") == b"+OK 2 %d\r\n" % sum(message.octets for message in plain.messages(ONE + TWO) or [])
        assert talk.ask(b"RETR 1") == b"+OK\r\n"
        assert b"".join(talk.lines()) == plain.sent(ONE.partition(b"\n")[2][:-1])
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes() == METADATA + TWO
    with open_session() as talk:
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        with path.open("ab") as file:
            file.write(ONE)
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes() == METADATA + ONE
    host.deliver("alice", METADATA)
    with open_session() as talk:
        assert talk.ask(b"STAT") == b"+OK 0 0\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    host.deliver("alice", ONE + METADATA)
    with open_session() as talk:
        assert talk.ask(b"STAT").startswith(b"+OK 2 ")
        assert talk.ask(b"QUIT") == b"+OK\r\n"


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
