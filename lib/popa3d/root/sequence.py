"""The sequence of one session, from the super-server's start to the mailbox owner's program.

Read `serve`: it is in the order of things, and each step that fails ends the process. The client's connection is
descriptors 0 and 1. Nothing here reads 0, and nothing is written on 1 before root is given up.

Runs as: root.
Trusts: the administrator, the kernel and PAM; nothing that comes through the pre-auth child's pipe unchecked.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import posix as os  # as os, without its start-up time
import select
import time

from ..shared import EX_SOFTWARE, log, record, replies
from ..shared.limits import CHROOT, KEEPER_FD, LOGIN_OCTETS, LOGINS_FD, RECORD_GRACE_S
from ..shared.settings import ALWAYS, LOCAL
from . import accounts, ending, privileges, process, sandbox
from .ending import End
from .peer import Peer

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable
    from typing import NoReturn

    from ..shared.census.counts import Counts
    from ..shared.settings import Settings
    from .channel import Channel, Tls

    Preauth = Callable[[], Callable[[int, float, float, tuple[bool, bool, bool], bytes, Callable[[], None]], None]]
    Count = Callable[[str], Counts]

_RECORD_FD = 3  # of the pre-auth child, besides 0 to 2


class Parts:
    """What a session is made of besides root's own modules.

    worker: the program (a path) that root's process becomes when the client has logged in. preauth, tls: load and return what
    the pre-auth child and the TLS process run (preauth.loop.run, tls.relay.run). count: the host's sessions
    (census.counts.count_sessions).
    """

    def __init__(self, worker: str, preauth: "Preauth", tls: "Tls", count: "Count") -> None:
        self.worker = worker
        self.preauth = preauth
        self.tls = tls
        self.count = count


class Accepted:
    """A connection that the listener has accepted and counted: LOGINS_FD waits for the login; keeps: KEEPER_FD is there."""

    def __init__(self, peer: Peer, keeps: bool) -> None:
        self.peer = peer
        self.keeps = keeps


def serve(parts: Parts, settings: "Settings", speaks_tls: bool, accepted: Accepted | None = None) -> "NoReturn":
    """Serve the client on descriptors 0 and 1. Never returns. speaks_tls: from the first octet."""
    passed = () if accepted is None else (LOGINS_FD, KEEPER_FD) if accepted.keeps else (LOGINS_FD,)
    try:
        log.choose_facility(settings.facility)
        process.secure(LOGINS_FD + len(passed))
        _signal.alarm(settings.login_timeout_s + 2 * RECORD_GRACE_S)  # for all that could hang: the log, name services
        started = time.monotonic()
        deadline = started + settings.login_timeout_s
        if settings.require and sandbox.missing():
            raise End(sandbox.insufficient())
        sandbox.prepare()
        peer = Peer.connected() if accepted is None else accepted.peer
        if accepted is None:
            _limit(parts.count, peer, settings)
        nobody = accounts.nobody()
        channel = _start_tls(parts, settings, deadline, False, KEEPER_FD in passed) if speaks_tls else None
        preauth = Preauthentication(parts.preauth, nobody, settings, deadline)
        preauth.start(_offer(settings, peer, speaks_tls), replies.GREETING)
        from . import authentication, handover  # the client is greeted, and types meanwhile

        locker = handover.start_locker(settings)
        log.write(log.INFO, f"Session from {peer.name}")
        pam = authentication.load_pam()
        accounts.warm()
        try:
            data = preauth.receive()
            if data == record.START_TLS and settings.certificate and channel is None:
                channel, data = _go_on_with_tls(parts, settings, deadline, KEEPER_FD in passed, preauth, peer)
            security = "" if channel is None else _security(channel, peer)
            *_, logins = _offer(settings, peer, channel is not None)
            owner, ahead = authentication.log_in(pam, data, peer, settings, logins)
            del data
            handed_over = handover.send(owner, peer.address, settings, ahead, locker, started_ms=int(started * 1000))
            if accepted is not None:
                _note_login()
            # Logged by root: the owner's other processes could end one of the owner's before the line was there.
            log.write(log.INFO, f"Authentication passed for {owner.pw_name}{peer.origin}{security}")
            privileges.become(owner.pw_uid, owner.pw_gid)
        except End as end:
            status = ending.refuse(end, nobody)
        except handover.NoMailbox as failure:
            status = ending.refuse(End(failure.reason, replies.MISCONFIGURED), nobody)
        else:
            _signal.alarm(0)
            try:
                handover.become(parts.worker, handed_over, locker)
            except handover.NotStarted as failure:
                status = ending.finish(End(failure.reason, replies.MISCONFIGURED))
    except End as end:
        status = ending.finish(end)
    except accounts.Unsafe as unsafe:
        status = ending.finish(End(unsafe.reason))
    except BaseException as error:
        log.crash(error)
        status = EX_SOFTWARE
    os._exit(status)


def _limit(count: "Count", peer: Peer, settings: "Settings") -> None:
    """Refuse one session too many (End), where the administrator has set limits for the host."""
    if not settings.sessions and not settings.sessions_per_source:
        return
    counts = count(peer.address)
    if settings.sessions_per_source and counts.unseen:
        sessions, them = ("1 session", "it") if counts.unseen == 1 else (f"{counts.unseen} sessions", "them")
        log.write(log.WARNING, f"{sessions} may not be looked at: sessions_per_source does not count {them}")
    if settings.sessions_per_source and peer.address and counts.of_source > settings.sessions_per_source:
        raise End(f"{peer.address}: per source limit reached", priority=log.WARNING)
    if settings.sessions and counts.total > settings.sessions:
        raise End(f"{peer.address or 'local'}: sessions limit reached", priority=log.WARNING)


def _offer(settings: "Settings", peer: Peer, has_tls: bool) -> tuple[bool, bool, bool]:
    """What the pre-auth child may offer: see capabilities.Offer. Without a certificate all is as if there were no TLS."""
    if not settings.certificate:
        return False, False, True
    plaintext = settings.plaintext_logins == ALWAYS or (settings.plaintext_logins == LOCAL and peer.is_local)
    return not has_tls, has_tls, has_tls or plaintext


def _start_tls(parts: Parts, settings: "Settings", deadline: float, stls: bool, keeps: bool) -> "Channel":
    """Let descriptors 0 and 1 be a TLS process's. Raises End. stls, keeps: see channel.start."""
    from . import channel  # few sessions need it

    try:
        return channel.start(settings, parts.tls, deadline - time.monotonic(), stls, keeps)
    except channel.NotStarted as failure:
        raise End(failure.reason) from None


