"""Programs that add mail and take no lock of ours: they keep nobody out, and nobody sees a message that is not whole."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner import loading
from popa3d.owner.mailbox import Changed, InUse, Refused, changes, maildrop
from popa3d.owner.mailbox import file as mboxfile
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.mailbox.state_directory import State
from popa3d.shared.limits import PARSE_OCTETS
from tests import peers
from tests.host import CHECKOUT, Host, bind, tmpfs, unmount
from tests.session import MAILBOX, ONE, THREE, TWO, open_session
from tests.session.locks import append, deliver
from tests.session.writer import message
from tests.talk import Talk, wait_until

LARGE = (b"From x\nSubject: large\n\n" + (b"x" * 70 + b"\n") * 14_000 + b"\n") * 36
HALF = THREE[: THREE.index(b"new")] + b"ne"
OTHER_HALF = THREE[len(HALF) :]
assert HALF + OTHER_HALF == THREE


# Real programs


@contextlib.contextmanager
def at_work(command: list[str], **options: object) -> Iterator[None]:
    """A program that writes until its standard input ends."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=CHECKOUT, **options) as process:  # type: ignore[call-overload]
        yield
        process.stdin.close()
        assert process.wait(60) == 0


def sizes(talk: Talk) -> list[int]:
    """What LIST says."""
    assert talk.ask(b"LIST") == b"+OK\r\n"
    return [int(line.split()[1]) for line in talk.lines()]


def fetched(talk: Talk, number: int, size: int) -> bytes:
    """A message, which has that size; its line ends LF."""
    assert talk.ask(b"RETR %d" % number) == b"+OK\r\n"
    lines = talk.lines()
    assert sum(map(len, lines)) == size
    return b"".join(lines).replace(b"\r\n", b"\n")


@pytest.mark.parametrize("first", [MAILBOX, LARGE], ids=["small", "large"])
def test_a_writer_that_never_stops(host: Host, first: bytes) -> None:
    """A mailbox to which somebody writes without a lock is served at each login, large ones by two processes, and with an index:
    all messages that are listed are whole, and there are more and more of them. After that they can be deleted.
    """
    path = host.deliver("alice", first)
    old = first.count(b"From ")
    known = 0
    with at_work([sys.executable, "-B", str(CHECKOUT / "tests/session/writer.py"), str(path)]):
        wait_until(lambda: path.stat().st_size > len(first))
        for _ in range(8):
            with open_session() as talk:
                found = sizes(talk)
                assert len(found) >= max(old, known)
                known = len(found)
                for number in range(max(0, known - 3), known):
                    got = fetched(talk, number + 1, found[number])
                    assert got == message(number - old) if number >= old else got.startswith(b"Subject: ")
                size = path.stat().st_size
                wait_until(lambda at=size: path.stat().st_size > at)
                assert fetched(talk, 1, found[0]) == first[first.index(b"\n") + 1 : first.index(b"\nFrom ")]
                assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert known > old
    with open_session() as talk:
        found = sizes(talk)
        for number in range(1, len(found) + 1):
            assert talk.ask(b"DELE %d" % number) == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes() == b""


@pytest.fixture
def dma(host: Host) -> Iterator[list[str]]:
    """Debian's dma, which locks with flock(2) only, on a root directory of its own. The words behind its name are to follow."""
    root = host.base / "dma"
    root.mkdir()
    tmpfs(root)
    for name in ("usr", "etc/dma", "var/mail", "var/spool/dma", "dev"):
        (root / name).mkdir(parents=True)
    for source in ("/usr", "/etc/passwd", "/etc/group", "/dev/null", "/dev/urandom", "/var/mail"):
        if not os.path.isdir(source):
            (root / source[1:]).touch()
        bind(source, root / source[1:])
    for name in ("lib", "lib64", "bin"):
        (root / name).symlink_to(f"usr/{name}")
    for name, text in (("dma/dma.conf", ""), ("mailname", "localhost\n"), ("aliases", "")):
        (root / "etc" / name).write_text(text)
    program = root / "dma.program"
    program.write_bytes(peers.program("dma", "usr/sbin/dma").read_bytes())
    for path, mode in ((root / "var/spool/dma", 0o2775), (program, 0o2755)):
        os.chown(path, 0, 8)
        path.chmod(mode)
    yield [str(root), "/dma.program"]
    unmount(root)
    root.rmdir()


