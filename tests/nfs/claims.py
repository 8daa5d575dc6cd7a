"""What docs/SCALE.md says of NFS: what holds between two hosts with one spool, and what does not. `make nfs` runs this.

The server is Linux's, and so are its two clients, with NFS 4.2 and the mount options that are the defaults.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import MESSAGES, mbox
from tests.faults.kills import attach
from tests.host import ALICE, PAM_OPEN, STATE, Host
from tests.nfs import EXPORTED, MOUNTS, SQUASHED
from tests.scale import ADDRESSES
from tests.scale.neighbour import Neighbour
from tests.super.daemon import Connected
from tests.talk import wait_until

MAIL = mbox(MESSAGES[:3])
MORE = mbox(MESSAGES[4:5])
LARGE = mbox(MESSAGES[:1]) + b"".join(mbox((MESSAGES[7].replace(b"20251117.", b"%d." % number),)) for number in range(40))


def configuration(name: str, table: str = "") -> str:
    """popa3d.toml of a host; more of its table [mailbox]."""
    return f'[listen]\naddresses = ["{ADDRESSES[name]}"]\n[mailbox]\n{table}\n'


@pytest.fixture(autouse=True)
def place(host: Host, request: pytest.FixtureRequest) -> str:
    """The name of a directory of the test's own: the hosts remember for a time what there was. Anybody is who they say."""
    host.pam_stack(PAM_OPEN)
    name = re.sub(r"\W", "-", request.node.name)
    for exported in (EXPORTED, EXPORTED / "squashed"):
        (exported / name).mkdir()
    return name


@contextlib.contextmanager
def pair(place: str, table: str = "", share_state: bool = True) -> Iterator[tuple[Neighbour, Neighbour]]:
    """The two hosts, with alice's mail."""
    with contextlib.ExitStack() as stack:
        a, b = (Neighbour(name, configuration(name, table), (ALICE,), MOUNTS[name] / place, share_state) for name in "ab")
        a.deliver(ALICE, MAIL)
        for neighbour in (a, b):
            stack.enter_context(neighbour)
        yield a, b


def session(neighbour: Neighbour) -> Connected:
    """A connection with its host."""
    return Connected(ADDRESSES[neighbour.name])


def count(neighbour: Neighbour) -> int:
    """How many messages alice has there."""
    with session(neighbour) as talk:
        assert talk.login() == b"+OK\r\n"
        found = int(talk.ask(b"STAT").split()[1])
        assert talk.ask(b"QUIT") == b"+OK\r\n"
        return found


def delete_first(neighbour: Neighbour) -> None:
    """alice deletes her first message there."""
    with session(neighbour) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"


@contextlib.contextmanager
def locked(neighbour: Neighbour, lock: str = "fcntl") -> Iterator[int]:
    """A deliverer of that host has the mailbox open, for writing at its end, and locked."""
    fd = os.open(neighbour.spool / ALICE.name, os.O_RDWR | os.O_APPEND)
    try:
        (fcntl.lockf if lock == "fcntl" else fcntl.flock)(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


@pytest.mark.parametrize("lock", ["fcntl", "flock"])
def test_locks_hold_between_hosts(place: str, lock: str) -> None:
    """A session waits for the lock that a deliverer on the other host has, and has the mail that was delivered meanwhile."""
    with pair(place, f'locks = ["{lock}"]') as (a, b), session(a) as talk:
        with locked(b, lock) as fd:
            assert talk.line().startswith(b"+OK") and talk.ask(b"USER alice") == b"+OK\r\n"
            talk.send(b"PASS x\r\n")
            talk.client.settimeout(5)
            with pytest.raises(TimeoutError):
                talk.line()
            os.write(fd, MORE)
        talk.client.settimeout(60)
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"STAT").startswith(b"+OK 4 ")


@pytest.mark.parametrize("locks", ['["fcntl", "flock"]', '["flock", "fcntl"]'])
def test_both_kernel_locks(place: str, locks: str) -> None:
    """fcntl and flock are one kind of lock there: a session that takes both to delete has one in the way of the other."""
    with pair(place, f"locks = {locks}") as (a, _), session(a) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        assert talk.ask(b"QUIT").startswith(b"-ERR [IN-USE] ")
        assert (a.spool / ALICE.name).read_bytes() == MAIL


def test_dotlocks_do_not_hold(place: str) -> None:
    """A dot-lock of a process on the other host, whose number is nobody's here, is taken for a stale one."""
    with pair(place, 'locks = ["dotlock"]') as (a, b):
        lock = a.spool / "alice.lock"
        lock.write_text("4000000\n")
        assert count(b) == 3
        assert not (b.spool / lock.name).exists()


def test_deliveries_and_deletions_are_seen_by_the_next_session(place: str) -> None:
    """Whatever one host has done is there for a session that begins on the other one afterwards."""
    with pair(place) as (a, b):
        for _ in range(3):
            assert count(a) == count(b) == 3
            with locked(b) as fd:
                os.write(fd, MORE)
            assert count(a) == 4
            delete_first(b)
            assert count(a) == 3


