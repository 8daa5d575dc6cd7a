"""Who has logged in: the pre-auth child's record and PAM's answer, to an account that may have a session.

Loaded while the client types (see sequence.serve).

Runs as: root.
Trusts: PAM, the name services and the administrator; of the record nothing that was not checked.
"""

import _signal  # the standard library's signal module imports enum, at a quarter of a session's start-up time
import posix as os  # as os, without its start-up time

from ..shared import log, record, replies
from ..shared.limits import NO_ACCOUNT, PAM_TIMEOUT_S
from . import accounts, handover, privileges, process
from .ending import End
from .pam import answer, service_file

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    import pwd

    from ..shared.settings import Settings
    from .pam.adapter import Pam
    from .peer import Peer

# What the log and the client are told of an account that may not log in though the password was right. No reason: PAM's code.
_REFUSED = {
    answer.PASSWORD_EXPIRED: ("the password has expired", replies.PASSWORD_EXPIRED),
    answer.ACCOUNT_EXPIRED: ("the account has expired", replies.ACCOUNT_EXPIRED),
    answer.CLOSED: ("", replies.CLOSED),
}


def load_pam() -> "Pam | None":
    """PAM, ready to be asked; None (logged) if it cannot be had. Nobody can look into this process afterwards."""
    try:
        from .pam.adapter import Pam  # may be missing

        return Pam()
    except Exception as error:
        log.write(log.ERROR, f"python-pam cannot be used: {error}")
        return None
    finally:
        privileges.undumpable()


def log_in(
    pam: "Pam | None", data: bytes, peer: "Peer", settings: "Settings", offered: bool
) -> "tuple[pwd.struct_passwd, bytes]":
    """The account that has logged in with the record `data`, and what its client sent ahead. Raises End for all else.

    offered: whether the pre-auth child may take a login, as far as TLS is concerned (see capabilities.Offer).
    From here on an alarm bounds the time that PAM and the name services take.
    """
    login = _login(data, peer, offered)
    if pam is None:
        raise End("Authentication is impossible without PAM", replies.MISCONFIGURED)
    try:
        service_file.check()
    except service_file.Insufficient as insufficient:
        raise End(insufficient.reason, replies.MISCONFIGURED) from None
    _signal.alarm(PAM_TIMEOUT_S)  # until the exec
    owner = _authenticated(pam, login, peer, settings)
    if not handover.serves(owner):
        reason = "the account has group 0 or a name that is no file name"
        raise End(f"Login refused for {owner.pw_name}{peer.origin}: {reason}", replies.NOT_SERVED, log.NOTICE)
    return owner, login.ahead


def _login(data: bytes, peer: "Peer", offered: bool) -> record.Login:
    """The Login in a record. Raises End if it is another record, or none."""
    if data == record.LEFT:
        raise End("" if peer.is_proxy else "Didn't attempt authentication", priority=log.INFO)
    if data == record.EXPIRED:
        raise End("Connection timed out", priority=log.INFO)
    if data == record.TOO_MANY:
        raise End(f"Too many commands without a login{peer.origin}", priority=log.NOTICE)
    if data == record.INJECTED:
        raise End(f"Octets behind STLS{peer.origin}", priority=log.NOTICE)
    if data == record.NOT_ANOTHER:
        raise End(f"Login as another user refused{peer.origin}", priority=log.NOTICE)
    login = record.decode_login(data)
    if login is None:
        raise End("The pre-auth child wrote a malformed record")
    if not offered:
        raise End("The pre-auth child wrote a login that needs TLS", replies.TLS_IS_NEEDED)
    return login


def _authenticated(pam: "Pam", login: record.Login, peer: "Peer", settings: "Settings") -> "pwd.struct_passwd":
    """The account that PAM lets in; it may be another one than was claimed. Raises End for all others, and for root."""
    claimed = accounts.claimed(login.user, settings)
    user = login.user if claimed is None else process.encode(claimed.pw_name)  # the name services may have another spelling
    if claimed is None and user[:1] in (b"+", b"-"):
        user = NO_ACCOUNT.encode()  # pam_unix logs names that begin so, and no file of accounts may have them
    password = login.password
    if claimed is not None and claimed.pw_uid == 0:
        # Root is refused in any case. PAM gets a password that is surely wrong, so that time does not tell whether this was.
        password = os.urandom(16).hex().encode()
    said = pam.authenticate(user, password, peer.address.encode())
    owner = None if said.user is None else accounts.find(said.user)
    # A name that is no account is not logged: it may well be a password.
    name = "UNKNOWN USER" if claimed is None else claimed.pw_name
    if said.verdict == answer.FAILED or (said.user is not None and (owner is None or owner.pw_uid == 0)):
        raise End(f"Authentication failed for {name}{peer.origin}", replies.LOGIN_FAILED, log.NOTICE)
    if owner is None:
        raise _refusal(said, name, peer)
    if said.verdict != answer.PASSED:
        raise _refusal(said, owner.pw_name, peer)
    return owner


def _refusal(said: answer.Answer, name: str, peer: "Peer") -> End:
    """How a login ends that is refused for another reason than its password. name: the account's, or what stands for none."""
    if said.verdict in _REFUSED:
        reason, reply = _REFUSED[said.verdict]
        return End(f"Login refused for {name}{peer.origin}: {reason or said.reason}", reply, log.NOTICE)
    reply = replies.UNAVAILABLE if said.verdict == answer.UNAVAILABLE else replies.LOGIN_FAILED
    return End(f"PAM cannot decide about {name}{peer.origin}: {said.reason}", reply)
