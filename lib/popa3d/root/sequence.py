"""The sequence of one session, from the super-server's start to the mailbox owner's program.

Read `main`: it is in the order of things, and each step that fails ends the process. The client's connection is
descriptors 0 and 1; nothing here reads 0, and no client is told anything on 1 before root is given up.

Runs as: root.
Trusts: the administrator, the kernel and PAM; nothing that comes through the pre-auth child's pipe unchecked.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import posix as os  # as os, without its start-up time
import select
import sys
import time

from ..shared import arguments, log, record, replies
from ..shared.limits import CHROOT, LOGIN_OCTETS, LOGINS_FD, PAM_TIMEOUT_S, RECORD_GRACE_S
from . import accounts, handover, options, peer, privileges, process
from .pam import service_file

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable
    from typing import NoReturn

    from ..shared.settings import Settings
    from .pam.adapter import Pam

    Preauth = Callable[[], Callable[[int, int, int], None]]  # returns preauth.loop.run
    Serve = Callable[[Settings, str], NoReturn]
    Daemon = Callable[[Settings, str, bool, Callable[[], Settings | str], Serve], NoReturn]  # listen.daemon.run
    Count = Callable[[str], tuple[int, int, int]]

_EX_SOFTWARE = 70  # sysexits.h: an internal error


class _End(Exception):
    """The session ends here: `text` is logged, and the client reads `reply`, if any."""

    def __init__(self, text: str, reply: bytes = b"", priority: int = log.ERROR) -> None:
        super().__init__(text)
        self.text = text
        self.reply = reply
        self.priority = priority


def main(worker: str, preauth: "Preauth", daemon: "Daemon", count: "Count") -> "NoReturn":
    """Do what the command line asks for: serve the client on descriptors 0 and 1, or listen for many. Never returns.

    worker: the program (a path) that this process becomes when the client has logged in. preauth: loads and returns what
    the pre-auth child runs; that gets the pipe for its record, timeout_s and login_timeout_s. daemon: what listens (-D); see
    listen.daemon.run. count: how many sessions the host has, in all, from an address (this one included), and from unknown
    ones.
    """
    asked, settings = options.asked(sys.argv[1:])
    if asked.action == arguments.LISTEN:
        process.secure_daemon()
        if asked.file and not asked.file.startswith("/"):
            asked.file = f"{os.getcwd()}/{asked.file}"
        warning = options.warning(settings)
        if warning:
            log.write(log.WARNING, warning)
        accounts.warm()  # what costs time is loaded once, and forked
        preauth()
        _pam()

        def reload() -> "Settings | str":
            try:
                return options.read(asked.file)
            except options.Wrong as wrong:
                return str(wrong)

        def serve_accepted(settings: "Settings", address: str) -> "NoReturn":
            serve(worker, preauth, settings, None, peer.accepted(address))

        daemon(settings, asked.families, asked.foreground, reload, serve_accepted)
    serve(worker, preauth, settings, count)


def serve(
    worker: str, preauth: "Preauth", settings: "Settings", count: "Count | None", accepted: peer.Peer | None = None
) -> "NoReturn":
    """One session, as `main` says. accepted: the peer that the listener has accepted and counted; then `count` is None.

    The listener is told of the login: this process writes its id on LOGINS_FD.
    """
    status = 1
    try:
        process.secure(LOGINS_FD if accepted is None else LOGINS_FD + 1)
        _signal.alarm(settings.login_timeout_s + 2 * RECORD_GRACE_S)  # for all that could hang: the log, name services
        client = accepted or peer.connected()
        if count is not None:
            _limit(count, client.address, settings)
        nobody = accounts.nobody()
        pid, pipe = _fork(nobody, preauth, settings, accepted is not None)
        locker = handover.start_locker(settings)
        log.write(log.INFO, f"Session from {client.name}")
        pam = _pam()
        accounts.warm()
        try:
            got = _record(pid, pipe, settings)
            owner, ahead = _log_in(pam, got, client.address)
            del got
            told = _tell(owner, client.address, settings, ahead, locker)
            if accepted is not None:
                _note_login()
            # The owner could end the process before this line was there, if he were the owner already.
            log.write(log.INFO, f"Authentication passed for {owner.pw_name}{_from(client.address)}")
            privileges.become(owner.pw_uid, owner.pw_gid)
        except _End as end:
            status = _refuse(end, nobody)
        else:
            _signal.alarm(0)
            why = handover.become(worker, told, locker)
            status = _end(_End(f"{worker}: {why}", replies.UNAVAILABLE))
    except _End as end:
        status = _end(end)
    except accounts.Unsafe as why:
        status = _end(_End(str(why)))
    except BaseException as error:
        log.crash(error)
        status = _EX_SOFTWARE
    os._exit(status)


def _limit(count: "Count", who: str, settings: "Settings") -> None:
    """Refuse one session too many (_End), where the administrator has set limits for the host."""
    if not settings.sessions and not settings.sessions_per_source:
        return
    in_all, from_source, unseen = count(who)
    if settings.sessions_per_source and unseen:
        sessions, them = ("1 session", "it") if unseen == 1 else (f"{unseen} sessions", "them")
        log.write(log.WARNING, f"{sessions} may not be looked at: sessions_per_source does not count {them}")
    if settings.sessions_per_source and who and from_source > settings.sessions_per_source:
        raise _End(f"{who}: per source limit reached", priority=log.WARNING)
    if settings.sessions and in_all > settings.sessions:
        raise _End(f"{who or 'local'}: sessions limit reached", priority=log.WARNING)


def _fork(nobody: "pwd.struct_passwd", preauth: "Preauth", settings: "Settings", listened: bool) -> tuple[int, int]:
    """Start the pre-auth child; its pid, and the pipe its record will come through. listened: LOGINS_FD is open."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = _EX_SOFTWARE
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


