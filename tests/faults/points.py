"""The fault tests themselves: each takes one case through all the moments of its update, and counts them.

What must hold after each: the mailbox is what it was before, or what it is to be, octet by octet, with all behind it that was
delivered meanwhile; and nothing is left in the state directory.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import os
import random
from collections.abc import Callable

from popa3d.owner.mailbox.failures import Refused
from tests.faults.cases import NEW, Case
from tests.faults.disk import Call, Disk, Recorder

_BLOCK = 1024  # octets
_MOMENTS = 40  # of one update, at random, if it has more
_POWER_LOSSES = 3  # different ones for each moment
_SECOND_CRASHES = 2  # for each first one


def interrupted(case: Case, seed: int, full: bool = False) -> int:
    """The machine or the process stops at each call of UPDATE; then mail is delivered; then somebody logs in.

    full: the disk takes nothing that is longer than it was, so the journal is in names. Returns the number of moments.
    """
    chance = random.Random(seed)
    case.set()
    recorder = Recorder(_full if full else None)
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
            for call in recorder.calls[:number]:
                disk.do(call)
            if loss:
                disk.lose_power(chance)
            there = disk.numbered_anew()  # after a kill, what was not synced is still not, when the power fails later
            disk.killed()
            disk.put(case.mailbox, case.directory)
            mail = case.mail(chance)
            case.deliver(mail)
            again = Recorder(_full if full and chance.random() < 0.5 else None)
            case.recover(again)
            points += 1
            _whole(case, mail, done=number == len(recorder.calls))
            for _ in range(_SECOND_CRASHES if again.calls else 0):
                _crash_again(case, copy.deepcopy(there), again, mail, chance)
                points += 1
    return points


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
    for call in recovery.calls[: chance.randint(1, len(recovery.calls))]:
        disk.do(call)
    if chance.random() < 0.4:
        disk.killed()
    else:
        disk.lose_power(chance)
    disk.put(case.mailbox, case.directory)
    more = case.mail(chance)
    case.deliver(more)
    for _ in range(3):  # a call fails, which may refuse the mailbox, and does no harm
        with contextlib.suppress(OSError, Refused):
            case.recover(Recorder(_failure(chance.randrange(20), errno.EIO, False)))
    case.recover(Recorder())  # which also removes a journal that could not be removed
    _whole(case, mail + more)


def _whole(case: Case, mail: bytes, done: bool = False) -> None:
    got = case.mailbox.read_bytes()
    assert got == case.after + mail or (got == case.before + mail and not done)
    assert case.left() == []


def nearly_full(case: Case, seed: int) -> int:
    """The disk has room for a few blocks only: the update comes to its end, or nothing has changed."""
    for blocks in range(12):
        case.set()
        used: set[tuple[int, int]] = set()

        def fail(_number: int, call: Call, blocks: int = blocks, used: set[tuple[int, int]] = used) -> None:
            if call.what == "write" and call.file > 0:
                last = call.place + len(call.data) - 1
                used |= {(call.file, block) for block in range(call.place // _BLOCK, last // _BLOCK + 1)}
                if len(used) > blocks:
                    used -= {found for found in used if found[0] == call.file}  # (it is removed then)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        failed = _update(case, fail)
        assert case.mailbox.read_bytes() == (case.before if failed else case.after)
        assert case.left() == []
    return 12


def _full(number: int, call: Call) -> None:
    """A disk without a free block: new files can be made as long as they are empty."""
    if call.what == "write" and call.file > 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failing(case: Case, seed: int) -> int:
    """Each call of UPDATE fails, once or from then on, for each reason; then the disk is in order again. Returns how many."""
    chance = random.Random(seed)
    case.set()
    plain = Recorder()
    case.update(plain)
    points = 0
    for number in range(len(plain.calls)):
        for reason in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            for lasting in (False, True):
                case.set()
                failed = _update(case, _failure(number, reason, lasting))
                points += 1
                mail = case.mail(chance)
                if failed is None:
                    assert case.mailbox.read_bytes() == case.after
                elif not any(".journal" in name for name in case.left()) and plain.calls[number - 1].what != "cut":
                    assert case.mailbox.read_bytes() == case.before  # (a cut that may not be on the disk is a cut)
                case.deliver(mail)
                case.recover(Recorder())
                _whole(case, mail, done=failed is None)
                # The same in recovery: it refuses the mailbox, or comes to the end.
                points += _failing_recovery(case, chance, reason, lasting)
    return points


def _failure(number: int, reason: int, lasting: bool) -> Callable[[int, Call], None]:
    left = [number]

    def fail(_number: int, _call: Call) -> None:
        left[0] -= 1
        if left[0] == -1 or (lasting and left[0] < 0):
            raise OSError(reason, os.strerror(reason))

    return fail


def _update(case: Case, fail: Callable[[int, Call], None]) -> OSError | None:
    try:
        case.update(Recorder(fail))
    except OSError as error:
        return error
    return None


def _failing_recovery(case: Case, chance: random.Random, reason: int, lasting: bool) -> int:
    """Stop an update somewhere, and let a call of the recovery fail."""
    case.set()
    recorder = Recorder()
    case.update(recorder)
    disk = Disk(case.before, {})
    for call in recorder.calls[: chance.randrange(len(recorder.calls) + 1)]:
        disk.do(call)
    disk.killed()
    disk.put(case.mailbox, case.directory)
    try:
        case.recover(Recorder(_failure(chance.randrange(8), reason, lasting)))
    except (OSError, Refused):
        assert any(".journal" in name for name in case.left())
    mail = case.mail(chance)
    case.deliver(mail)
    case.recover(Recorder())
    _whole(case, mail)
    return 1


def short_writes(case: Case, seed: int) -> int:
    """The system takes only some octets of each write."""
    for octets in (1, 3, 50):
        case.set()
        case.update(Recorder(short=octets))
        assert case.mailbox.read_bytes() == case.after
        assert case.left() == []
    return 3


def delivered_meanwhile(case: Case, seed: int) -> int:
    """Somebody who ignores the locks appends a message after each call before the mailbox is cut; then the power fails."""
    chance = random.Random(seed)
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
        assert case.mailbox.read_bytes() == case.after + mail, number
        assert case.left() == []
        calls = [*recorder.calls[:number], Call("write", 0, sizes[0], mail), *recorder.calls[number:]]
        for stop in range(number + 1, len(calls) + 1):
            disk = _fresh(case, recorder)
            for call in calls[:stop]:
                disk.do(call)
            disk.lose_power(chance)
            disk.put(case.mailbox, case.directory)
            with contextlib.suppress(Refused):  # the message may be there by half
                case.recover(Recorder())
            got = case.mailbox.read_bytes()
            assert any(got.startswith(kept) and len(got) <= len(kept + mail) for kept in (case.after, case.before)), (
                number,
                stop,
            )
            assert case.left() == []
            points += 1
    return points


def lying_writes(case: Case, seed: int) -> int:
    """A write to the mailbox changes octets and then says that it failed, as over NFS; the next session comes to the end."""
    case.set()
    plain = Recorder()
    case.update(plain)
    writes = [i for i, call in enumerate(plain.calls, 1) if call.what == "write" and call.file == 0]
    for number in writes:

        def lie(done: int, number: int = number) -> None:
            if done == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        case.set()
        recorder = Recorder()
        recorder.meanwhile = lie
        with contextlib.suppress(OSError):
            case.update(recorder)
        case.recover(Recorder())
        _whole(case, b"")
    return len(writes)


def interrupted_in_names(case: Case, seed: int) -> int:
    """`interrupted`, on a full disk."""
    return interrupted(case, seed, full=True)


TESTS: dict[str, Callable[[Case, int], int]] = {
    "interrupted": interrupted,
    "interrupted_in_names": interrupted_in_names,
    "failing": failing,
    "nearly_full": nearly_full,
    "short_writes": short_writes,
    "delivered_meanwhile": delivered_meanwhile,
    "lying_writes": lying_writes,
}
