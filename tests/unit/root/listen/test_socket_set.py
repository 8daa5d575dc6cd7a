"""The change of the listener's sockets, over sockets that are made up: it is done whole, or not at all."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from popa3d.root.listen import sockets
from popa3d.root.listen.socket_set import SocketSet
from popa3d.shared import log
from popa3d.shared.settings import Settings


class Queue:
    """The log queue: its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def put(self, priority: int, text: str) -> None:
        """A line."""
        self.lines.append((priority, text))


class Network:
    """What listens, by address and port. taken: what other programs have; with 0.0.0.0 there is no room beside it."""

    def __init__(self) -> None:
        self.taken: set[tuple[str, int]] = set()
        self.listening: dict[tuple[str, int], int] = {}

    def open(self, key: sockets.Key, backlog: int) -> socket.socket:
        """As sockets.opened."""
        _, address, port = key
        others = self.taken | set(self.listening)
        beside = {other for other in others if other[1] == port and (other[0] == address or "0.0.0.0" in (address, other[0]))}
        if beside:
            raise sockets.AddressInUse(f"{address} port {port}: Address already in use")
        if address == "192.0.2.99":
            raise sockets.CannotListen(f"{address} port {port}: Cannot assign requested address")
        self.listening[address, port] = backlog
        return Socket(self, (address, port))  # type: ignore[return-value]


class Socket:
    """One of them."""

    def __init__(self, network: Network, name: tuple[str, int]) -> None:
        self.network, self.name = network, name

    def close(self) -> None:
        """Listen no more."""
        del self.network.listening[self.name]

    def listen(self, backlog: int) -> None:
        """With another backlog."""
        self.network.listening[self.name] = backlog


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network, and no socket that was passed."""
    result = Network()
    monkeypatch.setattr(sockets, "opened", result.open)
    monkeypatch.setattr(sockets, "passed", list)
    return result


def settings(*addresses: str, port: int = 110, backlog: int = 5) -> Settings:
    """Settings with these addresses."""
    result = Settings()
    result.addresses, result.port, result.backlog = addresses, port, backlog
    return result


def listens(network: Network) -> dict[tuple[str, int], int]:
    """A copy of what listens."""
    return dict(network.listening)


def test_change(network: Network) -> None:
    """What stays is not closed, but gets the new backlog; the rest is opened and closed."""
    change = SocketSet("4", Queue())  # type: ignore[arg-type]
    change.adopt(settings("192.0.2.1", "192.0.2.2"))
    first = change.all()[0]
    change.adopt(settings("192.0.2.1", "192.0.2.3", backlog=6))
    assert listens(network) == {("192.0.2.1", 110): 6, ("192.0.2.3", 110): 6}
    assert change.all()[0] is first
    change.close()
    assert listens(network) == {} and change.all() == []


def test_narrower(network: Network) -> None:
    """An address that is a part of one that goes can be had: that one is closed first, and one of another port is not."""
    change = SocketSet("4", Queue())  # type: ignore[arg-type]
    change.adopt(settings("0.0.0.0"))
    change.adopt(settings("192.0.2.1"))
    assert listens(network) == {("192.0.2.1", 110): 5}


def test_narrower_while_a_child_begins(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was forked just now keeps what is closed for a moment: that is waited for, also where it is opened again."""
    change = SocketSet("4", Queue())  # type: ignore[arg-type]
    change.adopt(settings("0.0.0.0"))
    close = Socket.close
    waited: list[float] = []

    def close_here(it: Socket) -> None:
        close(it)
        network.taken.add(it.name)

    def wait(seconds: float) -> None:
        waited.append(seconds)
        network.taken.clear()

    monkeypatch.setattr(Socket, "close", close_here)
    monkeypatch.setattr("popa3d.root.listen.socket_set.time.sleep", wait)
    change.adopt(settings("192.0.2.1"))
    assert listens(network) == {("192.0.2.1", 110): 5} and len(waited) == 1
    with pytest.raises(sockets.CannotListen):
        change.adopt(settings("0.0.0.0", "192.0.2.99"))
    assert listens(network) == {("192.0.2.1", 110): 5}


def test_another_port(network: Network) -> None:
    """For an address that another program has, no socket of another port is closed, even if it is to go."""
    change = SocketSet("4", Queue())  # type: ignore[arg-type]
    change.adopt(settings("192.0.2.1"))
    first = change.all()[0]
    network.taken.add(("192.0.2.1", 111))
    with pytest.raises(sockets.CannotListen):
        change.adopt(settings("192.0.2.1", port=111))
    assert change.all()[0] is first


def test_all_or_nothing(network: Network) -> None:
    """If an address cannot be had, the sockets and their backlog are as they were, also what was in the way of others."""
    queue = Queue()
    change = SocketSet("4", queue)  # type: ignore[arg-type]
    change.adopt(settings("0.0.0.0"))
    with pytest.raises(sockets.CannotListen) as failure:
        change.adopt(settings("192.0.2.1", "192.0.2.99", backlog=6))
    assert failure.value.reason == "192.0.2.99 port 110: Cannot assign requested address"
    assert listens(network) == {("0.0.0.0", 110): 5} and queue.lines == []


def test_what_is_lost(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """If what was closed cannot be had again, the log says so."""
    queue = Queue()
    change = SocketSet("4", queue)  # type: ignore[arg-type]
    change.adopt(settings("0.0.0.0"))
    real = network.open

    def open_once(key: sockets.Key, backlog: int) -> Any:
        if key[1] == "192.0.2.99":
            network.taken.add(("192.0.2.7", 110))  # another program is quicker
        return real(key, backlog)

    monkeypatch.setattr(sockets, "opened", open_once)
    with pytest.raises(sockets.CannotListen):
        change.adopt(settings("192.0.2.1", "192.0.2.99"))
    assert listens(network) == {}
    assert queue.lines == [(log.ERROR, "Not listening any more on 0.0.0.0 port 110: Address already in use")]


def test_at_the_start(network: Network) -> None:
    """An address of another program is an error at the start, and nothing stays open."""
    network.taken.add(("192.0.2.2", 110))
    with pytest.raises(sockets.CannotListen, match="Address already in use"):
        SocketSet("4", Queue()).adopt(settings("192.0.2.1", "192.0.2.2"))  # type: ignore[arg-type]
    assert listens(network) == {}


def test_passed(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """With sockets that a service manager has passed, settings change nothing."""
    passed = Socket(network, ("::", 110))
    network.listening["::", 110] = 1
    monkeypatch.setattr(sockets, "passed", lambda: [passed])
    change = SocketSet("46", Queue())  # type: ignore[arg-type]
    change.adopt(settings("192.0.2.1"))
    assert [id(one) for one in change.all()] == [id(passed)] and listens(network) == {("::", 110): 1}
