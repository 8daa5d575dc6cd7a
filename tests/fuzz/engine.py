"""Mutations of octets, and which of them take new ways through the program.

Everything follows from the seed, so that a run can be repeated.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tests.host import CHECKOUT

_LIBRARY = str(CHECKOUT / "lib")
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**56, 2**62, 2**63 - 1, 2**64 - 1)
_FAVOURITES = 64  # the latest inputs with something new, of which every other mutation is made
_MOST_STEPS = 6
_WATCHED = 4  # every so many-th execution; to watch one takes eight times as long as to run it
_TRIES = 400  # to make a finding smaller


class Target(NamedTuple):
    """A decoder, and what must be true of it.

    check: raises if that is not true of some octets. seeds: octets to begin with. words: what the format is made of. most: octets
    of an input.
    """

    name: str
    check: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    most: int = 2048


class Finding(NamedTuple):
    """Octets of which something is not true. place: where it was seen, and with which exception. report: the traceback."""

    data: bytes
    place: str
    report: str


def failure(target: Target, data: bytes) -> Finding | None:
    """What is not true of these octets, if anything."""
    try:
        target.check(data)
    except Exception as error:  # each is a finding: a target lets those pass that a decoder may raise
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if frame.filename.startswith(str(CHECKOUT))]
        place = f"{type(error).__name__} in {ours[-1].name}, line {ours[-1].lineno}" if ours else type(error).__name__
        return Finding(data, place, "".join(traceback.format_exception(error)))
    return None


class Mutator:
    """Makes inputs of others."""

    def __init__(self, target: Target, chance: random.Random) -> None:
        self._words = target.words
        self._most = target.most
        self._chance = chance

    def mutated(self, data: bytes, other: bytes) -> bytes:
        """One to some changes of `data`. other: an input of which a part may be taken."""
        result = bytearray(data)
        for _ in range(self._chance.choice((1, 1, 2, 3, _MOST_STEPS))):
            self._chance.choice(_STEPS)(self, result, other)
        return bytes(result[: self._most])

    def _place(self, data: bytearray) -> int:
        return self._chance.randrange(len(data) + 1)

    def _range(self, data: bytes | bytearray) -> slice:
        """Some octets: mostly few."""
        start = self._chance.randrange(len(data) + 1)
        return slice(start, min(len(data), start + self._chance.choice((1, 2, 4, 8, 32, self._most))))

    def _flip(self, data: bytearray, _other: bytes) -> None:
        if data:
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)

    def _set(self, data: bytearray, _other: bytes) -> None:
        if data:
            data[self._chance.randrange(len(data))] = self._chance.randrange(256)

    def _insert(self, data: bytearray, _other: bytes) -> None:
        place = self._place(data)
        octet = self._chance.choice((b"\0", b"\n", b" ", b"\xff", bytes([self._chance.randrange(256)])))
        data[place:place] = octet * self._chance.choice((1, 1, 1, 2, 7, 40, 300))

    def _remove(self, data: bytearray, _other: bytes) -> None:
        del data[self._range(data)]

    def _repeat(self, data: bytearray, _other: bytes) -> None:
        place = self._place(data)
        data[place:place] = data[self._range(data)]

    def _move(self, data: bytearray, _other: bytes) -> None:
        part = self._range(data)
        octets = data[part]
        del data[part]
        place = self._place(data)
        data[place:place] = octets

    def _splice(self, data: bytearray, other: bytes) -> None:
        data[self._range(data)] = other[self._range(other)]

    def _number(self, data: bytearray, _other: bytes) -> None:
        """A binary number, in place of as many octets, or one that is near what is there."""
        octets = self._chance.choice((1, 2, 4, 8))
        place = self._place(data)
        order: Any = self._chance.choice(("big", "little"))
        number = self._chance.choice(_INTERESTING)
        if self._chance.random() < 0.5:
            number = int.from_bytes(data[place : place + octets], order) + self._chance.choice((-9, -1, 1, 9))
        data[place : place + octets] = (number % 256**octets).to_bytes(octets, order)

    def _digits(self, data: bytearray, _other: bytes) -> None:
        """A number in digits."""
        data[self._range(data)] = b"%d" % (self._chance.choice(_INTERESTING) + self._chance.choice((-1, 0, 0, 1)))

    def _word(self, data: bytearray, _other: bytes) -> None:
        if self._words:
            word = self._chance.choice(self._words)
            place = self._place(data)
            data[place : place + self._chance.choice((0, 0, len(word)))] = word


_STEPS = (
    Mutator._flip, Mutator._set, Mutator._insert, Mutator._remove, Mutator._repeat, Mutator._move, Mutator._splice,
    Mutator._number, Mutator._digits, Mutator._word, Mutator._word,
)  # fmt: skip


class Ways:
    """Which lines of the library followed each other, and about how often: what AFL calls edges."""

    def __init__(self) -> None:
        self._known: set[tuple[CodeType, int, int, int]] = set()

    def __len__(self) -> int:
        return len(self._known)

    def are_new(self, run: Callable[[], object]) -> bool:
        """Whether `run` goes a way that none has gone before."""
        counts: dict[tuple[CodeType, int, int], int] = {}

        def watch(frame: FrameType, _event: str, _argument: object) -> Any:
            code = frame.f_code
            if not code.co_filename.startswith(_LIBRARY):
                return None
            before = 0

            def line(frame: FrameType, event: str, _argument: object) -> Any:
                nonlocal before
                if event == "line":
                    way = (code, before, frame.f_lineno)
                    counts[way] = counts.get(way, 0) + 1
                    before = frame.f_lineno
                return line

            return line

        former = sys.gettrace()
        sys.settrace(watch)
        try:
            run()
        finally:
            sys.settrace(former)
        found = {(*way, count.bit_length()) for way, count in counts.items()}
        new = not found <= self._known
        self._known |= found
        return new


class Fuzzer:
    """Runs one target. pool: the inputs that are worth mutating. findings: one for each place."""

    def __init__(self, target: Target, seed: object, cases: Iterable[bytes] = ()) -> None:
        """cases: inputs besides the target's seeds."""
        self.target = target
        self.executions = 0
        self.ways = Ways()
        self.pool: list[bytes] = []
        self.findings: dict[str, Finding] = {}
        self._chance = random.Random(f"{seed} {target.name}")
        self._mutator = Mutator(target, self._chance)
        for data in dict.fromkeys((*target.seeds, *cases)):
            self._try(data, is_watched=True, is_kept=True)

    def step(self) -> None:
        """One more execution."""
        recent = self.pool[-_FAVOURITES:] if self._chance.random() < 0.5 else self.pool
        data = self._mutator.mutated(self._chance.choice(recent), self._chance.choice(self.pool))
        self._try(data, is_watched=self.executions % _WATCHED == 0)

    def _try(self, data: bytes, is_watched: bool, is_kept: bool = False) -> None:
        found: list[Finding | None] = []
        self.executions += 1

        def run() -> None:
            found.append(failure(self.target, data))

        is_new = is_watched and self.ways.are_new(run)
        if not is_watched:
            run()
        finding = found[0]
        if finding is None:
            if is_new or is_kept:
                self.pool.append(data)
        elif finding.place not in self.findings:
            self.findings[finding.place] = self._smaller(finding)
        if not self.pool:
            self.pool.append(b"")

    def _smaller(self, finding: Finding) -> Finding:
        """The same finding with fewer octets, if that is easy."""
        size = max(1, len(finding.data) // 2)
        tries = 0
        while size and tries < _TRIES:
            start = 0
            while start < len(finding.data) and tries < _TRIES:
                tries += 1
                less = failure(self.target, finding.data[:start] + finding.data[start + size :])
                if less is not None and less.place == finding.place:
                    finding = less
                else:
                    start += size
            size //= 2
        return finding
