"""What a journal has to say of its mailbox to be believed: else it is put aside, and the mailbox stays what it is."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from popa3d.owner.update import plan, removal
from popa3d.owner.update.journal import Head, Record
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
    _, record, what = stopped.what()
    assert record.length

    def change(head: Head, record: Record) -> None:
        record.rest = removal._rest(stopped.file, what, record.done, record.length, False)

    stopped.forge(change)
    stopped.refuses("the mailbox has changed")


def test_the_rest(stopped: Stopped) -> None:
    """What the interrupted step leaves alone has to be what it was: mail that was delivered in the update has no other check."""
    stopped.forge(lambda head, record: setattr(record, "rest", record.rest ^ 1))
    stopped.refuses("the mailbox has changed")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("end", 0, "damaged"),
        ("end", sum(map(len, MESSAGES)) - 1, "damaged"),
        ("end", 2**61, "the mailbox is too short"),
        ("done", 2**61, "damaged"),
    ],
)
def test_places_of_no_mailbox(stopped: Stopped, name: str, value: int, why: str) -> None:
    """A record whose places are not in the plan's mailbox is damaged, or of another one."""
    stopped.forge(lambda head, record: setattr(record, name, value))
    stopped.refuses(why)


def test_done_before_the_first_hole(tmp_path: Path) -> None:
    """What is before the first hole is no place of an update."""
    stopped = Stopped(tmp_path, first_write)
    _, _, what = stopped.what()
    moved = plan.Plan(what.start + 10, what.lengths[:-1] + type(what.lengths)("q", [what.lengths[-1] - 10]))

    def change(head: Head, record: Record) -> None:
        head.plan = moved.encode()

    stopped.forge(change)
    stopped.refuses("damaged")


def test_done_behind_the_result(tmp_path: Path) -> None:
    """A record that says that more is done than there is to do is not believed, though the result has its check."""
    stopped = Stopped(tmp_path, the_cut)
    _, _, what = stopped.what()

    def change(head: Head, record: Record) -> None:
        record.done, record.stamp = what.after + 3, b""
        record.rest = removal._rest(stopped.file, what, record.done, 0, False)

    stopped.forge(change)
    with mock.patch.object(removal, "_finish", side_effect=AssertionError("it is believed")):  # which would never end
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
        record = Stopped(place, the_cut).what()[1]
        assert len(record.stamp) == plan.STAMP_OCTETS and record.stamp[:1] == record.stamp[-1:] == b"\xff"
        stamps.add(record.stamp[1:-1])
    assert len(stamps) == 3
