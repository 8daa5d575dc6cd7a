"""Accounts: the one that owns nothing, and those that clients name.

The time of a look-up must not show whether an account exists. So the name services are loaded beforehand (`warm`), and a
look-up of the other kind follows each: of a missing account after one that exists, and the other way round. Services that
cache only some answers (sssd, nscd) may still show it.

Runs as: root.
Trusts: the name services and the file system; not a name that a client has sent.
"""

import _stat as stat
import posix as os  # as os, without its start-up time
import pwd

from ..shared import Failure
from ..shared.limits import CHROOT, NO_ACCOUNT, USER
from . import process


class Unsafe(Failure):
    """The account or the directory of the pre-auth child cannot be used."""


def find(name: bytes) -> "pwd.struct_passwd | None":
    """The account `name`, or None. Raises nothing for odd names."""
    try:
        return pwd.getpwnam(process.decode(name))
    except (KeyError, ValueError):
        return None


def claimed(name: bytes) -> "pwd.struct_passwd | None":
    """The account that a client claims, or None. Either way there are a look-up that succeeds and one that fails."""
    account = find(name)
    find((USER if account is None else NO_ACCOUNT).encode())
    return account


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
    try:
        status = os.lstat(CHROOT)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise Unsafe(f"{CHROOT} must be a directory of root's that nobody else can write")
        if os.listdir(CHROOT):
            raise Unsafe(f"{CHROOT} must be empty")
    except OSError as error:
        raise Unsafe(f"{CHROOT}: {error.strerror}") from None
    return account
