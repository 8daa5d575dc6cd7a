"""Loading a mailbox: in which order things are done, and when a mailbox that is refused is looked at again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from popa3d.owner import loading
from popa3d.owner.mailbox import InUse, Refused
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.update import recovery
from tests.faults.cases import close
from tests.session import MAILBOX, THREE

NO_FROM, NO_CONTENT = b"no mailbox\n", b"From a@b\nFrom c@d\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A mailbox of two messages."""
    path = tmp_path / "mailbox"
    path.write_bytes(MAILBOX)
    (tmp_path / "state").mkdir(mode=0o700)
    return path


@contextlib.contextmanager
def loaded(path: Path) -> Iterator[Maildrop]:
    """The maildrop, loaded."""
    file = MboxFile(bytes(path), ("fcntl",))
    state = State(bytes(path.with_name("state")), b"alice", bytes(path))
    try:
        yield loading.load(file, state, 100, 1 << 20)
    finally:
        file.close()
        close(state)


def test_order(path: Path) -> None:
    """Locked, then an unfinished update is finished, then the status is taken and the file parsed, then unlocked."""
    calls: list[str] = []

    def noted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            calls.append(name)
            return real(*arguments, **named)

        return call

    with (
        mock.patch.object(MboxFile, "lock", noted("lock", MboxFile.lock)),
        mock.patch.object(MboxFile, "unlock", noted("unlock", MboxFile.unlock)),
        mock.patch.object(State, "has_journal", return_value=True),
        mock.patch.object(recovery, "finish_update", noted("finish", lambda *_: True)),
        mock.patch.object(Maildrop, "parse", noted("parse", Maildrop.parse)),
        loaded(path) as found,
    ):
        assert len(found.index) == 2
        assert calls == ["lock", "finish", "parse", "unlock"]


def test_absent(path: Path) -> None:
    """No mailbox is one without messages, also if it goes away while somebody else is waited for."""
    path.unlink()
    with loaded(path) as found:
        assert len(found.index) == 0
    path.write_bytes(MAILBOX)
    with mock.patch.object(Maildrop, "parse", side_effect=lambda *_, **__: path.unlink()), loaded(path) as found:
        assert len(found.index) == 0


@contextlib.contextmanager
def written(path: Path, *contents: bytes) -> Iterator[list[bytes]]:
    """A writer without locks, who has replaced the mailbox by the next of `contents` whenever it was parsed. What is left."""
    left = list(contents)
    real = Maildrop.parse

    def parse(maildrop: Maildrop, status: object, may_wait: bool) -> bool:
        try:
            return real(maildrop, status, may_wait)  # type: ignore[arg-type]
        finally:
            if left:
                path.write_bytes(left.pop(0))

    with mock.patch.object(Maildrop, "parse", parse):
        yield left


def test_refused_and_changed(path: Path) -> None:
    """What is bad in one way, then in another, and then a mailbox, is one that somebody is writing."""
    path.write_bytes(NO_FROM)
    with written(path, NO_CONTENT, MAILBOX + THREE) as left, loaded(path) as found:
        assert len(found.index) == 3
    assert left == []


def test_refused_twice(path: Path) -> None:
    """What is bad in the same way twice is just bad, even if it has changed."""
    path.write_bytes(NO_FROM)
    with written(path, NO_FROM * 2, MAILBOX) as left, pytest.raises(Refused, match="does not start"), loaded(path):
        pass
    assert left == []


def test_refused_and_unchanged(path: Path) -> None:
    """What is bad and does not change is refused at once."""
    path.write_bytes(NO_FROM)
    with mock.patch.object(MboxFile, "unlock", mock.Mock(wraps=lambda: None)) as unlock, pytest.raises(Refused), loaded(path):
        pass
    assert unlock.call_count == 1  # by its close


def test_never_at_rest(path: Path) -> None:
    """A mailbox that is never whole is given up when the time for locks is over. (The clock is not real.)"""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    with (
        mock.patch.object(loading, "time", clock),
        mock.patch.object(Maildrop, "parse", return_value=False),
        pytest.raises(InUse, match="in spite of its lock"),
        loaded(path),
    ):
        pass
    assert 20 <= now[0] < 20.1
