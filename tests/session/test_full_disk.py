"""Disks that are full, or read-only: who deletes mail to make room succeeds, or nothing has changed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from popa3d.shared.limits import STATE
from tests.host import ALICE, PAM_OPEN, Host, bind, tmpfs, unmount
from tests.session import MAILBOX, ONE, THREE, TWO, handover, worker
from tests.talk import POPA3D, Talk

LARGE = b"From a@b\nSubject: large\n\n" + b"line of a large message\n" * 10_000 + b"\n"
MS_REMOUNT, MS_RDONLY = 32, 1


@contextlib.contextmanager
def one_disk(host: Host, options: str = "mode=1777,size=4m") -> Iterator[Path]:
    """A small disk that has the spool and the state directories; nobody has one yet."""
    disk = host.base / "disk"
    disk.mkdir(exist_ok=True)
    tmpfs(disk, options)
    for name, mode in (("mail", 0o2775), ("state", 0o711)):
        (disk / name).mkdir()
        (disk / name).chmod(mode)
    Path(STATE).mkdir(exist_ok=True)
    bind(disk / "mail", host.spool)
    bind(disk / "state", STATE)
    host.pam_stack(PAM_OPEN)
    try:
        yield disk
    finally:
        for place in (STATE, host.spool, disk):
            unmount(place)


def fill(disk: Path) -> None:
    """Leave no room for an octet."""
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert os.statvfs(disk).f_bavail == 0


def delete(host: Host, mailbox: bytes, *numbers: int) -> tuple[bytes, bytes]:
    """Delete these messages of a mailbox on a full disk; QUIT's reply, and the mailbox afterwards."""
    with one_disk(host) as disk:
        path = host.deliver("alice", mailbox)
        fill(disk)
        with Talk(POPA3D) as talk:
            assert talk.login() == b"+OK\r\n"
            for number in numbers:
                assert talk.ask(b"DELE %d" % number) == b"+OK\r\n"
            reply = talk.ask(b"QUIT")
            talk.rest()
        assert not [name for name in os.listdir(f"{STATE}/{ALICE.uid}") if ".journal" in name]
        return reply, path.read_bytes()


@pytest.mark.parametrize(
    ("mailbox", "numbers", "after"),
    [
        ([ONE, TWO, THREE], (1, 2, 3), b""),
        ([ONE, TWO, THREE], (3,), ONE + TWO),
        ([ONE, TWO, THREE], (1,), TWO + THREE),
        ([ONE, TWO, THREE], (2,), ONE + THREE),
        ([ONE, LARGE, TWO, LARGE, THREE], (1, 3), LARGE + LARGE + THREE),
        ([ONE, LARGE, TWO, LARGE, THREE] * 4, tuple(range(2, 21, 2)), (ONE + TWO + THREE + LARGE + LARGE) * 2),
        ([ONE] * 1000, tuple(range(1, 1001, 2)), ONE * 500),
    ],
    ids=["all", "last", "first", "middle", "large ones behind", "large ones", "many"],
)
def test_full_disk(host: Host, mailbox: list[bytes], numbers: tuple[int, ...], after: bytes) -> None:
    """On a disk without a free block, before which nobody had logged in, messages are deleted all the same."""
    assert delete(host, b"".join(mailbox), *numbers) == (b"+OK\r\n", after)


def test_full_disk_and_too_much_to_do(host: Host) -> None:
    """What would take minutes without room for a journal is refused, and the mailbox is what it was."""
    mailbox = b"From a\n\nx\n\n" + b"From b\n\n" + b"y" * 3_000_000 + b"\n"
    reply, left = delete(host, mailbox, 1)
    assert reply.startswith(b"-ERR") and left == mailbox
    assert "Failed to update /var/mail/alice: No space left on device" in host.syslog.wait("Failed to update")


def test_disk_full_but_for_a_little(host: Host) -> None:
    """Where the journal cannot have all its room, it takes less."""
    rest = b"From b\n\n" + b"y" * 1_500_000 + b"\n\n"
    with one_disk(host) as disk:
        path = host.deliver("alice", ONE + rest)
        fill(disk)
        os.truncate(disk / "filler", (disk / "filler").stat().st_size - 200_000)
        with Talk(POPA3D) as talk:
            assert talk.login() == b"+OK\r\n"
            assert talk.ask(b"DELE 1") == b"+OK\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert path.read_bytes() == rest
        assert not [name for name in os.listdir(f"{STATE}/{ALICE.uid}") if ".index" not in name]


def test_read_only(host: Host) -> None:
    """On a read-only file system mail is read; QUIT with deletions says -ERR, and the log says why."""
    with one_disk(host) as disk:
        path = host.deliver("alice", MAILBOX)
        libc = ctypes.CDLL(None, use_errno=True)
        for place in (host.spool, disk):
            assert (
                libc.mount(
                    b"none", bytes(place), None, ctypes.c_ulong(MS_REMOUNT | MS_RDONLY | (4096 if place != disk else 0)), None
                )
                == 0
            )
        with Talk(POPA3D) as talk:
            assert talk.login() == b"+OK\r\n"
            assert talk.ask(b"RETR 1") == b"+OK\r\n"
            talk.lines()
            assert talk.ask(b"DELE 1") == b"+OK\r\n"
            assert talk.ask(b"QUIT").startswith(b"-ERR")
        with Talk(POPA3D) as talk:
            assert talk.login() == b"+OK\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert path.read_bytes() == MAILBOX
    host.syslog.wait("Failed to update /var/mail/alice: Read-only file system")
    said = "/var/mail/alice is on a file system that can only be read: no message can be deleted"
    assert host.syslog.text.count(said) == 2


def test_limit_of_file_sizes(host: Host) -> None:
    """With a limit that would be met in the middle of the mailbox nothing is begun; the server itself lifts what it can."""
    mailbox = ONE + b"From b\n\n" + b"y" * 3_000_000 + b"\n\n" + TWO
    path = host.deliver("alice", mailbox)

    def limit(hard: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))

    with worker(handover().encode(), before=lambda: limit(1_000_000)) as talk:
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT").startswith(b"-ERR")
    assert path.read_bytes() == mailbox
    host.syslog.wait("Failed to update /var/mail/alice: File too large")
    host.pam_stack(PAM_OPEN)
    with Talk(POPA3D, preexec_fn=lambda: limit(resource.RLIM_INFINITY)) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes() == mailbox[len(ONE) :]
