"""Accounts: the one that owns nothing, and those that clients name.

The time of a look-up must not show whether an account exists. So the name services are loaded beforehand (`warm`), each
form of a name is looked up even if an earlier one was found, and a look-up of the other kind follows each: of a missing
account after one that exists, and the other way round. Services that cache only some answers (sssd, nscd) may still show it.

Runs as: root.
Trusts: the name services and the file system; not a name that a client has sent.
"""

import _stat as stat
import posix as os  # as os, without its start-up time
import pwd

from ..shared import Failure
from ..shared.limits import CHROOT, NO_ACCOUNT, USER
from ..shared.settings import ANY_DOMAIN
from . import process

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from ..shared.settings import Settings


class Unsafe(Failure):
    """The account or the directory of the pre-auth child cannot be used."""


def find(name: bytes) -> "pwd.struct_passwd | None":
    """The account `name`, or None. Raises nothing for odd names."""
    try:
        return pwd.getpwnam(process.decode(name))
    except (KeyError, ValueError):
        return None


def claimed(name: bytes, settings: "Settings") -> "pwd.struct_passwd | None":
    """The account that a client claims: the first of the forms of `name` that there is, or None.

    For each form there are a look-up that succeeds and one that fails.
    """
    first = None
    for form in _forms(name, settings):
        account = find(form)
        find((USER if account is None else NO_ACCOUNT).encode())
        if first is None:
            first = account
    return first


def _forms(name: bytes, settings: "Settings") -> list[bytes]:
    """What a name may mean, each once: itself, then in lower case, then both without a domain that belongs here.

    They depend on the name and the settings alone. Upper case is that of ASCII.
    """
    names = [name]
    user, _, domain = name.rpartition(b"@")
    domains = [known.lower().encode() for known in settings.domains]
    if user and domain and (ANY_DOMAIN.encode() in domains or domain.lower() in domains):
        names.append(user)
    if settings.lower_case:
        names = [form for each in names for form in (each, each.lower())]
    return list(dict.fromkeys(names))


def warm() -> None:
    """Load the name services: all are asked for a name that none of them has."""
    find(NO_ACCOUNT.encode())


def nobody() -> "pwd.struct_passwd":
    """The account USER. Raises Unsafe if there is none, if it has anything of root's, or if its chroot directory is not safe."""
    account = find(USER.encode())
    if account is None:
        raise Unsafe(f'getpwnam("{USER}"): no such user')
    if account.pw_uid == 0 or account.pw_gid == 0:
        raise Unsafe(f"User {USER} must not have uid 0 or group 0")
    check_chroot()
    return account


def check_chroot() -> None:
    """Raise Unsafe unless the chroot directory is root's, writable by nobody else, and empty."""
    try:
        status = os.lstat(CHROOT)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise Unsafe(f"{CHROOT} must be a directory of root's that nobody else can write")
        if os.listdir(CHROOT):
            raise Unsafe(f"{CHROOT} must be empty")
    except OSError as error:
        raise Unsafe(f"{CHROOT}: {error.strerror}") from None