def test_dma(host: Host, dma: list[str]) -> None:
    """Debian's dma, which takes another lock than ours and writes line by line, keeps nobody out of a large mailbox."""
    path = host.deliver("alice", LARGE)
    mail = host.base / "mail"
    mail.write_bytes(b"Subject: by dma\n\n" + b"".join(b"line %d\n\n" % i for i in range(400)) + b"the end\n")
    root, program = dma
    loop = f"while read -t 0.1 end; [ $? -gt 1 ]; do chroot {root} {program} -D -f w@example.org alice < {mail}; done"
    with at_work(["bash", "-c", loop]):
        wait_until(lambda: path.stat().st_size > len(LARGE))
        for _ in range(8):
            with open_session() as talk:
                found = sizes(talk)
                assert len(found) >= 36
                if len(found) > 36:
                    assert fetched(talk, len(found), found[-1]).endswith(b"line 399\n\nthe end\n")
                assert talk.ask(b"QUIT") == b"+OK\r\n"
    with open_session() as talk:
        found = sizes(talk)
        assert fetched(talk, len(found), found[-1]).endswith(b"line 399\n\nthe end\n")


# What may be half a message


def test_a_message_that_is_being_written(host: Host) -> None:
    """A last message that does not end in an empty line, and is young, is waited for."""
    for half in (HALF, THREE[: THREE.index(b"\n\n") + 2], THREE[:10]):
        path = host.deliver("alice", MAILBOX)
        append(path, half)
        timer = threading.Timer(0.4, append, (path, THREE[len(half) :]))
        timer.start()
        with open_session() as talk:
            found = sizes(talk)
            timer.join()
            assert fetched(talk, 3, found[2]) == b"Subject: three\n\nnew\n", half


@contextlib.contextmanager
def loaded(path: Path) -> Iterator[Maildrop]:
    """The mailbox of the path, loaded in this process."""
    file = MboxFile(bytes(path), ("fcntl",))
    try:
        yield loading.load(file, State(b"", b"alice", bytes(path)), 1000, 1 << 40)
    finally:
        file.close()


@contextlib.contextmanager
def always_young() -> Iterator[None]:
    """Every mailbox was written to just now."""
    with (
        mock.patch.object(loading, "is_young", return_value=True),
        mock.patch.object(maildrop, "is_young", return_value=True),
    ):
        yield


def contents(found: Maildrop) -> list[bytes]:
    return [found.content(i) for i in range(len(found.index))]


FIRST_TWO = [b"Subject: one\n\nbody 1\n", b"Subject: two\n\nbody 2\n"]


def test_a_message_that_takes_too_long(tmp_path: Path) -> None:
    """One that is still not whole when nobody waits any longer is not listed, and left alone; the others are served."""
    path = deliver(tmp_path / "mailbox", MAILBOX + HALF)
    with always_young(), loaded(path) as found:
        assert contents(found) == FIRST_TWO
        append(path, OTHER_HALF)
        assert contents(found) == FIRST_TWO
        found.lock_for_update(deletes_last=True)
    with loaded(path) as found:
        assert len(found.index) == 3


def test_a_message_that_turns_out_to_be_whole(tmp_path: Path) -> None:
    """One that others follow while it is waited for is whole; nothing is parsed again for that, and these are left."""
    path = deliver(tmp_path / "mailbox", MAILBOX[:-1])
    parsed: list[int] = []
    real = MboxFile.reopen

    def reopen(file: MboxFile) -> None:
        if parsed:
            append(path, b"\n" + THREE[:-1])
        real(file)

    with (
        always_young(),
        mock.patch.object(MboxFile, "reopen", reopen),
        behind("build_index", parsed.append),
        loaded(path) as found,
    ):
        assert contents(found) == FIRST_TWO
    assert parsed == [0]


