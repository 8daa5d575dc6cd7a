"""What a journal has to be, in a file or in names, to be read at all; and what is not begun, since it would not be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner.mailbox import Refused
from popa3d.owner.update import file_journal, name_journal, plan, records, removal
from popa3d.owner.update.file_journal import FileJournal
from popa3d.owner.update.name_journal import NameJournal
from popa3d.owner.update.records import Record, Unfit, decode_head, decode_record
from tests.faults.cases import Case, close
from tests.faults.disk import Recorder
from tests.unit.owner.stopped import MESSAGES, Stopped, damage, first_write


@pytest.mark.parametrize("place", range(8192, 8192 + 63))
def test_damaged_head(stopped: Stopped, place: int) -> None:
    """No octet of the head may be another one."""
    old = b"".join(path.read_bytes() for path in stopped.case.directory.iterdir() if path.suffix == ".journal")
    damage(stopped, place, bytes([old[place] ^ 1]))
    stopped.refuses("damaged")


def test_another_kind(stopped: Stopped) -> None:
    """A journal of another version is none."""
    old = FileJournal(stopped.state)
    content = old.load()
    old.close()
    new = FileJournal(stopped.state)
    with mock.patch.object(records, "_MAGIC", b"popa3d journal 1"):
        new.begin(*content)
    new.close()
    stopped.refuses("damaged")


def test_damaged_records(stopped: Stopped) -> None:
    """A record that is damaged is as if it had not been written; without any there is no journal."""
    numbers = {place: _number(stopped, place) for place in file_journal._RECORD_OFFSETS}
    newest = max(numbers, key=lambda place: numbers[place])
    assert stopped.content()[1].number == numbers[newest]
    damage(stopped, newest + 9, b"\x55")
    if min(numbers.values()):
        assert stopped.content()[1].number == min(numbers.values())
    damage(stopped, sum(file_journal._RECORD_OFFSETS) - newest + 9, b"\x55")
    stopped.refuses("damaged")


def _number(stopped: Stopped, place: int) -> int:
    (path,) = [path for path in stopped.case.directory.iterdir() if path.suffix == ".journal"]
    return int.from_bytes(path.read_bytes()[place : place + 8], "big")


def test_damaged_data(tmp_path: Path) -> None:
    """Data that are not what the record says are no data."""
    stopped = Stopped(tmp_path, first_write)
    assert stopped.content()[1].data_length
    damage(stopped, 12288 + 5, b"\x00")
    stopped.refuses("damaged")


def test_huge_numbers(stopped: Stopped) -> None:
    """No file has places beyond 2^62, and none is reckoned with."""
    for name in ("done", "size", "rest_check"):
        record = Record(0)
        setattr(record, name, 2**62 - 1)
        assert decode_record(record.encode()) is not None
        setattr(record, name, 2**62)
        assert decode_record(record.encode()) is None


def test_more_data_than_there_can_be(tmp_path: Path) -> None:
    """Data beyond the limit are not read."""
    stopped = Stopped(tmp_path, first_write)
    length = stopped.content()[1].data_length
    with mock.patch.object(file_journal, "JOURNAL_DATA_OCTETS", length):
        assert stopped.content()[1].data_length == length
    with mock.patch.object(file_journal, "JOURNAL_DATA_OCTETS", length - 1):
        stopped.refuses("damaged")


def test_a_longer_plan_than_there_can_be(stopped: Stopped) -> None:
    """A plan beyond the limit is not read."""
    length = len(stopped.content()[0].plan)
    with mock.patch.object(file_journal, "JOURNAL_PLAN_OCTETS", length):
        stopped.content()
    with mock.patch.object(file_journal, "JOURNAL_PLAN_OCTETS", length - 1):
        stopped.refuses("damaged")


@pytest.mark.parametrize(
    ("module", "name", "value", "reason"),
    [
        (removal, "JOURNAL_PLAN_OCTETS", 4, "too many separate messages"),
        (removal, "MAX_MESSAGES", 1, "too many separate messages"),
        (plan, "JOURNAL_STEPS", 0, "No space left"),
    ],
)
def test_no_update_that_could_not_be_recovered(tmp_path: Path, module: object, name: str, value: int, reason: str) -> None:
    """What recovery would not take, or what would take too long, is not begun."""
    case = Case(0, tmp_path)
    case.messages, case.before = list(MESSAGES), b"".join(MESSAGES)
    case.deleted, case.data, case.block = bytearray([1, 0, 1, 0, 0]), 64, 1 << 20
    case.set()
    with mock.patch.object(module, name, value), pytest.raises((OSError, Refused), match=reason):
        case.update(Recorder())
    assert case.mailbox.read_bytes() == case.before and case.left() == []


@pytest.fixture
def in_names(tmp_path: Path) -> Stopped:
    """An update on a full disk that was stopped before its first step."""
    stopped = Stopped(tmp_path, first_write, full=True)
    assert all(path.stat().st_size == 0 for path in stopped.case.directory.iterdir())
    assert len(stopped.state.names(b".journal.")) == 2
    return stopped


def named(stopped: Stopped, change: Callable[[Record], None]) -> str:
    """A name for the record, with what `change` does to it."""
    record = stopped.content()[1]
    change(record)
    return os.fsdecode(NameJournal(stopped.state)._encode_name(b"at", record.encode()))


def only(stopped: Stopped) -> Path:
    (path,) = [path for path in stopped.case.directory.iterdir() if ".journal.at." in path.name]
    return path


def test_names(in_names: Stopped) -> None:
    """It is finished as one in a file is."""
    in_names.completes()


def test_names_with_data(in_names: Stopped) -> None:
    """There are no data in names."""
    path = only(in_names)
    path.rename(path.with_name(named(in_names, lambda record: setattr(record, "data_length", 1))))
    in_names.refuses("damaged")


def test_names_with_two_records(in_names: Stopped) -> None:
    """There is one record."""
    only(in_names).with_name(named(in_names, lambda record: setattr(record, "number", 9))).touch(0o600)
    in_names.refuses("damaged")


@pytest.mark.parametrize("text", ["x", "AAAA", "AAAAAA==", "====", ""])
def test_names_with_damaged_record(in_names: Stopped, text: str) -> None:
    """What is no record is none."""
    path = only(in_names)
    path.rename(path.with_name(path.name.rpartition(".")[0] + "." + text))
    in_names.refuses("damaged")


def test_names_without_a_record(in_names: Stopped) -> None:
    """Then the update was not begun, and nothing is said."""
    only(in_names).unlink()
    assert in_names.recover() == ""
    assert in_names.case.mailbox.read_bytes() == in_names.case.before and in_names.case.left() == []


def test_too_many_names(in_names: Stopped) -> None:
    """More names than an update makes are not read."""
    with mock.patch.object(name_journal, "_PARTS", 0):
        in_names.refuses("damaged")


def test_too_much_for_names(tmp_path: Path) -> None:
    """An update that would take more names than that is not begun."""
    with mock.patch.object(name_journal, "_PARTS", 0), pytest.raises(OSError, match="No space left"):
        Stopped(tmp_path, first_write, full=True)
    assert (tmp_path / "mailbox").read_bytes() == b"".join(MESSAGES) and os.listdir(tmp_path / "state") == []


def test_what_is_no_file(stopped: Stopped) -> None:
    """A link in the place of a journal is not followed, and is put aside."""
    (path,) = [path for path in stopped.case.directory.iterdir() if path.suffix == ".journal"]
    path.rename(stopped.case.mailbox.with_name("real"))
    path.symlink_to(stopped.case.mailbox.with_name("real"))
    stopped.refuses("not a file of the owner's alone")


def test_head_alone() -> None:
    """Octets that are shorter than a head are none."""
    for octets in (b"", b"popa3d journal 2", bytes(200)):
        with pytest.raises(Unfit):
            decode_head(octets)


def test_leaves_nothing_open(stopped: Stopped) -> None:
    """The descriptors that a recovery opens are closed again."""
    before = os.listdir("/proc/self/fd")
    stopped.completes()
    assert os.listdir("/proc/self/fd") == before
    close(stopped.state)
