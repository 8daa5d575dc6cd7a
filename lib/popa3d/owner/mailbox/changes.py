"""What the status of a mailbox tells of changes: whether there was one, and when the next one is sure to show.

Runs as: the mailbox owner.
Trusts: the kernel; not the times, which anybody who may write the file can set.
"""

import time

from ...shared.limits import CLOCK_TICK_NS, QUIET_S

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import os

_SECOND_NS = 1_000_000_000


def is_same_file(one: "os.stat_result | None", other: "os.stat_result | None") -> bool:
    """Whether two statuses are of the same file. None is the status of no file, and is like no other."""
    return one is not None and other is not None and (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def is_same_state(one: "os.stat_result | None", other: "os.stat_result | None") -> bool:
    """Whether two statuses are of the same file, and nobody wrote to it in between."""
    if one is None or other is None or not is_same_file(one, other):
        return False
    return (one.st_size, one.st_mtime_ns, one.st_ctime_ns) == (other.st_size, other.st_mtime_ns, other.st_ctime_ns)


def is_same_or_longer(before: "os.stat_result | None", now: "os.stat_result") -> bool:
    """Whether nobody wrote to a file since `before`, or it has grown."""
    return is_same_state(before, now) or (before is not None and now.st_size > before.st_size)


def is_young(status: "os.stat_result") -> bool:
    """Whether the mailbox was written to within QUIET_S. A time in the future was set by somebody, and tells nothing."""
    return 0 <= time.time() - status.st_mtime < QUIET_S


def settle(status: "os.stat_result") -> None:
    """Wait until any further change is sure to alter the file's times. Call it with the lock held, before the file is read.

    A file system's clock ticks every few milliseconds; or every second, where the times have no fraction (C popa3d waits
    that long on every file system).
    """
    has_fraction = status.st_mtime_ns % _SECOND_NS or status.st_ctime_ns % _SECOND_NS
    tick = CLOCK_TICK_NS if has_fraction else _SECOND_NS
    for changed in (status.st_mtime_ns, status.st_ctime_ns):
        left = changed + tick - time.time_ns()
        if 0 < left <= tick:  # a time in the future was set by somebody, and tells nothing
            time.sleep(left / _SECOND_NS)
