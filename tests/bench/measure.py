"""The client, and rounds of measurements that take turns.

The client does as little as it can: one buffer, one loop of recv, nothing parsed that is not needed.
"""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from tests.bench.servers import PASSWORD
from tests.host import Account

T = TypeVar("T")
_BUFFER = bytearray(1 << 20)
_VIEW = memoryview(_BUFFER)
_END = b"\r\n.\r\n"
_SECONDS = 120
_REST_S = 0.06

# C popa3d -D takes 50 sessions of one source and 500 of all in 10 s. So each connection comes from an address of its own,
# and who comes to that door (DAEMON_PORT is compiled in) waits until it is open.
_C_DAEMON_PORT = 110
_C_SESSIONS, _C_WINDOW_S = 450, 10.5
_sources = 0
_visits: collections.deque[float] = collections.deque()


class Refused(Exception):
    """A server answered -ERR, or closed the connection."""


class Client:
    """One session; a context manager.

    at_once: acknowledge every segment when it comes. Linux may wait 40 ms for company, and a server that sends a reply in
    two parts then waits too: that is true, but has nothing to do with how much work a server does.
    """

    at_once = True

    def __init__(self, port: int, source: int | None = None) -> None:
        global _sources  # noqa: PLW0603 - each connection's address is another one
        _sources += 1
        number = (_sources if source is None else source) % 60_000
        of = f"127.1.{number // 250}.{number % 250 + 1}"
        self._socket = socket.create_connection(("127.0.0.1", port), _SECONDS, (of, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _receive(self) -> int:
        if self.at_once:  # the kernel forgets it again and again
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._socket.recv_into(_BUFFER)

    def line(self) -> bytes:
        """A reply of one line, which must be +OK."""
        got = b""
        while not got.endswith(b"\n"):
            count = self._receive()
            if not count:
                raise Refused(f"closed behind {got!r}")
            got += _VIEW[:count]
        if not got.startswith(b"+OK"):
            raise Refused(got.decode(errors="replace").strip())
        return got

    def ask(self, command: bytes) -> bytes:
        """Send a command; its reply of one line."""
        self._socket.sendall(command + b"\r\n")
        return self.line()

    def multi(self, command: bytes) -> int:
        """Send a command; the octets of its reply of many lines, all read."""
        self._socket.sendall(command + b"\r\n")
        total, tail = 0, b""
        while tail != _END:
            count = self._receive()
            if not count or (not total and _BUFFER[0] != ord("+")):
                raise Refused(bytes(_VIEW[: min(count, 200)]).decode(errors="replace").strip() or "closed")
            total += count
            tail = (tail + bytes(_VIEW[max(0, count - 5) : count]))[-5:]
        return total

    def login(self, account: Account) -> None:
        """The greeting, USER and PASS."""
        self.line()
        self.ask(b"USER " + account.name.encode())
        self.ask(b"PASS " + PASSWORD.encode())

    def wait(self) -> None:
        """Until the server has closed the connection."""
        with contextlib.suppress(ConnectionResetError):
            while self._socket.recv_into(_BUFFER):
                pass


def poll(port: int, account: Account, source: int | None = None, patient: bool = False) -> float:
    """What a mail program does every few minutes: look, fetch what is new, say goodbye. Seconds, from connect on.

    patient: acknowledge as Linux does if it is not told otherwise.
    """
    if source is None:
        reserve(port)
    start = time.perf_counter()
    with Client(port, source) as client:
        client.at_once = not patient
        client.login(account)
        count = int(client.ask(b"STAT").split()[1])
        client.multi(b"UIDL")
        client.multi(b"LIST")
        for number in range(count - 2, count + 1):
            client.multi(b"RETR %d" % number)
        client.ask(b"QUIT")
        took = time.perf_counter() - start
        client.wait()
    return took


def opening(port: int, account: Account) -> float:
    """How long it takes until the client knows what is there: USER, PASS, STAT, UIDL, QUIT. Seconds, from connect on."""
    start = time.perf_counter()
    with Client(port) as client:
        client.login(account)
        client.ask(b"STAT")
        client.multi(b"UIDL")
        client.ask(b"QUIT")
        took = time.perf_counter() - start
        client.wait()
    settle(account)
    return took


def processes(account: Account) -> list[int]:
    """Those that run as this account's user."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                status = Path("/proc", name, "status").read_text()
            except OSError:
                continue  # it has ended
            uid = status.partition("\nUid:")[2].split()[1:2]
            if uid == [str(account.uid)] and "\nVmRSS:" in status:  # not a zombie
                found.append(int(name))
    return found


def settle(account: Account) -> None:
    """Wait until no session of the account is left, so that its end is not in the next one's time."""
    end = time.monotonic() + 60
    while processes(account) and time.monotonic() < end:
        time.sleep(0.01)


def bare(times: int) -> float:
    """Seconds that the start and end of so many interpreters take, one after the other."""
    start = time.perf_counter()
    for _ in range(times):
        os.waitpid(os.posix_spawn("/usr/bin/python3", ["python3", "-I", "-S", "-c", "pass"], {}), 0)
    return time.perf_counter() - start


def interleave(rounds: int, subjects: Mapping[str, Callable[[], T]], warm: int = 1) -> dict[str, list[T]]:
    """Each subject once in every round: A B C, A B C, and so on. What the first `warm` rounds say is forgotten.

    Between them there is some time for what a server still does for a session that is over, or for the next one: this should
    not be another server's.
    """
    found: dict[str, list[T]] = {name: [] for name in subjects}
    for number in range(warm + rounds):
        for name, subject in subjects.items():
            time.sleep(_REST_S)
            what = subject()
            if number >= warm:
                found[name].append(what)
    return found


def reserve(port: int, sessions: int = 1) -> None:
    """Wait until C popa3d -D can take so many more sessions, if `port` is its; call this before the clock runs."""
    while port == _C_DAEMON_PORT:
        now = time.monotonic()
        while _visits and now - _visits[0] > _C_WINDOW_S:
            _visits.popleft()
        if len(_visits) + sessions <= _C_SESSIONS:
            _visits.extend([now + 5] * sessions)
            return
        time.sleep(0.1)


def at_once(port: int, accounts: tuple[Account, ...], workers: int, polls: int) -> float:
    """Sessions per second of so many clients at once, each with an account of its own, `polls` sessions in all."""
    global _sources  # noqa: PLW0603 - see above
    reserve(port, polls)
    each = polls // workers
    first = _sources
    _sources += polls
    go, started = os.pipe()
    ready, told = os.pipe()
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(started)
                os.write(told, b".")
                os.read(go, 1)  # ends when the parent closes its end
                for i in range(each):
                    poll(port, accounts[worker], first + worker * each + i)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    os.close(told)
    with _closing(go, ready):
        for _ in range(workers):
            os.read(ready, 1)
        start = time.perf_counter()
        os.close(started)
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        took = time.perf_counter() - start
    if failed:
        raise Refused(f"{failed} of {workers} clients at port {port} failed")
    return each * workers / took


@contextlib.contextmanager
def _closing(*descriptors: int) -> Iterator[None]:
    try:
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def synced(directory: Path) -> float:
    """Seconds until 4 kB that were written over are on the disk: the median of some."""
    path = directory / "synced"
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(21):
            file.seek(0)
            file.write(os.urandom(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    path.unlink()
    return sorted(taken)[10]


def private_kilobytes(pid: int) -> int:
    """Memory that would be free again if this process alone ended (USS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