def test_fresh_mail_is_not_waited_for(tmp_path: Path) -> None:
    """A mailbox that ends in an empty line is served at once, however young; a bad one is refused at once."""
    looks: list[MboxFile] = []
    real = MboxFile.reopen

    def reopen(file: MboxFile) -> None:
        looks.append(file)
        real(file)

    with always_young(), mock.patch.object(MboxFile, "reopen", reopen):
        with loaded(deliver(tmp_path / "mailbox")) as found:
            assert contents(found) == FIRST_TWO
        assert len(looks) == 1
        with pytest.raises(Refused, match="does not start"), loaded(deliver(tmp_path / "bad", b"no mailbox\n")):
            pass
        assert len(looks) == 2


@pytest.mark.parametrize("end", [b"", b"\n", b" of its own"])
def test_a_message_that_is_whole(tmp_path: Path, end: bytes) -> None:
    """A mailbox that nobody has written to for a moment is served as it is, however its last message ends."""
    path = deliver(tmp_path / "mailbox", MAILBOX[:-1] + end)
    with loaded(path) as found:
        assert len(contents(found)) == 2


@pytest.mark.parametrize("half", [HALF, THREE[:-1], THREE[: THREE.index(b"\n\n") + 1]])
@pytest.mark.parametrize("rest", [b"w\n\n", b"From here on\n\n", b"\n\nFro", b"\n\nFrox", b"\rFrom x\nX: y\n\n"])
def test_a_message_that_goes_on(host: Host, half: bytes, rest: bytes) -> None:
    """A message that was listed and turns out to be longer is neither sent nor deleted; the others are sent."""
    path = host.deliver("alice", MAILBOX + half)
    with open_session() as talk:
        assert len(sizes(talk)) == 3
        append(path, rest)
        assert talk.ask(b"RETR 2") == b"+OK\r\n" and talk.lines()[-1] == b"body 2\r\n"
        assert talk.ask(b"RETR 3").startswith(b"-ERR [IN-USE]")
        assert talk.ask(b"TOP 3 0").startswith(b"-ERR [IN-USE]")
        talk.send(b"DELE 3\r\nQUIT\r\n")
        assert talk.rest() == b"+OK\r\n"
    assert path.read_bytes() == MAILBOX + half + rest


def test_the_other_half_comes_late(host: Host) -> None:
    """A message that looked whole is not removed before its writer has had the time to go on; then it stays."""
    whole = THREE.replace(b"new\n", b"new\n\nand more\n")
    half = whole[: whole.index(b"and")]
    path = host.deliver("alice", MAILBOX)
    append(path, half)
    with open_session() as talk:
        assert len(sizes(talk)) == 3
        assert talk.ask(b"DELE 3") == b"+OK\r\n"
        os.utime(path)  # it was written just now
        timer = threading.Timer(0.3, append, (path, whole[len(half) :]))
        timer.start()
        talk.send(b"QUIT\r\n")
        assert talk.rest() == b""
        timer.join()
    assert path.read_bytes() == MAILBOX + whole


@pytest.mark.parametrize("more", [0, 1, *range(PARSE_OCTETS - 6, PARSE_OCTETS)])
@pytest.mark.parametrize("half", [MAILBOX, MAILBOX[:-1], MAILBOX[:-2]])
def test_a_message_that_is_followed(host: Host, half: bytes, more: int) -> None:
    """Mail behind empty lines, whoever wrote them, changes nothing about the last message; it is kept when that is deleted."""
    path = host.deliver("alice", half)
    between = MAILBOX[len(half) :] + b"\n" * more
    with open_session() as talk:
        append(path, between + THREE)
        assert talk.ask(b"RETR 2") == b"+OK\r\n" and talk.lines()[-1] == b"body 2\r\n"
        assert talk.ask(b"DELE 2") == b"+OK\r\n"
        assert talk.ask(b"QUIT") == b"+OK\r\n"
    assert path.read_bytes() == ONE + between + THREE


# What happens at the very moment


@contextlib.contextmanager
def behind(name: str, then: Callable[[int], object]) -> Iterator[None]:
    """When the maildrop has used its function `name`, something happens to the mailbox; it is told how often before."""
    real, count = getattr(maildrop, name), iter(range(1000))

    def both(*arguments: object) -> object:
        done = real(*arguments)
        then(next(count))
        return done

    with mock.patch.object(maildrop, name, both):
        yield


