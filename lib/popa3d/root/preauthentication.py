"""Root's side of the pre-auth child: starting it, and receiving its one record.

Runs as: root, and user popa3d in the child once it is confined.
Trusts: nobody; whoever takes the record checks it.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import _socket
import posix as os  # as os, without its start-up time
import select
import time

from ..shared import EX_SOFTWARE, log, record, replies
from ..shared.limits import CHROOT, PREAUTH_FD, RECORD_GRACE_S
from . import privileges, process, sandbox
from .ending import End

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable
    from typing import NoReturn

    Offer = tuple[bool, bool, bool]  # what shared.capabilities.Offer takes
    Order = tuple[Offer, float, bytes, int]  # what `order` takes
    Meet = Callable[[], tuple[Offer, bytes, bytes] | None]
    Run = Callable[[int, float, float, Offer, bytes, Callable[[], None], Meet | None], None]  # preauth.loop.run
    Preauth = Callable[[], Run]  # loads and returns it

_RECORD_FD = 3  # of the child, besides 0 to 2
_ORDER_OCTETS = 512
_NO_OFFER = (False, False, False)


class Preauthentication:
    """The pre-auth child: one, or with STLS another one after it."""

    def __init__(self, load: "Preauth", nobody: "pwd.struct_passwd", timeout_s: int, has_proxies: bool) -> None:
        """load: loads and returns what the child runs (preauth.loop.run). has_proxies: `meet_proxy` may be called."""
        self._load = load
        self._has_proxies = has_proxies
        self._nobody = nobody
        self._timeout_s = timeout_s
        self._deadline = 0.0
        self._pid = self._pipe = -1

    def prepare(self, childs: int) -> None:
        """Fork a child ahead of its client. It is confined, and then waits for its `order` on descriptor `childs`.

        The other end is PREAUTH_FD.
        """
        self._pipe = PREAUTH_FD
        try:
            self._pid = os.fork()
        except OSError:
            pass  # there are too many processes: perhaps there are fewer when a client comes, and `start` tries again
        if not self._pid:
            self._be(childs, _wait, rehearses=True)
        os.close(childs)

    def start(self, offer: "Offer", deadline: float, first: bytes, is_greeted: bool = False) -> None:
        """Have a child serve descriptors 0 and 1. deadline (time.monotonic): for its record. first: see preauth.loop.run.

        is_greeted: the prepared child has its order.
        """
        self._start((offer, deadline, first, 0), is_greeted)

    def meet_proxy(self, deadline: float, header_s: int) -> bytes:
        """Have a child read a proxy's header from descriptor 0, for at most header_s. Its report (shared.proxy_report).

        When it reports it has looked at nothing that the client has sent; then it waits for `go_on`. deadline: for its record.
        """
        from . import proxied  # few sessions need it

        self._start((_NO_OFFER, deadline, b"", header_s), False)
        return proxied.read_report(self._pipe, header_s)

    def go_on(self, offer: "Offer", first: bytes) -> None:
        """Have the child serve a client that has come through a proxy; see `start`. Raises End if it has ended."""
        try:
            os.write(self._pipe, order(offer, self._deadline, first))
        except OSError:
            raise End("The pre-auth child ended before its client was greeted") from None

    def _start(self, ordered: "Order", is_greeted: bool) -> None:
        self._deadline = ordered[1]
        # Who has the client's order may still never have been forked: then nobody has greeted, and another child does.
        if self._pid > 0 and (is_greeted or _send(self._pipe, order(*ordered))):
            return
        if self._pipe >= 0:
            os.close(self._pipe)  # of a prepared child that has died
        self._pipe, childs = (one.detach() for one in _socket.socketpair()) if ordered[3] else os.pipe()
        self._pid = os.fork()
        if self._pid:
            os.close(childs)
        else:
            self._be(childs, lambda: ordered)

    def _be(self, pipe: int, wait: "Callable[[], Order]", rehearses: bool = False) -> "NoReturn":
        status = EX_SOFTWARE
        try:
            log.stop()
            if log.target() != log.SYSTEM:
                process.send_to_null(2)
            # The listener's pipe, the keeper and the starter, the TLS process's report and the locker are for root alone.
            os.dup2(pipe, _RECORD_FD)
            process.close_from(_RECORD_FD + 1)
            run = self._load()  # inside the chroot there is nothing to load
            meet = _load_meet() if self._has_proxies else None
            privileges.confine(self._nobody.pw_uid, self._nobody.pw_gid, CHROOT, descriptors=_RECORD_FD + 2)
        except BaseException as error:
            log.crash(error)
            os._exit(status)
        try:  # here is no log any more
            if rehearses:
                # With /dev/null, which says nothing and goes. This writes to most pages that a client would otherwise wait for.
                run(1, self._timeout_s, 1, (False, False, True), replies.GREETING, lambda: None, None)
            offer, deadline, first, header_s = wait()
            privileges.no_more_descriptors()
            left_s = max(0.0, deadline - time.monotonic())
            run(_RECORD_FD, self._timeout_s, left_s, offer, first, sandbox.preauth, meet(header_s) if meet and header_s else None)
            status = 0
        finally:
            os._exit(status)

    def receive(self) -> bytes:
        """What the child writes, at most one octet more than a record may have. Raises End if it is late or says nothing.

        The child is gone afterwards. It must be: a PAM module that waits for any child would take its end for another's.
        """
        deadline = self._deadline + RECORD_GRACE_S
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        data = b""
        late = False
        while len(data) <= record.LOGIN_RECORD_OCTETS:
            late = not poll.poll(max(0, deadline - time.monotonic()) * 1000)
            try:
                more = b"" if late else os.read(self._pipe, record.LOGIN_RECORD_OCTETS + 1 - len(data))
            except ConnectionResetError:  # it was killed before it had read its order
                more = b""
            if not more:
                break
            data += more
        os.close(self._pipe)
        self._pipe = -1
        status = self._end()
        if late:
            raise End("The pre-auth child is late with its record")
        if data:
            return data
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == _signal.SIGSYS:
            raise End("The pre-auth child has made a system call that it may not make (the kernel's log says which)")
        raise End(f"The pre-auth child ended without a record (wait status {status:#x})")

    def _end(self) -> int:
        """End the child, whose work is done: one that was taken over must not live on. Its wait status."""
        pid, self._pid = self._pid, -1
        if pid <= 0:
            raise ProcessLookupError  # to kill(2) and waitpid(2) that would be all processes
        os.kill(pid, _signal.SIGKILL)
        return os.waitpid(pid, 0)[1]


def order(offer: "Offer", deadline: float, first: bytes, header_s: int = 0) -> bytes:
    """What a prepared child is told with its client's connection; see `Preauthentication.start`.

    header_s: a proxy's header comes first, for which there is so much time. Then another order follows.
    """
    return b"%d %d %d %r %d %s" % (*offer, deadline, header_s, first)


def _decode(message: bytes) -> "Order":
    stls, tls, logins, deadline, header_s, first = message.split(b" ", 5)
    return (stls == b"1", tls == b"1", logins == b"1"), float(deadline), first, int(header_s)


def _load_meet() -> "Callable[[int], Meet]":
    """How a child meets a client that has come through a proxy; see preauth.loop.run."""
    from ..shared import proxy_reader

    def meet(header_s: int) -> "tuple[Offer, bytes, bytes] | None":
        ahead = proxy_reader.meet(0, _RECORD_FD, header_s)
        message = b"" if ahead is None else os.read(_RECORD_FD, _ORDER_OCTETS)
        if ahead is None or not message:
            return None
        offer, _, first, _ = _decode(message)
        return offer, first, ahead

    return lambda header_s: lambda: meet(header_s)


def _send(pipe: int, text: bytes) -> bool:
    """Give a prepared child the client on descriptor 0, and its order. False: it is not there any more."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, pipe)
    try:
        return process.send_client(socket, text, 0)
    finally:
        socket.detach()


def _wait() -> "Order":
    """In a prepared child: wait for the client, and have it as descriptors 0 and 1. If none comes, the process ends."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, _RECORD_FD)
    message = process.receive_client(socket, _ORDER_OCTETS)
    socket.detach()
    return _decode(message)
