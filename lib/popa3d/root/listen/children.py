"""Children of the listener, which have nothing of its signals.

Runs as: root, only with -D.
Trusts: the kernel.
"""

import os

from ...shared import EX_SOFTWARE, log
from . import signals

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable


def start(child: "Callable[[], None]") -> int:
    """The process id of a process that calls `child`, which should end it: else it exits EX_SOFTWARE. Raises OSError."""
    mask = signals.block()  # until the child's handlers are not the listener's
    try:
        pid = os.fork()
        if pid:
            return pid
        try:
            signals.forget()
            child()
        except BaseException as error:
            log.crash(error)
        finally:
            os._exit(EX_SOFTWARE)
    finally:
        signals.restore(mask)
