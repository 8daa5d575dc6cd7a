"""An index that its owner has forged, with a right CRC: sessions do without it or end, and nobody else loses mail."""

from __future__ import annotations

import random
import resource
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from popa3d.owner.index import packing
from popa3d.owner.index.index import COLUMNS, Index
from popa3d.owner.mailbox import kept_index
from popa3d.shared.limits import STATE
from tests.host import ALICE, Host
from tests.session import ONE, THREE, TWO, handover, waiting, worker

LARGE = b"From x\nSubject: large\n\n" + b"a line of some length, as mail has them\n" * 15_000 + b"\n"
MESSAGES = [ONE, LARGE, TWO, THREE, LARGE, ONE]
MAILBOX = b"".join(MESSAGES)
GROWN = MAILBOX + TWO
LAST = len(MESSAGES) - 1
MEMORY = 200 * 1024 * 1024
SEED = 1
HEAD = kept_index._HEAD_OCTETS
CHECK_OCTETS = 4

READS = b"STAT\r\nLIST\r\nUIDL\r\n" + b"".join(b"LIST %d\r\nUIDL %d\r\nTOP %d 1\r\n" % (i, i, i) for i in range(1, 7))
Forgery = Callable[[Index], None]


def column(name: str, number: int, value: int) -> Forgery:
    """Another number in a column."""

    def forge(index: Index) -> None:
        values = getattr(index, name).tolist()
        values[number] = value
        setattr(index, name, packed(values))

    return forge


def packed(values: list[int]) -> memoryview:
    """Numbers, as a column has them."""
    return memoryview(b"".join(value.to_bytes(8, sys.byteorder, signed=True) for value in values)).cast("q")


def head(name: str, value: int) -> Forgery:
    """Another number in front."""
    return lambda index: setattr(index, name, value)


def descending(index: Index) -> None:
    for name in COLUMNS:
        setattr(index, name, packed(getattr(index, name).tolist()[::-1]))


def all_the_same(index: Index) -> None:
    for name in COLUMNS:
        setattr(index, name, packed([1000] * len(index)))


def one_octet_each(index: Index) -> None:
    """Messages that are shorter than any can be, which a journal would not be believed of."""
    for place, name in enumerate(COLUMNS):
        setattr(index, name, packed([3 * i + place for i in range(len(index))]))


def short_ids(index: Index) -> None:
    index.ids = index.ids[:-1]