def _go_on_with_tls(
    parts: Parts, settings: "Settings", deadline: float, keeps: bool, preauth: "Preauthentication", peer: Peer
) -> "tuple[Channel | None, bytes]":
    """STLS: what the client has said is forgotten with the pre-auth child that heard it, and another one goes on.

    The channel (None: there is no TLS, and the client is told so), and the record of the other one.
    """
    channel = None
    try:
        channel = _start_tls(parts, settings, deadline, True, keeps)
    except End as end:
        log.write(end.priority, end.reason)
    _, _, logins = _offer(settings, peer, channel is not None)
    preauth.start((False, channel is not None, logins), b"" if channel else replies.TLS_IS_NOT_POSSIBLE)
    return channel, preauth.receive()


def _security(channel: "Channel", peer: Peer) -> str:
    """What the log says of a login's TLS; a failed handshake is logged here."""
    session, failure = channel.outcome()
    if failure:
        log.write(log.INFO, f"TLS handshake failed{peer.origin}: {failure}")
    return f" with {session}" if session else ""


class Preauthentication:
    """The pre-auth child: one, or with STLS another one after it."""

    def __init__(self, load: "Preauth", nobody: "pwd.struct_passwd", settings: "Settings", deadline: float) -> None:
        self._load = load
        self._nobody = nobody
        self._timeout_s = settings.timeout_s
        self._deadline = deadline
        self._pid = self._pipe = -1

    def start(self, offer: tuple[bool, bool, bool], first: bytes) -> None:
        """Start a child. first: see preauth.loop.run."""
        self._pipe, writing = os.pipe()
        self._pid = os.fork()
        if self._pid:
            os.close(writing)
            return
        status = EX_SOFTWARE
        try:
            log.stop()
            if log.target() != log.SYSTEM:
                process.send_to_null(2)
            # The listener's pipe and the keeper, the TLS process's report and the locker are for root alone.
            os.dup2(writing, _RECORD_FD)
            process.close_from(_RECORD_FD + 1)
            run = self._load()  # inside the chroot there is nothing to load
            privileges.confine(self._nobody.pw_uid, self._nobody.pw_gid, CHROOT)
        except BaseException as error:
            log.crash(error)
            os._exit(status)
        try:  # here is no log any more
            left_s = max(0.0, self._deadline - time.monotonic())
            run(_RECORD_FD, self._timeout_s, left_s, offer, first, sandbox.preauth)
            status = 0
        finally:
            os._exit(status)

    def receive(self) -> bytes:
        """What the child writes, at most one octet more than a record may have. Raises End if it is late or says nothing.

        The child is gone afterwards.
        """
        deadline = self._deadline + RECORD_GRACE_S
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        data = b""
        late = False
        while len(data) <= record.LOGIN_RECORD_OCTETS:
            late = not poll.poll(max(0, deadline - time.monotonic()) * 1000)
            more = b"" if late else os.read(self._pipe, record.LOGIN_RECORD_OCTETS + 1 - len(data))
            if not more:
                break
            data += more
        os.close(self._pipe)
        os.kill(self._pid, _signal.SIGKILL)  # its work is done; one that was taken over must not live on
        _, status = os.waitpid(self._pid, 0)
        if late:
            raise End("The pre-auth child is late with its record")
        if not data and os.WIFSIGNALED(status) and os.WTERMSIG(status) == _signal.SIGSYS:
            raise End("The pre-auth child has made a system call that it may not make (the kernel's log says which)")
        if not data:
            raise End(f"The pre-auth child ended without a record (wait status {status:#x})")
        return data


def _note_login() -> None:
    """Tell the listener that the client has logged in. If the listener has ended, nobody counts sessions any more."""
    try:
        os.write(LOGINS_FD, os.getpid().to_bytes(LOGIN_OCTETS, "big"))
    except OSError:
        pass
