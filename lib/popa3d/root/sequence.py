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
from ..shared.limits import CHROOT, LOGIN_OCTETS, LOGINS_FD, RECORD_GRACE_S
from . import accounts, ending, privileges, process
from .ending import End
from .peer import Peer

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable
    from typing import NoReturn

    from ..shared.census.counts import Counts
    from ..shared.settings import Settings

    Preauth = Callable[[], Callable[[int, int, int], None]]
    Count = Callable[[str], Counts]


def serve(
    worker: str, preauth: "Preauth", settings: "Settings", count: "Count | None", accepted: Peer | None = None
) -> "NoReturn":
    """Serve the client on descriptors 0 and 1. Never returns.

    worker: the program (a path) that this process becomes when the client has logged in. preauth: loads and returns what
    the pre-auth child runs (preauth.loop.run). count: the host's sessions (census.counts.count_sessions).
    accepted: the peer that the listener has accepted and counted; then `count` is None, and the login is noted on LOGINS_FD.
    """
    try:
        process.secure(LOGINS_FD if accepted is None else LOGINS_FD + 1)
        _signal.alarm(settings.login_timeout_s + 2 * RECORD_GRACE_S)  # for all that could hang: the log, name services
        peer = accepted or Peer.connected()
        if count is not None:
            _limit(count, peer, settings)
        nobody = accounts.nobody()
        child, pipe = _start_preauth(nobody, preauth, settings, accepted is not None)
        from . import authentication, handover  # the client is greeted, and types meanwhile

        locker = handover.start_locker(settings)
        log.write(log.INFO, f"Session from {peer.name}")
        pam = authentication.load_pam()
        accounts.warm()
        try:
            data = _receive(child, pipe, settings)
            owner, ahead = authentication.log_in(pam, data, peer, settings)
            del data
            handed_over = handover.send(owner, peer.address, settings, ahead, locker)
            if accepted is not None:
                _note_login()
            # Logged by root: the owner's other processes could end one of the owner's before the line was there.
            log.write(log.INFO, f"Authentication passed for {owner.pw_name}{peer.origin}")
            privileges.become(owner.pw_uid, owner.pw_gid)
        except End as end:
            status = ending.refuse(end, nobody)
        except handover.NoMailbox as failure:
            status = ending.refuse(End(failure.reason, replies.MISCONFIGURED), nobody)
        else:
            _signal.alarm(0)
            try:
                handover.become(worker, handed_over, locker)
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


def _start_preauth(nobody: "pwd.struct_passwd", preauth: "Preauth", settings: "Settings", listened: bool) -> tuple[int, int]:
    """Start the pre-auth child; its process id, and the pipe that its record comes through. listened: LOGINS_FD is open."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = EX_SOFTWARE
    try:
        os.close(reading)
        if listened:
            os.close(LOGINS_FD)  # only root says who has logged in
        run = preauth()  # inside the chroot there is nothing to load
        privileges.confine(nobody.pw_uid, nobody.pw_gid, CHROOT)
        log.stop()
        run(writing, settings.timeout_s, settings.login_timeout_s)
        status = 0
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(status)


def _receive(child: int, pipe: int, settings: "Settings") -> bytes:
    """What the pre-auth child writes, at most one octet more than a record may have. Raises End if it is late or says nothing.

    The child is gone afterwards.
    """
    deadline = time.monotonic() + settings.login_timeout_s + RECORD_GRACE_S
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    data = b""
    late = False
    while len(data) <= record.LOGIN_RECORD_OCTETS:
        late = not poll.poll(max(0, deadline - time.monotonic()) * 1000)
        more = b"" if late else os.read(pipe, record.LOGIN_RECORD_OCTETS + 1 - len(data))
        if not more:
            break
        data += more
    os.close(pipe)
    os.kill(child, _signal.SIGKILL)  # its work is done; one that was taken over must not live on
    _, status = os.waitpid(child, 0)
    if late:
        raise End("The pre-auth child is late with its record")
    if not data:
        raise End(f"The pre-auth child ended without a record (wait status {status:#x})")
    return data


def _note_login() -> None:
    """Tell the listener that the client has logged in. If the listener has ended, nobody counts sessions any more."""
    try:
        os.write(LOGINS_FD, os.getpid().to_bytes(LOGIN_OCTETS, "big"))
    except OSError:
        pass
