"""Processes that are forked ahead: who is asked, who is replaced, and who is refused when they cannot live."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from popa3d.root import process
from popa3d.root.prefork import Prefork
from tests.talk import children, wait_until

FDS = 2


def answer(take: Callable[[], tuple[bytes, list[int]]]) -> None:
    """Send the process id and the message on the descriptor that came with it, and wait for the other end's close."""
    message, fds = take()
    os.write(fds[0], b"%d %s %d" % (os.getpid(), message, len(fds)))
    select.select([fds[0]], [], [])
    os._exit(0)


def end(_take: object) -> None:
    """A process that cannot live."""
    os._exit(1)


class Forking:
    """A process that forks ahead. failures: a pipe with an octet for each refusal because of an error."""

    def __init__(self, count: int, be: Callable[[Callable[[], tuple[bytes, list[int]]]], None] = answer) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.failures, failed = os.pipe()
        self.ended, ends = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                ours.close()
                Prefork(
                    theirs.detach(),
                    count,
                    100,
                    FDS,
                    be,  # type: ignore[arg-type]
                    lambda _: os.write(failed, b"!"),  # type: ignore[arg-type]
                    lambda pid: os.write(ends, b"%d\n" % pid),  # type: ignore[arg-type]
                ).run()
            finally:
                os._exit(0)
        theirs.close()
        os.close(failed)
        os.close(ends)
        self._asking = ours

    def ask(self, message: bytes = b"hello", fds: int = 1) -> socket.socket:
        """What the answer comes on."""
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        self._asking.sendmsg([message], process.rights((theirs.fileno(),) * fds))
        theirs.close()
        return ours

    def close(self) -> None:
        """Nobody asks any more."""
        self._asking.close()


@contextlib.contextmanager
def forking(*arguments: object) -> Iterator[Forking]:
    """A Forking, which ends when it is closed, as do its children."""
    it = Forking(*arguments)  # type: ignore[arg-type]
    try:
        yield it
        waiting = children(it.pid)
        it.close()
        os.waitpid(it.pid, 0)
        for pid in waiting:
            wait_until(lambda pid=pid: not Path(f"/proc/{pid}/exe").exists())
    except BaseException:
        os.kill(it.pid, signal.SIGKILL)
        raise
    finally:
        os.close(it.failures)
        os.close(it.ended)


def who(answering: socket.socket, message: bytes = b"hello", fds: int = 1) -> int:
    """The process that has answered."""
    pid, said, count = answering.recv(100).split()
    assert (said, int(count)) == (message, fds)
    return int(pid)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_message_has_a_process(count: int) -> None:
    """One of those that wait, as long as there are some; all are different ones, and as many as before wait afterwards."""
    with forking(count) as it, contextlib.ExitStack() as stack:
        wait_until(lambda: len(children(it.pid)) == count)
        ahead = set(children(it.pid))
        first = who(stack.enter_context(it.ask()))
        assert (first in ahead) == bool(count)
        answering = [stack.enter_context(it.ask(b"%d" % number, 2)) for number in range(8)]
        found = {first} | {who(each, b"%d" % number, 2) for number, each in enumerate(answering)}
        assert len(found) == 9 and it.pid not in found
        wait_until(lambda: len(set(children(it.pid)) - found) == count)
        stack.close()
        wait_until(lambda: not found & set(children(it.pid)))
        ends = b""
        while ends.count(b"\n") < 9:
            ends += os.read(it.ended, 1000)
        assert {int(line) for line in ends.split()} == found


@pytest.mark.parametrize("count", [0, 2])
def test_processes_that_cannot_live(count: int) -> None:
    """Who asks is refused, and others are not forked again and again."""
    with forking(count, end) as it:
        for _ in range(3):
            with it.ask() as answering:
                assert answering.recv(100) == b""
        it.close()
        ends = b""
        while more := os.read(it.ended, 10_000):
            ends += more
        assert ends.count(b"\n") <= count + 3 * (count + 1)


def test_those_that_wait_are_killed() -> None:
    """The next one that asks has an answer, and others wait again."""
    with forking(2) as it:
        wait_until(lambda: len(children(it.pid)) == 2)
        for pid in children(it.pid):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not children(it.pid))
        with it.ask() as answering:
            assert who(answering)
        wait_until(lambda: len(children(it.pid)) == 2)


def test_one_that_has_served_and_ended() -> None:
    """A process that has said that it is busy, and has ended, has not ended while it waited, whichever is heard first."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    prefork = Prefork(theirs.detach(), 1, 100, FDS, answer, lambda _: None)  # type: ignore[arg-type]
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    prefork._waiting.add(pid)
    said = (bytes([signal.SIGCHLD]), pid.to_bytes(4, "big"))
    prefork._hear_who_is_busy()

    def ended(_pid: int) -> None:
        for data in said:
            prefork._says.send(data)

    prefork._ended = ended
    prefork._hear()
    assert not prefork._waiting and prefork._not_before == 0.0
    for one in (ours, prefork._asking, prefork._news, prefork._says):
        one.close()
