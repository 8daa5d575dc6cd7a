"""The listener's children and signals: what a signal asks for, and that a child has nothing of it."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator

import pytest

from popa3d.root import process, reports
from popa3d.root.listen import children, signals
from popa3d.root.listen.logins import Logins
from popa3d.shared import EX_SOFTWARE


@pytest.fixture
def handled() -> Iterator[signals.Signals]:
    """The signals of this process, for a while."""
    before = {number: signal.getsignal(number) for number in signals.NUMBERS}
    mask = signals.block()
    result = signals.Signals()
    result.take_over()
    yield result
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    signals.restore(mask)


def is_awake(handled: signals.Signals) -> bool:
    """Whether the loop would wake up."""
    poll = select.poll()
    poll.register(handled.fd, select.POLLIN)
    return bool(poll.poll(0))


def test_what_signals_ask_for(handled: signals.Signals) -> None:
    """Each wakes the loop up; SIGHUP and SIGTERM are noted, SIGCHLD needs no note."""
    assert not is_awake(handled)
    for number, stopping, reloading in (
        (signal.SIGCHLD, False, False),
        (signal.SIGHUP, False, True),
        (signal.SIGTERM, True, True),
    ):
        os.kill(os.getpid(), number)
        assert is_awake(handled)
        assert (handled.stopping, handled.reloading) == (stopping, reloading)
        handled.clear()
        assert not is_awake(handled)
    handled.clear()


def status(child: Callable[[], None]) -> int:
    """How a child ends."""
    return os.waitstatus_to_exitcode(os.waitpid(children.start(child), 0)[1])


def test_child(handled: signals.Signals) -> None:
    """A child has no handler, no blocked signal and no alarm's handler; what it does not catch is an internal error."""

    def child() -> None:
        usual = all(signal.getsignal(number) == signal.SIG_DFL for number in (*signals.NUMBERS, signal.SIGALRM))
        os._exit(0 if usual and not signal.pthread_sigmask(signal.SIG_BLOCK, ()) else 1)

    assert status(child) == 0
    assert status(lambda: None) == EX_SOFTWARE
    assert status(lambda: os.kill(os.getpid(), signal.SIGTERM)) == -signal.SIGTERM
    assert not handled.stopping
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_twice(handled: signals.Signals) -> None:
    """A second SIGTERM ends the process at once, with 0."""
    pid = os.fork()
    if not pid:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """All reports that have been written are read, and no more is waited for."""
    placed: list[int] = []

    def place(fd: int, number: int) -> int:
        placed.append(fd)
        return number

    monkeypatch.setattr(process, "place", place)
    logins = Logins()
    assert list(logins.read()) == []
    pids = [(1, 4_194_304), *((pid, pid + 1) for pid in range(5, 2000))]
    for session, successor in pids:
        reports.logged_in(session, successor, placed[0])
    reports.ended(7, placed[0])
    assert list(logins.read()) == [*pids, (7, 0)]
    os.close(logins.fd)
    reports.ended(8, placed[0])  # nobody counts any more
    os.close(placed[0])
