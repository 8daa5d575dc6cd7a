"""When a mailbox is looked at, in which order, and what counts as a change. The clock is not real; files and their times are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner import loading
from popa3d.owner.mailbox import Changed, Refused, changes, indexing, maildrop
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.update import removal
from tests.faults.cases import close
from tests.session import MAILBOX, THREE

MS = 1_000_000


class Watched(MboxFile):
    """A mailbox file whose calls are written down in `events`, with what happens behind some of them."""

    def __init__(self, path: Path, events: list[str]) -> None:
        self._events = events
        self.behind: dict[str, Callable[[], object]] = {}
        super().__init__(bytes(path), ("fcntl",))

    def _note(self, event: str) -> None:
        self._events.append(event)
        self.behind.pop(event, lambda: None)()

    def lock(self, exclusive: bool, deadline: float | None = None) -> None:
        super().lock(exclusive, deadline)
        self._note("lock")

    def unlock(self) -> None:
        super().unlock()
        self._note("unlock")

    def read(self, count: int, offset: int) -> bytes:
        data = super().read(count, offset)
        self._note("read")
        return data


class Place:
    """A mailbox, a state directory, and a clock that says `age_ms` since the mailbox's last change."""

    def __init__(self, base: Path) -> None:
        self.path = base / "mailbox"
        self.path.write_bytes(MAILBOX)
        self.directory = base / "state"
        self.directory.mkdir(mode=0o700)
        self.events: list[str] = []
        self.slept = 0
        self.age_ms = 1.0
        self._loaded: list[Maildrop] = []

    def time_ns(self) -> int:
        status = self.path.stat()
        return max(status.st_mtime_ns, status.st_ctime_ns) + int(self.age_ms * MS) + self.slept

    def time(self) -> float:
        return self.time_ns() / 1e9

    def monotonic(self) -> float:
        return self.slept / 1e9

    def sleep(self, seconds: float) -> None:
        self.events.append("settle")
        self.slept += round(seconds * 1e9)

    def load(self, messages: int = 100, before: Callable[[Watched], object] = lambda _: None) -> Maildrop:
        """Load it. before: what is done with the file first."""
        file = Watched(self.path, self.events)
        before(file)
        try:
            loaded = loading.load(file, State(bytes(self.directory), b"alice", bytes(self.path)), messages, 1 << 40)
        except BaseException:
            file.close()
            raise
        self._loaded.append(loaded)
        return loaded

    def order(self) -> list[str]:
        """What happened, reads in a row as one."""
        return [event for event, before in pairwise(["", *self.events][::-1]) if (event, before) != ("read", "read")][::-1]

    def fresh(self) -> None:
        """From now on the mailbox is young again, and nothing has happened yet."""
        self.slept = 0
        self.events.clear()

    def close(self) -> None:
        for loaded in self._loaded:
            loaded.file.close()
            close(loaded.state)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A mailbox of two messages that was written a millisecond ago."""
    place = Place(tmp_path)
    with contextlib.ExitStack() as stack:
        for module in (changes, loading, maildrop):
            stack.enter_context(mock.patch.object(module, "time", place))
        yield place
    place.close()


# The order of things


def test_order_of_a_load(place: Place) -> None:
    """A young mailbox is locked, left until a change would show, and only then read."""
    place.load()
    assert place.order() == ["lock", "settle", "read", "unlock"]
    assert place.slept == 9 * MS


def test_an_older_one_is_not_waited_for(place: Place) -> None:
    """A mailbox that has been as it is for a tick is read at once."""
    place.age_ms = 10
    place.load()
    assert "settle" not in place.events


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(THREE)


def test_order_of_another_look(place: Place) -> None:
    """When mail has come, the block is read, then all is compared, under the lock and after a wait, and the block with it."""
    loaded = place.load()
    append(place.path)
    place.fresh()
    assert loaded.content(1) == b"Subject: two\n\nbody 2\n"
    assert place.order() == ["read", "lock", "settle", "read", "unlock"]
    place.fresh()
    assert loaded.content(1) == b"Subject: two\n\nbody 2\n"
    assert place.events == ["read"]


def test_order_of_an_update(place: Place) -> None:
    """Locked, and looked at under the lock if anything has come; it stays locked. Then a young mailbox is waited for again."""
    with mock.patch.object(maildrop, "INDEX_OCTETS", 1), mock.patch.object(indexing, "INDEX_OCTETS", 1):
        loaded = place.load()
        append(place.path)
        place.fresh()
        loaded.lock_for_update(deletes_last=False)
        assert place.order() == ["lock", "settle", "read"]
        removal.remove(loaded, bytearray([1, 0]))
        place.fresh()
        loaded.unlock_after_update()
        assert place.events == ["settle", "unlock"]
        assert loaded.is_untouched()


def test_written_to_while_it_is_parsed(place: Place) -> None:
    """If somebody writes to a mailbox while it is parsed, the index is of what was written, or another attempt is made."""

    def write() -> None:
        with place.path.open("r+b") as file:
            file.write(MAILBOX.replace(b"body", b"BODY"))

    loaded = place.load(before=lambda file: file.behind.update(read=write))
    assert loaded.is_same() and loaded.is_untouched()
    assert loaded.content(1) == b"Subject: two\n\nBODY 2\n"


def test_written_to_while_it_is_compared(place: Place) -> None:
    """If somebody writes to a mailbox while it is compared before an update, nothing is removed from it, be it what was there."""
    loaded = place.load()
    append(place.path)

    def in_vain() -> None:
        with place.path.open("r+b") as file:
            file.write(MAILBOX[:1])

    assert isinstance(loaded.file, Watched)
    loaded.file.behind["read"] = in_vain
    with pytest.raises(Changed):
        loaded.lock_for_update(deletes_last=False)
    assert loaded.file.behind == {}


# What is a change


def set_back(path: Path, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_change_whose_time_was_set_back(place: Place) -> None:
    """Octets that changed are seen when size and modification time are what they were: the inode's own time is not."""
    loaded = place.load()
    before = place.path.stat()
    place.path.write_bytes(MAILBOX.replace(b"body", b"BODY"))
    set_back(place.path, before)
    assert place.path.stat().st_mtime_ns == before.st_mtime_ns
    assert not loaded.is_untouched()
    with pytest.raises(Changed):
        loaded.content(1)


