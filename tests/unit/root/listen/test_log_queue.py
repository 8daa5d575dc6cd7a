"""The listener's log lines that wait, and what is said of those that are lost."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from popa3d.root.listen import log_queue
from popa3d.root.listen.limits import LOG_LINES
from popa3d.shared import log


class Writers:
    """What would start the processes that write: `said` has the lines of each; their ids are 1, 2 and so on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[list[str]] = []
        monkeypatch.setattr(log_queue, "_write", lambda lines: self.said.append([text for _, text in lines]))

    def run_aside(self, child: Callable[[], None]) -> int:
        """Run it here."""
        child()
        return len(self.said)


def test_lost_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those for which there was no room, and those of a process that a stuck log has cost its life; not those of others."""
    writers = Writers(monkeypatch)
    queue = log_queue.LogQueue(writers.run_aside)
    for i in range(LOG_LINES + 2):
        queue.put(log.WARNING, str(i))
    queue.start()
    assert writers.said[-1][-2:] == [str(LOG_LINES - 1), "Up to 2 more lines were not logged"]
    queue.put(log.WARNING, "next")
    queue.start()
    assert len(writers.said) == 1  # one at a time
    queue.ended(7, signal.SIGALRM)
    queue.start()
    assert len(writers.said) == 1  # it was another one
    queue.ended(1, signal.SIGALRM)
    queue.start()
    assert writers.said[-1] == ["next", f"Up to {LOG_LINES + 2} more lines were not logged"]
    queue.ended(2, 0)
    queue.put(log.WARNING, "last")
    queue.start()
    assert writers.said[-1] == ["last"]