def few(count: int) -> Forgery:
    """Less messages."""

    def forge(index: Index) -> None:
        for name in COLUMNS:
            setattr(index, name, getattr(index, name)[:count])
        index.ids = index.ids[: len(index.ids) * count // len(MESSAGES)]

    return forge


def numbers(real: int) -> list[int]:
    """What could be in the place of a number."""
    size = len(MAILBOX)
    return [-(2**63), -1, 0, 1, real - 1, real + 1, real + 7, size - 1, size, size + 1, 2**31, 2**56 - 1, 2**56, 2**62, 2**63 - 1]


def systematic(real: Index) -> Iterator[tuple[str, Forgery]]:
    """Each number of the head, and some of each column, in turn."""
    for name in COLUMNS:
        for number in (0, 2, LAST):
            for value in numbers(getattr(real, name)[number]):
                yield f"{name}[{number}] = {value}", column(name, number, value)
    for value in numbers(real.size):
        yield f"size = {value}", head("size", value)
    for value in (-1, 0, 2**32, 2**63 - 1):
        yield f"check = {value}", head("check", value)
    yield "crlf", head("crlf", 1)
    for count in range(len(MESSAGES)):
        yield f"{count} messages", few(count)


def at_random(real: Index, chance: random.Random) -> tuple[str, Forgery]:
    """Some numbers at once; most of them small changes, so that some of it is believed."""
    changes = []
    for _ in range(chance.randint(1, 5)):
        name, number = chance.choice(COLUMNS), chance.randrange(len(MESSAGES))
        value = getattr(real, name)[number]
        value += chance.choice((chance.randint(-60, 60), chance.randint(-len(MAILBOX), len(MAILBOX)), 2**40))
        changes.append((name, number, value))

    def forge(index: Index) -> None:
        for change in changes:
            column(*change)(index)

    return f"{changes}", forge


def raw_counts(good: bytes) -> Iterator[tuple[str, bytes]]:
    """The number of messages alone."""
    for count in (-(2**63), -1, 0, 1, 5, 7, 2**21, 2**21 + 1, 2**40, 2**63 - 1):
        yield f"count = {count}", good[:HEAD] + count.to_bytes(8, sys.byteorder, signed=True) + good[HEAD + 8 : -CHECK_OCTETS]


def session(commands: bytes) -> None:
    """Claim that a session with these commands ends by itself, with status 0 or 1, and takes little memory."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    with worker(handover().encode(), before=limit) as talk:
        talk.send(commands)
        got = talk.rest()
        assert talk.status() in (0, 1), commands
    assert all(line.startswith((b"+OK", b"-ERR")) for line in got.splitlines()[:2])


class Kept:
    """Alice's mailbox, of which there is an index. grown: and a message more."""

    def __init__(self, host: Host, grown: bool) -> None:
        self._host = host
        self._grown = grown
        self.before = MAILBOX + TWO * grown
        self.mailbox = host.deliver("alice", MAILBOX)
        self._make()
        self.good = self.file.read_bytes()

    def _make(self) -> None:
        session(b"QUIT\r\n")
        (self.file,) = Path(f"{STATE}/{ALICE.uid}").iterdir()
        self.good = self.file.read_bytes()
        if self._grown:
            with open(self.mailbox, "ab") as file:
                file.write(TWO)

    def survives(self, octets: bytes, chance: random.Random) -> str:
        """Claim that sessions with such an index end well, and that deletions take what it says, or the mailbox, or nothing."""
        order = chance.sample(range(1, len(MESSAGES) + 1), len(MESSAGES))
        for commands in (READS, b"".join(b"RETR %d\r\n" % i for i in order)):
            self.put(octets)
            session(commands + b"QUIT\r\n")
        gone = order[: chance.randint(1, len(order))]
        self.put(octets)
        session(b"".join(b"DELE %d\r\n" % i for i in gone) + b"QUIT\r\n")
        assert "nternal error" not in self._host.syslog.text
        assert not [path for path in self.file.parent.iterdir() if ".index" not in path.name]
        after = self.mailbox.read_bytes()
        if after == self.before:
            return "refused"
        self.file.unlink(missing_ok=True)
        with open(self.mailbox, "r+b") as file:
            file.truncate(0)
            file.write(MAILBOX)
        self._make()
        messages = [*MESSAGES, TWO] if self._grown else MESSAGES
        if after == b"".join(message for i, message in enumerate(messages, 1) if i not in gone):
            return "not believed"
        index = parsed(octets)
        places = [*index.start, index.size]
        assert sorted(places) == places and places[0] >= 0 and places[-1] == len(MAILBOX)
        pieces = [MAILBOX[place:end] for place, end in pairwise(places)]
        kept = b"".join(piece for i, piece in enumerate(pieces, 1) if i not in gone)
        assert after == MAILBOX[: places[0]] + kept + TWO * self._grown
        return "believed"

    def put(self, octets: bytes) -> None:
        """Let this be the index, with a right check."""
        self.file.write_bytes(octets + zlib.crc32(octets).to_bytes(CHECK_OCTETS, sys.byteorder))
        self._host.syslog.clear()


def parsed(octets: bytes) -> Index:
    """The index in a file that has no check."""
    place = HEAD

    def take(count: int) -> bytes:
        nonlocal place
        place += count
        return octets[place - count : place]

    found = packing.unpacked(take, len(MESSAGES))
    assert found is not None and place == len(octets)
    return found


def forged(good: bytes, forge: Forgery) -> bytes:
    """The octets of an index file without its check, after `forge`."""
    index = parsed(good[:-CHECK_OCTETS])
    forge(index)
    return good[:HEAD] + b"".join(bytes(block) for block in packing.packed(index))


def always(real: Index) -> Iterator[tuple[str, Forgery]]:
    """What each check is there for."""
    for forge in (descending, all_the_same, one_octet_each, short_ids):
        yield forge.__name__, forge
    start, _content, end = (getattr(real, name).tolist() for name in COLUMNS[:3])
    yield "a start before the file", column("start", 0, -1)
    yield "a start in the message before", column("start", 2, end[1] - 1)
    yield "a start that could be one", column("start", 2, end[1])
    yield "content in the separator", column("content", 2, start[2] + 5)
    yield "content behind its end", column("content", 2, end[2])
    yield "content before the file", column("content", 0, -1)
    yield "an end behind the file", column("end", 0, len(MAILBOX) + 1)
    yield "the last end behind the file", column("end", LAST, len(MAILBOX) + 1)
    yield "the last start behind the file", column("start", LAST, len(MAILBOX))
    yield "less than nothing is sent", column("octets", 1, -1)


SYSTEMATIC = 20  # of some 200
AT_RANDOM = 12
COUNTS = 4


@pytest.mark.parametrize("grown", [False, True], ids=["as it was", "grown"])
def test_forged(host: Host, grown: bool) -> None:
    """Whatever numbers are in an index, sessions say what they can, or end; QUIT takes whole messages, or changes nothing."""
    kept = Kept(host, grown)
    real = parsed(kept.good[:-CHECK_OCTETS])
    chance = random.Random(SEED)
    forgeries = [*always(real), *chance.sample([*systematic(real)], SYSTEMATIC)]
    forgeries += [at_random(real, chance) for _ in range(AT_RANDOM)]
    found = {}
    for name, forge in forgeries:
        found[name] = kept.survives(forged(kept.good, forge), random.Random(name))
    for name, octets in chance.sample([*raw_counts(kept.good)], COUNTS):
        found[name] = kept.survives(octets, random.Random(name))
    assert {"refused", "not believed"} <= set(found.values())


@pytest.mark.parametrize("command", [b"RETR 3", b"TOP 3 1"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("content", -1), ("content", len(MAILBOX) - 1), ("content", 2**63 - 1), ("end", 0), ("end", len(MAILBOX) + 1)],
)
def test_shown(host: Host, command: bytes, name: str, value: int) -> None:
    """Of a message that is not within the mailbox nothing is sent: the session ends."""
    kept = Kept(host, False)
    kept.put(forged(kept.good, column(name, 2, value)))
    with worker(handover().encode()) as talk:
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"RETR 1") == b"+OK\r\n"
        assert len(talk.lines()) == 3
        assert talk.ask(command) == b""
        assert talk.status() == 1
    host.syslog.wait("Another MUA active, giving up")


def test_the_next_message(host: Host) -> None:
    """While a client reads a message, the next one that cannot be prepared is no reason to end."""
    kept = Kept(host, False)
    kept.put(forged(kept.good, column("content", 3, -1)))
    with worker(handover().encode()) as talk:
        assert talk.line() == b"+OK\r\n"
        assert talk.ask(b"RETR 3") == b"+OK\r\n"
        talk.lines()
        waiting(talk)
        assert talk.ask(b"QUIT") == b"+OK\r\n"
