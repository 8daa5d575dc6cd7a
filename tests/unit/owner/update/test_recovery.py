"""What a journal has to say of its mailbox to be believed: else it is put aside, and the mailbox stays what it is."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner.update.plan import STAMP_OCTETS, Plan
from popa3d.owner.update.records import Head, Record
from popa3d.owner.update.steps import Update
from tests.unit.owner.stopped import LATER, MESSAGES, Stopped, first_write, the_cut


def test_genuine(stopped: Stopped) -> None:
    """A journal that nothing is wrong with is believed, also when it was written anew, and with mail behind the mailbox."""
    stopped.forge(lambda head, record: None)
    stopped.case.deliver(LATER)
    stopped.completes(LATER)


def test_another_file(stopped: Stopped) -> None:
    """A journal of another inode, or of another file system by both its numbers, is not of this mailbox."""
    device, volume, inode = stopped.file.identity()
    for identity in ((device, volume, inode + 1), (device + 1, volume + 1, inode)):

        def change(head: Head, record: Record, identity: tuple[int, int, int] = identity) -> None:
            head.identity = identity

        stopped.forge(change)
        (path,) = [path for path in stopped.case.directory.iterdir() if path.suffix == ".journal"]
        kept = path.read_bytes()
        stopped.refuses("it is of another file")
        path.with_suffix(".rejected").rename(path)
        assert path.read_bytes() == kept


def test_after_another_start_of_the_machine(stopped: Stopped) -> None:
    """One of the two numbers may have changed."""
    device, volume, inode = stopped.file.identity()
    stopped.forge(lambda head, record: setattr(head, "identity", (device + 1, volume, inode)))
    stopped.completes()


def test_another_result(stopped: Stopped) -> None:
    """If the mailbox would not be what it was to be, nothing is done."""
    stopped.forge(lambda head, record: setattr(head, "check", head.check ^ 1))
    stopped.refuses("the mailbox has changed")


def test_a_message_has_changed(tmp_path: Path) -> None:
    """A mailbox in which somebody has changed what is still to be moved is left alone."""
    stopped = Stopped(tmp_path, first_write, data=400)
    with open(stopped.case.mailbox, "r+b") as file:
        file.seek(len(stopped.found) - len(MESSAGES[4]) - 10)
        file.write(b"X")
    _, record, plan = stopped.content()
    assert record.data_length

    def change(head: Head, record: Record) -> None:
        record.rest_check = Update(stopped.file, plan).rest_check(record.done, record.data_length, False)

    stopped.forge(change)
    stopped.refuses("the mailbox has changed")


def test_the_rest(stopped: Stopped) -> None:
    """What the interrupted step leaves alone has to be what it was: mail that was delivered in the update has no other check."""
    stopped.forge(lambda head, record: setattr(record, "rest_check", record.rest_check ^ 1))
    stopped.refuses("the mailbox has changed")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("size", 0, "damaged"),
        ("size", sum(map(len, MESSAGES)) - 1, "damaged"),
        ("size", 2**61, "the mailbox is too short"),
        ("done", 2**61, "damaged"),
    ],
)
def test_places_of_no_mailbox(stopped: Stopped, name: str, value: int, reason: str) -> None:
    """A record whose places are not in the plan's mailbox is damaged, or of another one."""
    stopped.forge(lambda head, record: setattr(record, name, value))
    stopped.refuses(reason)


def test_done_before_the_first_hole(tmp_path: Path) -> None:
    """What is before the first hole is no place of an update."""
    stopped = Stopped(tmp_path, first_write)
    _, _, plan = stopped.content()
    moved = Plan(plan.start + 10, plan.lengths[:-1] + type(plan.lengths)("q", [plan.lengths[-1] - 10]))

    def change(head: Head, record: Record) -> None:
        head.plan = moved.encode()

    stopped.forge(change)
    stopped.refuses("damaged")


def test_done_behind_the_result(tmp_path: Path) -> None:
    """A record that says that more is done than there is to do is not believed, though the result has its check."""
    stopped = Stopped(tmp_path, the_cut)
    _, _, plan = stopped.content()

    def change(head: Head, record: Record) -> None:
        record.done, record.stamp = plan.final_size + 3, b""
        record.rest_check = Update(stopped.file, plan).rest_check(record.done, 0, False)

    stopped.forge(change)
    with mock.patch.object(Update, "finish", side_effect=AssertionError("it is believed")):  # which would never end
        stopped.refuses("the mailbox has changed")


def test_shorter_than_it_was(stopped: Stopped) -> None:
    """A mailbox that somebody has cut is left alone."""
    os.truncate(stopped.case.mailbox, len(stopped.case.after) - 1)
    stopped.refuses("the mailbox is too short")


def test_shorter_by_a_little(tmp_path: Path) -> None:
    """The same, where only the last octet is missing."""
    stopped = Stopped(tmp_path, first_write)
    os.truncate(stopped.case.mailbox, len(stopped.found) - 1)
    stopped.refuses("the mailbox is too short")


def test_the_stamp_tells(tmp_path: Path) -> None:
    """Without its stamp the file was cut: what is there is new mail, as long as the old, and stays."""
    stopped = Stopped(tmp_path, the_cut)
    os.truncate(stopped.case.mailbox, len(stopped.case.after))
    mail = b"From c@d\n\n" + b"y" * (len(stopped.case.before) - len(stopped.case.after))
    stopped.case.deliver(mail)
    assert stopped.recover() == ""
    assert stopped.case.mailbox.read_bytes() == stopped.case.after + mail and stopped.case.left() == []


def test_stamps_are_random(tmp_path: Path) -> None:
    """No two updates have the same stamp, which nobody can know; no mail begins or ends with its first and last octet."""
    stamps = set()
    for number in range(3):
        place = tmp_path / str(number)
        place.mkdir()
        record = Stopped(place, the_cut).content()[1]
        assert len(record.stamp) == STAMP_OCTETS and record.stamp[:1] == record.stamp[-1:] == b"\xff"
        stamps.add(record.stamp[1:-1])
    assert len(stamps) == 3
