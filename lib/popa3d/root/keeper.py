"""The key's keeper, a process beside the listener: it holds certificate and key, and forks TLS processes, which wait.

So neither the listener nor the sessions that it forks have the key in their memory.

Runs as: root, only with -D.
Trusts: the administrator, and root's processes, which alone can ask; it reads nothing of a client.
"""

import _signal
import _socket
import posix as os  # as os, without its start-up time
import select

from ..shared import EX_SOFTWARE, Failure, log, process_name
from ..shared.tls_limits import KEEPER_ANSWER_S, TLS_REPORT_OCTETS
from . import channel, libc, privileges, process, sandbox
from .prefork import Prefork

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from typing import Any, NoReturn

    from ..shared.settings import Settings
    from .channel import Tls

_ASKING_FD, _ANSWER_FD = 3, 4  # the keeper's own, besides /dev/null


class NotStarted(Failure):
    """There is no keeper: the certificate or the key cannot be used."""


class Keeper:
    """The process, as the listener sees it. fd: the socket on which sessions ask it."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self.fd = fd

    def close(self) -> None:
        """The listener asks it no more. It ends when no session can ask it either."""
        os.close(self.fd)

    def end(self) -> None:
        """The same of one that no session knows: wait until it has ended."""
        self.close()
        os.waitpid(self.pid, 0)


def start(settings: "Settings", tls: "Tls", warn: "Any", spare: int) -> Keeper:
    """A new keeper, with the pair of the settings. Raises NotStarted.

    warn: gets a line about a certificate that has expired. spare: so many TLS processes wait.
    """
    pair: tuple[_socket.socket, ...] = ()
    ends: tuple[int, ...] = ()
    try:
        ours, theirs = pair = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        reading, writing = ends = os.pipe()
        pid = os.fork()
    except OSError as error:
        for one in pair:
            one.close()
        for end in ends:
            os.close(end)
        raise NotStarted(f"The keeper of the TLS key cannot be started: {error.strerror}") from None
    if not pid:
        _be(settings, tls, spare, theirs.detach(), writing)
    theirs.close()
    os.close(writing)
    try:
        if not select.select([reading], [], [], KEEPER_ANSWER_S)[0]:
            os.kill(pid, _signal.SIGKILL)
            ours.close()
            raise NotStarted("The keeper of the TLS key does not answer")
        answer = os.read(reading, 8 * TLS_REPORT_OCTETS).decode("utf-8", "replace")
    finally:
        os.close(reading)
    if not answer.startswith("+"):
        ours.close()
        raise NotStarted(answer[1:] or "The keeper of the TLS key has ended")
    if answer[1:]:
        warn(answer[1:])
    return Keeper(pid, ours.detach())


def prepare(settings: "Settings") -> "tuple[Any, pwd.struct_passwd, str]":
    """What TLS processes need: a context and their account; and what is to be said of the pair, which mostly is nothing.

    Raises certificate.Unusable or channel.NotStarted.
    """
    from . import certificate  # it loads OpenSSL, which the listener must not have

    nobody = channel.user()
    context = certificate.context(settings)
    expired = certificate.valid_s(settings) < 0
    return context, nobody, f"tls.certificate: {settings.certificate} has expired" if expired else ""


def _be(settings: "Settings", tls: "Tls", spare: int, fd: int, writing: int) -> "NoReturn":
    """The process: answer the listener, then those that ask, until nobody can."""
    try:
        libc.set_name(process_name.KEEPER)  # for the census it is no listener
        os.setsid()  # Ctrl-C on the listener's terminal is the listener's
        for number in (_signal.SIGHUP, _signal.SIGINT):
            _signal.signal(number, _signal.SIG_IGN)
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        copies = [process.copy_above(_ANSWER_FD, one) for one in (fd, writing)]
        process.send_to_null(*(0, 1) if log.target() != log.SYSTEM else (0, 1, 2))
        log.stop()
        for copy, own in zip(copies, (_ASKING_FD, _ANSWER_FD), strict=True):
            os.dup2(copy, own)
        process.close_from(_ANSWER_FD + 1)  # the listener's sockets above all, which must not stay open when it ends
        log.start()
        try:
            context, nobody, warning = prepare(settings)
        except Failure as failure:
            os.write(_ANSWER_FD, b"!" + failure.reason.encode("utf-8", "replace"))
            os._exit(1)
        tls()
        if settings.proxies:
            from ..shared import proxy_reader  # noqa: F401 - for the TLS processes
        processes = Prefork(
            _ASKING_FD,
            spare,
            TLS_REPORT_OCTETS,
            channel.FDS,
            lambda take: channel.become(context, tls, nobody, settings, take),
            lambda error: log.write(log.WARNING, f"Cannot start a TLS process: {log.reason(error)}"),
        )
        privileges.keep_identity_alone(and_chroot=True)
        sandbox.keeper()
        os.write(_ANSWER_FD, b"+" + warning.encode("utf-8", "replace"))
        os.close(_ANSWER_FD)
        processes.run()
    except BaseException as error:
        log.crash(error)
        os._exit(EX_SOFTWARE)
    os._exit(0)
