"""From root to the TLS process: starting it for the client on descriptors 0 and 1, and what it reports of the handshake.

Afterwards descriptors 0 and 1 are a local socket on which the rest of the session speaks plain POP3, and only the TLS process
has the client's connection.

Runs as: root, and user popa3d-tls in the TLS process once `become` has confined it.
Trusts: of the TLS process nothing but the names of a version and a cipher, which are checked, for the log; and its report of
a proxy's header, which root.proxied checks.
"""

import _signal  # the standard library's signal module imports enum, which costs start-up time
import _socket
import posix as os  # as os, without its start-up time
import select
import time

from ..shared import EX_SOFTWARE, Failure, log, process_name, replies
from ..shared.limits import CHROOT, KEEPER_FD
from ..shared.tls_limits import KEEPER_ANSWER_S, TLS_OCTETS, TLS_REPORT_OCTETS, TLS_USER
from . import accounts, libc, privileges, process, sandbox

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable
    from typing import Any, NoReturn

    from ..shared.settings import Settings
    from .prefork import Take

    Run = Callable[[Any, int, int, Callable[[str], None], Callable[[], bytes | None] | None], None]  # tls.relay.run
    Asked = tuple[int, int, bool, int]  # what `encode` takes
    Tls = Callable[[], Run]  # loads and returns it

FDS = 3  # that a TLS process is given: the client's connection, the session's socket, and the pipe for its report
_WAITING_DESCRIPTORS = 64  # that it may have before that
READY = b"+"  # the TLS process's first octet: it is confined, and has the key
FAULT = b"!"  # or: it could not be, and why
_VERSIONS = ("TLSv1.2", "TLSv1.3")
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")  # of ciphers and OpenSSL's reasons: no address can be made of them
_WORD_OCTETS = 64  # the longest of these has some 40


class NotStarted(Failure):
    """There is no TLS process. The client has read nothing yet."""


class Channel:
    """A TLS process, as root sees it."""

    def __init__(self, report: int, reported: bytes) -> None:
        """report: the reading end of its pipe. reported: what was read of it."""
        self._report = report
        self._reported = reported
        os.set_blocking(report, False)

    def report(self, header_s: int) -> bytes:
        """What the process says of a proxy's header, for which it has header_s; see proxied.client."""
        from ..shared import proxy_report
        from . import proxied

        if not self._reported:
            self._reported = proxied.read_report(self._report, header_s)
        report, self._reported = self._reported[: proxy_report.OCTETS], self._reported[proxy_report.OCTETS :]
        return report

    def outcome(self) -> tuple[str, str]:
        """("VERSION CIPHER", "") once the handshake is complete; ("", REASON) if it failed; else ("", "").

        Anything else that the process may have written counts as nothing: it could forge a line of the log.
        """
        try:
            self._reported += os.read(self._report, TLS_REPORT_OCTETS)
        except OSError:
            pass  # nothing yet
        text = self._reported.decode("ascii", "replace")
        if text.startswith("!"):
            return "", "".join(letter for letter in text if letter in _LETTERS)[:_WORD_OCTETS] or "no reason"
        version, _, cipher = text.partition(" ")
        usual = version in _VERSIONS and 0 < len(cipher) <= _WORD_OCTETS and set(cipher) <= _LETTERS
        return (text if usual else ""), ""


def start(settings: "Settings", tls: "Tls", login_timeout_s: float, stls: bool, kept: bool, header_s: int = 0) -> Channel:
    """Put a TLS process between the client and descriptors 0 and 1. Raises NotStarted.

    login_timeout_s: for the handshake. stls: the client waits for the reply to STLS. kept: KEEPER_FD is the listener's keeper.
    header_s: the time for a proxy's header, which comes first; 0: there is none.
    """
    nobody = user()
    deadline = time.monotonic() + login_timeout_s
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    reading, writing = os.pipe()
    asked = (os.getpid(), max(1, int(login_timeout_s)), stls, header_s)
    fds = (0, theirs.fileno(), writing)
    kept = kept and _ask_keeper(asked, fds)
    if not kept:
        _fork(settings, tls, nobody, asked, fds)
    theirs.close()
    os.close(writing)
    answer = _answer(reading, min(login_timeout_s / 2, KEEPER_ANSWER_S) if kept else login_timeout_s)
    if answer[:1] != READY:
        # Closed before anything else: a process that comes too late ends, without a word to the client.
        os.close(reading)
        ours.close()
        if kept and not answer:
            log.write(log.ERROR, "The keeper of the TLS key does not answer")
            return start(settings, tls, deadline - time.monotonic(), stls, False, header_s)
        raise NotStarted(f"TLS is not possible: {answer[1:].decode('utf-8', 'replace') or 'its process does not answer'}")
    for fd in (0, 1):
        os.dup2(ours.fileno(), fd)
    ours.close()
    return Channel(reading, answer[1:])