def test_the_kept_index_is_for_both(place: str) -> None:
    """The index that one host has kept of a large mailbox is the other's too, and is right after what that one does."""
    with pair(place) as (a, b):
        a.deliver(ALICE, LARGE)
        assert count(a) == count(b) == 41
        (index,) = (a.state / str(ALICE.uid)).glob("*.index")
        inode = index.stat().st_ino
        assert count(b) == count(a) == 41
        assert index.stat().st_ino == inode
        delete_first(b)
        assert count(a) == 40


def test_a_session_that_is_open_meanwhile(place: str) -> None:
    """What it sends is what it has announced, or nothing; and it deletes nothing from a mailbox that another host has changed."""
    with pair(place) as (a, b), session(a) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"DELE 3") == b"+OK\r\n"
        delete_first(b)
        after = (b.spool / ALICE.name).read_bytes()
        if talk.ask(b"RETR 2") == b"+OK\r\n":  # from what its host remembers
            lines = [line.removesuffix(b"\r\n") + b"\n" for line in talk.lines()]
            assert b"".join(line.removeprefix(b".") for line in lines) == MESSAGES[1]
            assert talk.ask(b"QUIT") == b""
            assert "Another MUA active, giving up for alice" in a.syslog.text
        assert (b.spool / ALICE.name).read_bytes() == (a.spool / ALICE.name).read_bytes() == after


def interrupted(a: Neighbour, tmp_path: Path) -> bytes:
    """Host a fails while alice deletes her first message there; what her mailbox should become."""
    a.deliver(ALICE, LARGE)
    with session(a) as talk:
        assert talk.login() == b"+OK\r\n"
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        (pid,) = a.sessions()
        with attach(pid, tmp_path / "trace", "-f", "-e", "trace=pwrite64", "-e", "inject=pwrite64:signal=SIGKILL:when=5"):
            talk.send(b"QUIT\r\n")
            assert talk.rest() == b""
    a.die()
    (_,) = (a.state / str(ALICE.uid)).glob("*.journal")
    return LARGE[len(mbox(MESSAGES[:1])) :]


def test_the_other_host_finishes_an_update(place: str, tmp_path: Path) -> None:
    """With the state directories shared, too, the other host finds the journal and finishes what the failed one began."""
    with pair(place) as (a, b):
        result = interrupted(a, tmp_path)
        assert count(b) == 40
        assert (b.spool / ALICE.name).read_bytes() == result
        assert "An unfinished update was completed" in b.syslog.text


def test_state_directories_that_are_not_shared(place: str, tmp_path: Path) -> None:
    """Then the other host does not know, and serves a mailbox in between. The first one can still finish."""
    with pair(place, share_state=False) as (a, b):
        result = interrupted(a, tmp_path)
        count(b)
        assert (b.spool / ALICE.name).read_bytes() not in (LARGE, result)
        a.start()
        assert count(a) == 40
        assert (b.spool / ALICE.name).read_bytes() == result


def test_where_root_is_nobody(place: str) -> None:
    """Root cannot make state directories there. Where the server has made one, sessions use it; popa3d-recover cannot look."""
    made = EXPORTED / "squashed" / place
    (made / "spool").mkdir()
    os.chown(made / "spool", 0, 8)
    (made / "spool").chmod(0o2775)
    (made / "state").mkdir()
    (made / "state").chmod(0o711)
    mailbox = made / "spool" / ALICE.name
    mailbox.write_bytes(LARGE)
    os.chown(mailbox, ALICE.uid, 8)
    mailbox.chmod(0o660)
    with Neighbour("a", configuration("a"), (ALICE,), SQUASHED / place) as a:
        assert count(a) == 41
        assert f"No state directory for alice: {STATE}/{ALICE.uid}: Permission denied" in a.syslog.text
        directory = made / "state" / str(ALICE.uid)
        directory.mkdir(mode=0o700)
        os.chown(directory, ALICE.uid, ALICE.uid)
        a.syslog.clear()
        wait_until(lambda: count(a) == 41 and list(directory.iterdir()) != [])
        delete_first(a)
        assert count(a) == 40
        with pytest.raises(PermissionError):
            os.listdir(a.state / str(ALICE.uid))


def test_a_host_without_its_network(place: str) -> None:
    """Its locks end with its lease, and the other host goes on. When it comes back it can write nothing with the lock it had."""
    with pair(place) as (a, b):
        with locked(a) as fd:
            network("down")
            try:
                with contextlib.suppress(AssertionError):
                    delete_first(b)  # it may have been told that the mailbox is in use
                wait_until(lambda: count(b) == 2)
                with locked(b):
                    pass
            finally:
                network("up")
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                _write(fd)
        assert count(b) == 2


def _write(fd: int) -> None:
    os.write(fd, MORE)
    os.fsync(fd)


def network(state: str) -> None:
    """Take host a's network away, or give it back."""
    subprocess.run(["nsenter", "--net=/proc/1/ns/net", "ip", "link", "set", "to-a", state], check=True)