def test_another_directory(tmp_path: Path) -> None:
    """A mailbox whose directory was moved away has changed, though nothing of the file has."""
    above = tmp_path / "mail"
    above.mkdir()
    place = Place(above)
    loaded = loading.load(MboxFile(bytes(place.path), ("fcntl",)), State(b"", b"alice", bytes(place.path)), 10, 1 << 40)
    before = loaded.file.status()
    os.rename(above, tmp_path / "elsewhere")
    assert loaded.file.status() == before
    with pytest.raises(Changed):
        loaded.content(1)
    with pytest.raises(Changed):
        loaded.lock_for_update(deletes_last=False)
    loaded.file.close()


# Limits


def test_an_index_beyond_the_limit(place: Place) -> None:
    """The limit of messages holds for a mailbox whose index is known, too; as many as it are served, without a parse."""
    with mock.patch.object(maildrop, "INDEX_OCTETS", 1), mock.patch.object(indexing, "INDEX_OCTETS", 1):
        indexing.keep(place.load())
        place.fresh()
        place.age_ms = 1000
        assert len(place.load(messages=2).index) == 2
        assert "read" not in place.events
        with pytest.raises(Refused, match="more than 1 message"):
            place.load(messages=1)
        append(place.path)
        assert len(place.load(messages=3).index) == 3
        with pytest.raises(Refused, match="more than 2 messages"):
            place.load(messages=2)
        with pytest.raises(Refused, match="more than 1 message"):
            place.load(messages=1)


def test_octets_beyond_the_limit(place: Place) -> None:
    """A mailbox of the greatest size is served, one of an octet more is not, and not read either."""
    for size in (len(MAILBOX) - 1, len(MAILBOX)):
        file = Watched(place.path, place.events)
        place.fresh()
        state = State(b"", b"alice", bytes(place.path))
        if size < len(MAILBOX):
            with pytest.raises(Refused, match=f"larger than {size} octets"):
                loading.load(file, state, 100, size)
            assert place.events == ["lock"]
        else:
            assert len(loading.load(file, state, 100, size).index) == 2
        file.close()
