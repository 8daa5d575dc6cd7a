"""Updates that were stopped, and their journals, which can be forged."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from popa3d.owner.mailbox.file import MboxFile
from popa3d.owner.mailbox.state_directory import State
from popa3d.owner.update import recovery
from popa3d.owner.update.file_journal import FileJournal
from popa3d.owner.update.journal import find_journal
from popa3d.owner.update.plan import Plan, decode_plan
from popa3d.owner.update.records import Head, Record
from tests.faults.cases import Case
from tests.faults.disk import Call, Recorder

MESSAGES = [b"From a@b\nX: %d\n\n%s\n\n" % (i, bytes([97 + i]) * octets) for i, octets in enumerate((60, 700, 90, 500, 40))]
LATER = b"From c@d\nX: later\n\nnew\n\n"


class Stop(BaseException):
    """The process is killed."""


class Stopped:
    """An update of which some calls are done, and what is left of it."""

    def __init__(self, place: Path, stop: Callable[[Call], bool], full: bool = False, data: int = 1 << 20) -> None:
        self.case = case = Case(0, place)
        case.messages = list(MESSAGES)
        case.deleted = bytearray([1, 0, 1, 0, 0])
        case.before = b"".join(MESSAGES)
        case.after = MESSAGES[1] + MESSAGES[3] + MESSAGES[4]
        case.data, case.block = data, 1 << 20
        case.set()

        def fail(_number: int, call: Call) -> None:
            if stop(call):
                raise Stop
            if full and call.what == "write" and call.file > 0:
                raise OSError(errno.ENOSPC, "full")

        with pytest.raises(Stop):
            case.update(Recorder(fail))
        self.found = case.mailbox.read_bytes()
        self.state = State(os.fsencode(case.directory), b"alice", os.fsencode(case.mailbox))
        self.file = MboxFile(os.fsencode(case.mailbox), ("fcntl",))

    def forge(self, change: Callable[[Head, Record], None]) -> None:
        """Write the journal anew, with what `change` does to it."""
        old = find_journal(self.state)
        content = old.load()
        assert content is not None
        old.close()
        head, record, data = content
        change(head, record)
        new = FileJournal(self.state)
        new.begin(head, record, data)
        new.close()

    def content(self) -> tuple[Head, Record, Plan]:
        """What the journal says."""
        journal = find_journal(self.state)
        content = journal.load()
        journal.close()
        assert content is not None
        plan = decode_plan(content[0].plan)
        assert plan is not None
        return content[0], content[1], plan

    def recover(self) -> str:
        """What recovery reports."""
        with self.case.small_steps():
            return recovery.recover(self.file, self.state).report

    def refuses(self, reason: str) -> None:
        """Claim that the journal is put aside for this reason, and the mailbox is as it was found."""
        found = self.case.mailbox.read_bytes()
        assert self.recover() == f"A journal that does not fit the mailbox was put aside: {reason}"
        assert self.case.mailbox.read_bytes() == found
        assert not self.state.has_journal() and self.state.names(b".rejected")

    def completes(self, later: bytes = b"") -> None:
        """Claim that the update is finished."""
        assert self.recover() == "An unfinished update was completed"
        assert self.case.mailbox.read_bytes() == self.case.after + later
        assert self.case.left() == []


def first_write(call: Call) -> bool:
    return call.what == "write" and call.file == 0


def the_cut(call: Call) -> bool:
    return call.what == "cut"


def damage(stopped: Stopped, place: int, octets: bytes) -> None:
    """Other octets in the journal, from that place on."""
    (path,) = [path for path in stopped.case.directory.iterdir() if path.suffix == ".journal"]
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(octets)