def _answer(reading: int, timeout_s: float) -> bytes:
    """What the TLS process writes first; nothing if it is late, or has ended."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    return os.read(reading, TLS_REPORT_OCTETS) if poll.poll(max(0.0, timeout_s) * 1000) else b""


def user() -> "pwd.struct_passwd":
    """The account of TLS processes. Raises NotStarted."""
    account = accounts.find(TLS_USER.encode())
    if account is None or account.pw_uid == 0 or account.pw_gid == 0:
        raise NotStarted(f"User {TLS_USER} is missing, or has uid 0 or group 0")
    return account


def encode(asked: "Asked") -> bytes:
    """What the keeper is asked: the session's process id, the seconds for the handshake, whether STLS is to be answered, and
    the seconds for a proxy's header."""
    return b"%d %d %d %d" % asked


def decode(message: bytes) -> "Asked":
    """The other way round. Raises ValueError."""
    pid, timeout_s, stls, header_s = map(int, message.split(b" "))
    asked = pid, timeout_s, bool(stls), header_s
    if encode(asked) != message:
        raise ValueError("a message to the keeper")
    return asked


def _ask_keeper(asked: "Asked", fds: tuple[int, int, int]) -> bool:
    """False: it is gone or has too much to do, and the session starts a TLS process of its own."""
    keeper = _socket.socket(fileno=KEEPER_FD)
    try:
        keeper.sendmsg([encode(asked)], process.rights(fds), _socket.MSG_DONTWAIT)
    except OSError:
        return False
    finally:
        keeper.detach()
    return True


def _fork(settings: "Settings", tls: "Tls", nobody: "pwd.struct_passwd", asked: "Asked", fds: tuple[int, int, int]) -> None:
    if os.fork():
        return
    try:
        from . import certificate

        try:
            context = certificate.context(settings)
        except certificate.Unusable as unusable:
            os.write(fds[2], FAULT + unusable.reason.encode("utf-8", "replace"))
            os._exit(1)
        become(context, tls, nobody, settings, lambda: (encode(asked), list(fds)))
    finally:
        os._exit(EX_SOFTWARE)


def become(context: "Any", tls: "Tls", nobody: "pwd.struct_passwd", settings: "Settings", take: "Take") -> "NoReturn":
    """Be a TLS process, for the question and descriptors (see FDS) that `take` waits for; others are closed."""
    status = EX_SOFTWARE
    answer = -1  # where root waits for READY, or FAULT and a reason
    try:
        run = tls()  # inside the chroot there is nothing to load
        if settings.proxies:
            from ..shared import proxy_reader
        # It ends with its session, and sends what that has said last: a service manager that ends a session's processes with
        # the session must not take that away.
        for number in (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT):
            _signal.signal(number, _signal.SIG_IGN)
        _signal.alarm(0)
        libc.set_name(process_name.encode("", 0))
        log.stop()
        sandbox.prepare()
        privileges.confine(nobody.pw_uid, nobody.pw_gid, CHROOT, TLS_OCTETS, descriptors=_WAITING_DESCRIPTORS)
        message, fds = take()
        answer = fds[-1]
        pid, handshake_timeout_s, stls, header_s = decode(message)
        libc.set_name(process_name.encode("", pid))
        for fd, copy in enumerate([os.dup(fd) for fd in fds]):
            os.dup2(copy, fd)
        answer = 2
        process.close_from(FDS)
        privileges.no_more_descriptors(2)
        sandbox.tls()
        os.write(2, READY)
        if stls:
            os.write(0, replies.TLS_STARTS)
        answer = -1

        def report(text: str) -> None:
            if not text.startswith("!"):
                libc.set_name(process_name.encode(text.partition(" ")[0], pid))
            try:
                os.write(2, text.encode())
            except OSError:
                pass  # the session has ended
            os.close(2)

        meet = (lambda: proxy_reader.meet(0, 2, header_s)) if header_s else None
        run(context, settings.timeout_s, handshake_timeout_s, report, meet)
        status = 0
    except BrokenPipeError:
        pass
    except (OSError, sandbox.NotConfined) as error:
        if answer >= 0:
            reason = log.reason(error) if isinstance(error, OSError) else error.reason
            os.write(answer, FAULT + reason.encode())
    finally:
        os._exit(status)
