"""Calls of UPDATE, and of the recovery after it, fail: the system takes nothing, or not all, or says what is not so."""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections.abc import Callable

from popa3d.owner.mailbox import Refused
from tests.faults.cases import Case
from tests.faults.disk import Call, Disk, Recorder

_BLOCK = 1024  # octets


def nearly_full(case: Case) -> int:
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


def full_disk(number: int, call: Call) -> None:
    """A disk without a free block: new files can be made as long as they are empty."""
    if call.what == "write" and call.file > 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failing(case: Case) -> int:
    """Each call of UPDATE fails, once or from then on, for each reason; then the disk is in order again. Returns how many."""
    chance = random.Random(case.seed)
    case.set()
    plain = Recorder()
    case.update(plain)
    points = 0
    for number in range(len(plain.calls)):
        for reason in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            for lasting in (False, True):
                case.set()
                failed = _update(case, failure(number, reason, lasting))
                points += 1
                mail = case.mail(chance)
                if failed is None:
                    assert case.mailbox.read_bytes() == case.after
                elif not any(".journal" in name for name in case.left()) and plain.calls[number - 1].what != "cut":
                    assert case.mailbox.read_bytes() == case.before  # (a cut that may not be on the disk is a cut)
                case.deliver(mail)
                case.recover(Recorder())
                case.check(mail, done=failed is None)
                # The same in recovery: it refuses the mailbox, or comes to the end.
                points += _failing_recovery(case, chance, reason, lasting)
    return points


def failure(number: int, reason: int, lasting: bool) -> Callable[[int, Call], None]:
    """For a Recorder: call `number`, counted from 0, fails for a reason (of errno), and if `lasting` all after it do."""
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
    stop = chance.randrange(len(recorder.calls) + 1)
    case.note(f"The same again, stopped after call {stop}")
    for call in recorder.calls[:stop]:
        disk.do(call)
    case.crash(disk)
    try:
        case.recover(Recorder(failure(chance.randrange(8), reason, lasting)))
    except (OSError, Refused):
        assert any(".journal" in name for name in case.left())
    mail = case.mail(chance)
    case.deliver(mail)
    case.recover(Recorder())
    case.check(mail)
    return 1


def short_writes(case: Case) -> int:
    """The system takes only some octets of each write."""
    for octets in (1, 3, 50):
        case.set()
        case.update(Recorder(short=octets))
        assert case.mailbox.read_bytes() == case.after
        assert case.left() == []
    return 3


def lying_writes(case: Case) -> int:
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
        case.check()
    return len(writes)
