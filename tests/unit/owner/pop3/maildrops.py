"""A maildrop for the TRANSACTION state: a real one, whose reads are noted, and which can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner.mailbox import changes, maildrop
from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.maildrop import Maildrop
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.pop3.transaction import Transaction
from tests.faults.cases import close
from tests.unit.owner import plain

BLOCK = 16  # octets that are read at once

MAILBOX = (
    b"From a@b Mon Jan  5 10:00:00 2026\nSubject: one\n\nbody 1\n\n"
    b"From a@b Mon Jan  5 10:00:00 2026\nSubject: two\n\n.\n..dots\n\nlast line\n\n"
    b"From c@d Mon Jan  5 10:01:00 2026\nMessage-Id: <3@d>\n\n" + b"a line of the third\n" * 9 + b"no end"
)


class Watched(Maildrop):
    """`calls` has what was asked of it; `failure` is raised by the read behind `good` more ones."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.calls: list[str] = []
        self.failure: BaseException | None = None
        self.good = 0
        self.untouched = True
        self._noted = False
        state = State(bytes(directory), b"alice", bytes(path))
        super().__init__(MboxFile(bytes(path), ("fcntl",)), state, 1000, 1 << 40)

    def content(self, i: int, offset: int = 0) -> bytes:
        self._note(f"content {i} {offset}")
        self._noted = True  # what it calls itself is not noted
        try:
            return super().content(i, offset)
        finally:
            self._noted = False

    def unchecked(self, i: int, offset: int = 0) -> bytes:
        if not self._noted:
            self._note(f"unchecked {i} {offset}")
        return super().unchecked(i, offset)

    def is_untouched(self) -> bool:
        return self.untouched and super().is_untouched()

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.good -= 1
        if self.failure is not None and self.good < 0:
            raise self.failure


class Served:
    """Makes machines on a mailbox; `removes` is what loading the removal returns, `loads` how often it was asked for."""

    def __init__(self, base: Path, text: bytes = MAILBOX) -> None:
        self.messages = plain.messages(text) or []
        self.removes = True
        self.loads = 0
        path, directory = base / "mailbox", base / "state"
        path.write_bytes(text)
        directory.mkdir(mode=0o700)
        self.maildrop = Watched(path, directory)
        with mock.patch.object(changes, "QUIET_S", 0):  # nobody else writes here: the last message is whole
            assert self.maildrop.parse(self.maildrop.file.status(), may_wait=False)

    def machine(self) -> Transaction:
        self.maildrop.calls.clear()
        return Transaction(self.maildrop, sum(message.octets for message in self.messages), self._load_removal)

    def _load_removal(self) -> bool:
        self.loads += 1
        return self.removes

    def close(self) -> None:
        self.maildrop.file.close()
        close(self.maildrop.state)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Three messages, read in blocks of some octets."""
    with mock.patch.object(maildrop, "WRITE_OCTETS", BLOCK):
        served = Served(tmp_path)
        yield served
        served.close()