@pytest.mark.parametrize("half", [MAILBOX, MAILBOX + HALF, HALF, THREE[: THREE.index(b"\n\n") + 2]])
@pytest.mark.parametrize("piece", [THREE, HALF, b"\nnext line\n", b"From here on", b"\n", b"\n\n" + THREE, b"\n\nFro"])
def test_growth_while_it_is_parsed(tmp_path: Path, half: bytes, piece: bytes) -> None:
    """Mail that comes at any moment in pieces: what is served then is whole in what is there in the end."""
    path = deliver(tmp_path / "mailbox", half)
    with (
        mock.patch.object(changes, "QUIET_S", 0.1),
        mock.patch.object(loading, "QUIET_S", 0.1),
        behind("build_index", lambda _: append(path, piece)),
        behind("checksum", lambda _: append(path, piece)),
        loaded(path) as found,
    ):
        seen = contents(found)
        size = found.index.size
    append(path, b"\n\n" + THREE)
    with loaded(path) as found:
        in_the_end = contents(found)
    assert [octets.rstrip(b"\n") for octets in in_the_end[: len(seen)]] == [octets.rstrip(b"\n") for octets in seen]
    assert len(seen) >= half.count(b"\n\nFrom ")
    assert size <= path.stat().st_size


def test_a_block_that_is_compared(tmp_path: Path) -> None:
    """With a writer who is faster than a look at the mailbox, what is sent is still what was parsed; other changes show."""
    path = deliver(tmp_path / "mailbox")
    with loaded(path) as found:
        append(path, THREE)
        with behind("checksum", lambda _: append(path, THREE)):
            assert contents(found) == FIRST_TWO
            found.lock_for_update(deletes_last=True)
    path = deliver(tmp_path / "other")
    with loaded(path) as found:
        append(path, THREE)
        with behind("checksum", lambda _: path.write_bytes(TWO + ONE + THREE)), pytest.raises(Changed):
            found.content(0)
    path = deliver(tmp_path / "third")
    with loaded(path) as found:
        append(path, THREE)
        with behind("what_follows", lambda _: path.write_bytes(TWO + ONE + THREE)):
            assert found.content(0) == FIRST_TWO[0]  # not that which is there now
        with pytest.raises(Changed):
            found.content(0)
    path = deliver(tmp_path / "fourth")
    with loaded(path) as found:
        append(path, THREE)
        with behind("what_follows", lambda _: path.write_bytes(TWO + ONE + THREE)), pytest.raises(Changed):
            found.lock_for_update(deletes_last=False)


def test_other_changes_while_it_is_parsed(tmp_path: Path) -> None:
    """A mailbox that changed otherwise is read again: what another program left is served, also in another file."""

    def rewritten(count: int) -> None:
        if not count:
            path.write_bytes(TWO + ONE)

    def replaced(count: int) -> None:
        if not count:
            os.rename(deliver(tmp_path / "new", TWO + ONE), path)

    def removed(count: int) -> None:
        path.unlink(missing_ok=True)

    for change, expected in ((rewritten, FIRST_TWO[::-1]), (replaced, FIRST_TWO[::-1]), (removed, [])):
        path = deliver(tmp_path / "mailbox")
        with behind("build_index", change), loaded(path) as found:
            assert contents(found) == expected


def test_a_mailbox_that_never_rests(tmp_path: Path) -> None:
    """Where it changes otherwise each time, that is said after the time of a lock; what is bad each time is refused at once."""
    path = deliver(tmp_path / "mailbox")
    with (
        mock.patch.object(loading, "LOCK_TIMEOUT_S", 0.5),
        behind("build_index", lambda count: path.write_bytes((ONE, TWO)[count % 2])),
        pytest.raises(InUse, match="written to in spite of its lock"),
        loaded(path),
    ):
        pass
    path = deliver(tmp_path / "bad", b"this is no mailbox\n")
    real = mboxfile.MboxFile.read

    def read(file: MboxFile, octets: int, place: int) -> bytes:
        append(path, b"more\n")
        return real(file, octets, place)

    with mock.patch.object(mboxfile.MboxFile, "read", read), pytest.raises(Refused, match="does not start") as why, loaded(path):
        pass
    assert not isinstance(why.value, InUse)
