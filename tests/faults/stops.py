"""UPDATE, and the recovery after it, stop at each of their calls: the process is killed, or the power fails."""

from __future__ import annotations

import contextlib
import copy
import errno
import random

from popa3d.owner.mailbox import Refused
from tests.faults.cases import NEW, Case
from tests.faults.disk import Call, Disk, Recorder
from tests.faults.failing_calls import failure, full_disk

_MOMENTS = 40  # of one update, at random, if it has more
_POWER_LOSSES = 3  # different ones for each moment
_SECOND_CRASHES = 2  # for each first one


def interrupted(case: Case, full: bool = False) -> int:
    """The machine or the process stops at each call of UPDATE; then mail is delivered; then somebody logs in.

    full: the disk takes nothing that is longer than it was, so the journal is in names. Returns the number of moments.
    """
    chance = random.Random(case.seed)
    case.set()
    recorder = Recorder(full_disk if full else None)
    try:
        case.update(recorder)
    except OSError as error:
        if not full or error.errno != errno.ENOSPC:
            raise
        # Only some octets were deleted, and there is room for nothing else.
        assert case.mailbox.read_bytes() == case.before and case.left() == []
        return 0
    assert case.mailbox.read_bytes() == case.after
    assert case.left() == []
    points = 0
    moments = range(1, len(recorder.calls) + 1)
    for number in sorted({*chance.sample(moments, min(_MOMENTS, len(moments))), len(moments)}):
        for loss in range(1 + _POWER_LOSSES):
            disk = _fresh(case, recorder)
            case.begin(f"UPDATE, stopped after call {number}: ", recorder)
            for call in recorder.calls[:number]:
                disk.do(call)
            there = case.crash(disk, chance if loss else None)
            mail = case.mail(chance)
            case.deliver(mail)
            again = Recorder(full_disk if full and chance.random() < 0.5 else None)
            case.recover(again)
            points += 1
            case.check(mail, done=number == len(recorder.calls))
            for _ in range(_SECOND_CRASHES if again.calls else 0):
                _crash_again(case, copy.deepcopy(there), again, mail, chance)
                points += 1
    return points


def interrupted_in_names(case: Case) -> int:
    """`interrupted`, on a full disk."""
    return interrupted(case, full=True)


def _fresh(case: Case, recorder: Recorder) -> Disk:
    """The disk before UPDATE; the last message was just delivered, and is not known to be on the disk before the first sync."""
    if recorder.calls[0].what == "cut":
        return Disk(case.before, {})
    kept = case.before[: -len(case.messages[-1])]
    disk = Disk(kept, {})
    disk.do(Call("write", 0, len(kept), case.messages[-1]))
    return disk


def _crash_again(case: Case, disk: Disk, recovery: Recorder, mail: bytes, chance: random.Random) -> None:
    """Stop within the recovery, which must begin with a sync of what was delivered before it; deliver; log in."""
    if mail and all(call.file != 0 for call in recovery.calls) and not disk.waits(0):
        disk.files[0] += mail  # nothing was begun, and nothing had to be finished
    elif mail:
        seen = copy.deepcopy(disk)
        seen.killed()
        disk.do(Call("write", 0, len(seen.files[0]), mail))
    stop = chance.randint(1, len(recovery.calls))
    case.note(f"That recovery again, but stopped after call {stop}")
    for call in recovery.calls[:stop]:
        disk.do(call)
    case.crash(disk, None if chance.random() < 0.4 else chance)
    more = case.mail(chance)
    case.deliver(more)
    for _ in range(3):  # a call fails, which may refuse the mailbox, and does no harm
        with contextlib.suppress(OSError, Refused):
            case.recover(Recorder(failure(chance.randrange(20), errno.EIO, False)))
    case.recover(Recorder())  # which also removes a journal that could not be removed
    case.check(mail + more)


def delivered_meanwhile(case: Case) -> int:
    """Somebody who ignores the locks appends a message after each call before the mailbox is cut; then the power fails."""
    chance = random.Random(case.seed)
    case.set()
    plain = Recorder()
    case.update(plain)
    mail = NEW % b"without a lock"
    (cut,) = [i for i, call in enumerate(plain.calls) if call.what == "cut"]
    if cut == 0:
        return 0  # nothing else is done
    points = 0
    for number in range(1, cut + 1):
        case.set()
        recorder = Recorder()
        sizes: list[int] = []

        def deliver(done: int, number: int = number, sizes: list[int] = sizes) -> None:
            if done == number:
                sizes.append(case.mailbox.stat().st_size)
                case.deliver(mail)

        recorder.meanwhile = deliver
        case.update(recorder)
        assert case.mailbox.read_bytes() == case.after + mail
        assert case.left() == []
        calls = [*recorder.calls[:number], Call("write", 0, sizes[0], mail), *recorder.calls[number:]]
        for stop in range(number + 1, len(calls) + 1):
            disk = _fresh(case, recorder)
            case.begin(f"UPDATE, with a delivery after call {number}, stopped after call {stop}: ", recorder)
            for call in calls[:stop]:
                disk.do(call)
            case.crash(disk, chance)
            with contextlib.suppress(Refused):  # the message may be there by half
                case.recover(Recorder())
            got = case.mailbox.read_bytes()
            assert any(got.startswith(kept) and len(got) <= len(kept + mail) for kept in (case.after, case.before))
            assert case.left() == []
            points += 1
    return points
