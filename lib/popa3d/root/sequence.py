"""The sequence of one session, from the super-server's start to the mailbox owner's program.

Read `serve`: it is in the order of things, and each step that fails ends the process. The client's connection is
descriptors 0 and 1. Nothing here reads 0, and nothing is written on 1 before root is given up.

Runs as: root.
Trusts: the administrator, the kernel and PAM; nothing that comes through the pre-auth child's pipe unchecked.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import posix as os  # as os, without its start-up time
import time

from ..shared import EX_SOFTWARE, log, record, replies
from ..shared.address import is_within
from ..shared.limits import PREAUTH_FD, RECORD_GRACE_S
from ..shared.settings import ALWAYS, LOCAL
from . import accounts, ending, privileges, process, sandbox
from .ending import End
from .peer import Peer
from .preauthentication import Preauthentication, order

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable
    from typing import NoReturn

    from ..shared.census.counts import Counts
    from ..shared.settings import Settings
    from .channel import Channel, Tls
    from .pam.adapter import Pam
    from .preauthentication import Preauth

    Count = Callable[[str], Counts]
    Open = Callable[[], tuple[str, bool, bool]]
    Admits = Callable[[str], bool]


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


class Door:
    """The listener's door, by which a session's client comes in. Only with -D; behind a super-server it is in already.

    nobody, pam: what accounts.nobody and authentication.load_pam have returned to the listener. keeps, starts: the keeper of
    the key, and the starter, can be asked (KEEPER_FD, STARTER_FD). waits: the client is still to come, and what takes time
    can be done before; waits is the descriptor for Preauthentication.prepare, or -1. open: waits for it, if need be; its
    numeric address, whether it speaks TLS from the first octet, and whether the pre-auth child has it already. Then it is
    descriptors 0 and 1, and counted. If it is not let in, `open` ends the process. admits: counts a client that has come through
    a proxy, by its numeric address; whether there may be another one from there.
    """

    def __init__(
        self,
        nobody: "pwd.struct_passwd",
        pam: "Pam | None",
        keeps: bool,
        starts: bool,
        waits: int,
        open_: "Open",
        admits: "Admits",
    ) -> None:
        self.nobody = nobody
        self.pam = pam
        self.keeps = keeps
        self.starts = starts
        self.waits = waits
        self.open = open_
        self.admits = admits


def serve(parts: Parts, settings: "Settings", speaks_tls: bool = False, door: Door | None = None) -> "NoReturn":
    """Serve the client on descriptors 0 and 1. Never returns. speaks_tls: from the first octet, without a door."""
    try:
        log.choose_facility(settings.facility)
        if door is None:
            process.secure()
        nobody = accounts.nobody() if door is None else door.nobody
        preauth = Preauthentication(parts.preauth, nobody, settings.timeout_s, bool(settings.proxies))
        if door is None:
            peer, is_greeted = Peer.connected(), False
        else:
            if door.waits >= 0:
                preauth.prepare(door.waits)  # before this process writes to pages that both have, and each would have to copy
            process.secure_forked(PREAUTH_FD + 1)
            address, speaks_tls, is_greeted = door.open()
            peer = Peer.accepted(address)
        _signal.alarm(settings.login_timeout_s + 2 * RECORD_GRACE_S)  # for all that could hang: the log, name services
        started = time.monotonic()
        deadline = started + settings.login_timeout_s
        if settings.require and sandbox.missing():
            raise End(sandbox.insufficient())
        sandbox.prepare()
        keeps = door is not None and door.keeps
        if settings.proxies and is_within(peer.address, settings.proxies):
            channel, peer = _meet_proxy(parts, settings, deadline, speaks_tls, door, preauth, peer)
        else:
            if door is None:
                _limit(parts.count, peer, settings)
            channel = _start_tls(parts, settings, deadline, False, keeps) if speaks_tls else None
            preauth.start(_offer(settings, peer, speaks_tls), deadline, replies.GREETING, is_greeted)
        from . import authentication, handover  # the client is greeted, and types meanwhile

        locker = handover.start_locker(settings)
        if not peer.is_proxy:
            log.write(log.INFO, f"Session from {peer.name}")
        if door is None:
            pam = authentication.load_pam()
            accounts.warm()
        else:
            pam = door.pam
        try:
            data = preauth.receive()
            if data == record.START_TLS and settings.certificate and channel is None:
                channel, data = _go_on_with_tls(parts, settings, deadline, keeps, preauth, peer)
            security = _security(channel, peer)
            *_, logins = _offer(settings, peer, channel is not None)
            owner, ahead = authentication.log_in(pam, data, peer, settings, logins)
            del data
            handed_over = handover.prepare(owner, peer.address, settings, ahead, locker >= 0, started_ms=int(started * 1000))
            if door is not None:
                from . import reports

                reports.logged_in(os.getpid(), os.getpid())
            # Logged by root: the owner's other processes could end one of the owner's before the line was there.
            log.write(log.INFO, f"Authentication passed for {owner.pw_name}{peer.origin}{security}")
            if door is not None and door.starts and handover.give_to_starter(handed_over, owner, locker, bool(peer.proxy)):
                os._exit(0)
            pipe = handover.pipe(handed_over, owner, locker)
            privileges.become(owner.pw_uid, owner.pw_gid)
        except End as end:
            status = ending.refuse(end, nobody)
        except handover.NoMailbox as failure:
            status = ending.refuse(End(failure.reason, replies.MISCONFIGURED), nobody)
        else:
            _signal.alarm(0)
            try:
                handover.become(parts.worker, handed_over, pipe, locker, bool(peer.proxy))
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


def greeting(settings: "Settings", address: str) -> bytes:
    """What the prepared pre-auth child of a session without TLS is told of a client, to greet it: preauthentication.order."""
    deadline = time.monotonic() + settings.login_timeout_s
    return order(_offer(settings, Peer.accepted(address), False), deadline, replies.GREETING)


def _limit(count: "Count", peer: Peer, settings: "Settings") -> None:
    """Refuse one session too many (End), where the administrator has set limits for the host."""
    if not settings.sessions and not settings.sessions_per_source:
        return
    counts = count(peer.address)
    if settings.sessions_per_source and counts.unseen:
        sessions, them = ("1 session", "it") if counts.unseen == 1 else (f"{counts.unseen} sessions", "them")
        log.write(log.WARNING, f"{sessions} may not be looked at: sessions_per_source does not count {them}")
    is_counted = peer.address and not peer.is_proxy
    if settings.sessions_per_source and is_counted and counts.of_source > settings.sessions_per_source:
        raise End(f"{peer.address}: per source limit reached", priority=log.WARNING)
    if settings.sessions and counts.total > settings.sessions:
        raise End(f"{peer.address or 'local'}: sessions limit reached", priority=log.WARNING)


def _offer(settings: "Settings", peer: Peer, has_tls: bool) -> tuple[bool, bool, bool]:
    """What the pre-auth child may offer: see capabilities.Offer. Without a certificate all is as if there were no TLS."""
    has_tls = has_tls or peer.has_tls
    if not settings.certificate:
        return False, has_tls, True
    plaintext = settings.plaintext_logins == ALWAYS or (settings.plaintext_logins == LOCAL and peer.is_local)
    return not has_tls, has_tls, has_tls or plaintext


def _meet_proxy(
    parts: Parts,
    settings: "Settings",
    deadline: float,
    speaks_tls: bool,
    door: Door | None,
    preauth: "Preauthentication",
    proxy: Peer,
) -> "tuple[Channel | None, Peer]":
    """Let a proxy say who its client is, and have that greeted. The TLS process, if there is one, and the client. Raises End."""
    from ..shared import client_note  # few hosts have proxies
    from . import proxied

    header_s = proxied.header_s(settings)
    channel = None
    if speaks_tls:
        channel = _start_tls(parts, settings, deadline, False, door is not None and door.keeps, header_s)
        peer = proxied.client(channel.report(header_s), proxy, settings)
    else:
        peer = proxied.client(preauth.meet_proxy(deadline, header_s), proxy, settings)
    client_note.leave(peer.address)  # by which sessions are counted, this one included
    if door is None:
        _limit(parts.count, peer, settings)
    elif not peer.is_proxy and not door.admits(peer.address):
        raise End()  # the listener logs that
    offer = _offer(settings, peer, speaks_tls)
    if channel is None:
        preauth.go_on(offer, replies.GREETING)
    else:
        preauth.start(offer, deadline, replies.GREETING)
    return channel, peer


def _start_tls(parts: Parts, settings: "Settings", deadline: float, stls: bool, keeps: bool, header_s: int = 0) -> "Channel":
    """Let descriptors 0 and 1 be a TLS process's. Raises End. stls, keeps, header_s: see channel.start."""
    from . import channel  # few sessions need it

    try:
        return channel.start(settings, parts.tls, deadline - time.monotonic(), stls, keeps, header_s)
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
    preauth.start((False, channel is not None, logins), deadline, b"" if channel else replies.TLS_IS_NOT_POSSIBLE)
    return channel, preauth.receive()


def _security(channel: "Channel | None", peer: Peer) -> str:
    """What the log says of a login's TLS; a failed handshake is logged here."""
    if channel is None:
        return " with TLS at the proxy" if peer.has_tls else ""
    session, failure = channel.outcome()
    if failure and not peer.is_proxy:
        log.write(log.INFO, f"TLS handshake failed{peer.origin}: {failure}")
    return f" with {session}" if session else ""
