"""Sessions of clients that come through proxies ask the listener, which answers each once, whatever becomes of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from unittest import mock

import pytest

from popa3d.root.listen import arrivals
from popa3d.root.listen.arrivals import Arrivals, is_admitted
from tests.talk import wait_until

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The listener's end, and the session's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        yield ours, theirs
    ours.close()


def asked(session: socket.socket, limit_s: float = 30) -> bool:
    """What a session is told."""
    with mock.patch.multiple(arrivals, SPARE_FD=session.fileno(), PROXY_ADMITTED_S=limit_s):
        return is_admitted("192.0.2.1")


@pytest.mark.parametrize("answer", [False, True])
def test_answers(pair: Pair, answer: bool) -> None:
    """The session gets the listener's answer, about its process and its client; then it is forgotten."""
    ours, theirs = pair
    waiting = Arrivals()
    waiting.add(7, ours)
    fds = waiting.fds()
    questions, told = [], []
    session = threading.Thread(target=lambda: told.append(asked(theirs)))
    session.start()

    def admits(pid: int, address: str) -> bool:
        questions.append((pid, address))
        return answer

    ours.settimeout(30)
    assert ours.recv(1, socket.MSG_PEEK)
    waiting.answer({fds[0], 12345}, admits)
    session.join(30)
    assert (told, questions, waiting.fds()) == ([answer], [(7, "192.0.2.1")], [])


def test_those_that_have_not_asked(pair: Pair) -> None:
    """Nothing is read of a socket on which nothing is ready."""
    ours, _ = pair
    waiting = Arrivals()
    waiting.add(7, ours)
    waiting.answer({ours.fileno() + 1}, mock.Mock(side_effect=AssertionError))
    assert waiting.fds() == [ours.fileno()]


def test_one_that_has_ended(pair: Pair) -> None:
    """A session that ends without a question is forgotten; of one that ends before the answer that is all, too."""
    ours, theirs = pair
    waiting = Arrivals()
    waiting.add(7, ours)
    theirs.close()
    waiting.answer(set(waiting.fds()), mock.Mock(side_effect=AssertionError))
    assert waiting.fds() == []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    waiting.add(8, ours)
    theirs.send(b"192.0.2.1")
    theirs.close()
    waiting.answer(set(waiting.fds()), lambda *_: False)
    assert waiting.fds() == []


def test_no_listener(pair: Pair) -> None:
    """A listener that has ended, or does not answer, refuses nobody; the session's end of the socket stays its own."""
    ours, theirs = pair
    assert asked(theirs, 0)
    ours.recv(100)
    told: list[bool] = []
    session = threading.Thread(target=lambda: told.append(asked(theirs)))
    session.start()
    wait_until(lambda: ours.recv(100) == b"192.0.2.1")
    ours.close()
    session.join(30)
    assert told == [True] and asked(theirs) and theirs.fileno() >= 0