def _pam() -> "Pam | None":
    """PAM, loaded while the client types; None (logged) if it cannot be had."""
    try:
        from .pam.adapter import Pam

        return Pam()
    except Exception as error:
        log.write(log.ERROR, f"python-pam cannot be used: {error}")
        return None
    finally:
        privileges.undumpable()


def _record(pid: int, pipe: int, settings: "Settings") -> bytes:
    """What the pre-auth child wrote, at most one octet more than a record may have. The child is gone afterwards."""
    end = time.monotonic() + settings.login_timeout_s + RECORD_GRACE_S
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    got = b""
    late = False
    while len(got) <= record.LOGIN_RECORD_OCTETS:
        late = not poll.poll(max(0, end - time.monotonic()) * 1000)
        more = b"" if late else os.read(pipe, record.LOGIN_RECORD_OCTETS + 1 - len(got))
        if not more:
            break
        got += more
    os.close(pipe)
    os.kill(pid, _signal.SIGKILL)  # it has nothing left to do; if it thinks otherwise, this ends it
    _, how = os.waitpid(pid, 0)
    if late:
        raise _End("The pre-auth child is late with its record")
    if not got:
        raise _End(f"The pre-auth child ended without a record (wait status {how:#x})")
    return got


def _log_in(pam: "Pam | None", got: bytes, who: str) -> tuple["pwd.struct_passwd", bytes]:
    """The account that logged in with the record `got`, and what its client sent ahead. Raises _End for all else."""
    if got == record.LEFT:
        raise _End("Didn't attempt authentication", priority=log.INFO)
    if got == record.EXPIRED:
        raise _End("Connection timed out", priority=log.INFO)
    if got == record.INVALID:
        raise _End(f"Too many invalid commands{_from(who)}", priority=log.NOTICE)
    login = record.decode_login(got)
    if login is None:
        raise _End("The pre-auth child wrote a malformed record")
    if pam is None:
        raise _End("Authentication is impossible without PAM", replies.UNAVAILABLE)
    fault = service_file.fault()
    if fault:
        raise _End(fault, replies.UNAVAILABLE)
    _signal.alarm(PAM_TIMEOUT_S)  # until the exec
    claimed = accounts.claimed(login.user)
    password = login.password
    if claimed is not None and claimed.pw_uid == 0:
        # Refused in any case; so that time does not tell whether it was right, PAM gets one that surely is not.
        password = os.urandom(16).hex().encode()
    name = pam.authenticate(login.user, password, who.encode())
    owner = None if name is None else accounts.find(name)
    if owner is None or owner.pw_uid == 0:
        # A name that is no account is not logged: it may well be a password.
        shown = "UNKNOWN USER" if claimed is None else claimed.pw_name
        raise _End(f"Authentication failed for {shown}{_from(who)}", replies.LOGIN_FAILED, log.NOTICE)
    if not handover.serves(owner):
        raise _End(f"Account {owner.pw_name} has group 0 or a name that is no file name", replies.UNAVAILABLE)
    return owner, login.ahead


def _from(who: str) -> str:
    return f" from {who}" if who else ""


def _tell(owner: "pwd.struct_passwd", who: str, settings: "Settings", ahead: bytes, locker: int) -> int:
    """A pipe with what the owner's program has to know. Raises _End."""
    try:
        return handover.tell(owner, who, settings, ahead, locker)
    except handover.Unusable as why:
        raise _End(str(why), replies.UNAVAILABLE) from None


def _note_login() -> None:
    """Tell the listener that the client has logged in. One that has ended counts no sessions any more."""
    try:
        os.write(LOGINS_FD, os.getpid().to_bytes(LOGIN_OCTETS, "big"))
    except OSError:
        pass


def _refuse(end: _End, nobody: "pwd.struct_passwd") -> int:
    """Log as root, answer as user popa3d: other processes of that user could end this one before it has logged."""
    _signal.alarm(RECORD_GRACE_S)
    log.write(end.priority, end.text)
    privileges.become(nobody.pw_uid, nobody.pw_gid)
    return _answer(end)


def _end(end: _End) -> int:
    """Log and say how the session ended; root is given up by now, unless nobody could be told anything."""
    _signal.alarm(RECORD_GRACE_S)  # for a log that is stuck, or a peer that does not read: then this is the end
    log.write(end.priority, end.text)
    return _answer(end)


def _answer(end: _End) -> int:
    """Say how the session ended; the exit status."""
    if end.reply:
        try:
            os.write(1, end.reply)
        except OSError:
            pass  # the peer has gone
    return 0 if end.priority != log.ERROR else 1
