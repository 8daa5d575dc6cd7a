"""A process and all that descend from it."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from tests.talk import children, state, wait_until

SECONDS = 60


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants; all are dead when this returns.

    None of them has a say in it, so none can fork meanwhile.
    """
    tree = _stopped(pid)
    for process in tree:
        with contextlib.suppress(ProcessLookupError):  # it was ending
            signal.pidfd_send_signal(process, signal.SIGKILL)
    for process in tree:
        dead, _, _ = select.select([process], [], [], SECONDS)
        os.close(process)
        assert dead, "a process does not die"


def _stopped(pid: int) -> list[int]:
    """Descriptors (pidfd) of the process and its descendants, each stopped before its children are listed."""
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, signal.SIGSTOP)
    wait_until(lambda: state(pid) in "TZX", SECONDS)
    return [process, *(descendant for child in children(pid) for descendant in _stopped(child))]
