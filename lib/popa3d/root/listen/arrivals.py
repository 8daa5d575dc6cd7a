"""Clients that come through proxies: their sessions find out who they are, and ask whether there may be another one from there.

Each of these sessions asks on a socket of its own, once, and waits for the answer before it greets its client. So the limits per
source hold for real addresses, and the listener still reads nothing that a client or a proxy has sent.

Runs as: root, only with -D.
Trusts: root's processes of sessions, which alone can ask.
"""

import _socket
import select

from ...shared.limits import SPARE_FD
from ...shared.proxy_limits import PROXY_ADMITTED_S

TYPE_CHECKING = False  # what runs this file forks sessions: the typing module would be in each of them
if TYPE_CHECKING:
    from collections.abc import Callable

_YES, _NO = b"+", b"-"
_OCTETS = 64  # of a numeric address: at most 45


class Arrivals:
    """The sockets, by descriptor, and the process of the session at the other end of each."""

    def __init__(self) -> None:
        self._asking: dict[int, tuple[int, _socket.socket]] = {}

    def add(self, pid: int, asking: _socket.socket) -> None:
        """Session `pid` will ask on this socket."""
        self._asking[asking.fileno()] = pid, asking

    def fds(self) -> list[int]:
        """What can be read when there is something to `answer`."""
        return list(self._asking)

    def answer(self, ready: set[int], admits: "Callable[[int, str], bool]") -> None:
        """Answer those that have asked, and forget them. admits: whether session `pid` may have a client with that address."""
        for fd in ready & set(self._asking):
            pid, asking = self._asking.pop(fd)
            try:
                address = asking.recv(_OCTETS, _socket.MSG_DONTWAIT).decode()
                if address:  # else it has ended
                    asking.send(_YES if admits(pid, address) else _NO, _socket.MSG_DONTWAIT)
            except OSError:
                pass  # it has ended
            finally:
                asking.close()


def is_admitted(address: str) -> bool:
    """In a session: whether the listener lets its client in. A listener that has ended, or hangs, counts and refuses nobody."""
    asking = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, SPARE_FD)
    poll = select.poll()
    poll.register(asking, select.POLLIN)
    try:
        asking.send(address.encode(), _socket.MSG_DONTWAIT)
        return not poll.poll(PROXY_ADMITTED_S * 1000) or asking.recv(1, _socket.MSG_DONTWAIT) != _NO
    except OSError:
        return True
    finally:
        asking.detach()
