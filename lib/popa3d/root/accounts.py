"""Accounts: the one that owns nothing, and those that clients name.

How long a look-up takes must not tell whether there is such an account. So what the name services load is loaded before
(`warm`), and whichever way a look-up ends, one of the other kind follows it. Services that keep some answers and not others
(sssd, nscd) may still tell.

Runs as: root.
Trusts: the name services and the file system; not a name that a client has sent.
"""

import _stat as stat
import posix as os  # as os, without its start-up time
import pwd

from ..shared.failure import Failure
from ..shared.limits import CHROOT, NO_ACCOUNT, USER
from . import process


class Unsafe(Failure):
    """The account or the directory of the pre-auth child cannot be used."""


def find(name: bytes) -> "pwd.struct_passwd | None":
    """The account `name`, or None."""
    try:
        return pwd.getpwnam(process.text(name))
    except (KeyError, ValueError):
        return None


def claimed(name: bytes) -> "pwd.struct_passwd | None":
    """The same for the name that a client claims."""
    account = find(name)
    find((USER if account is None else NO_ACCOUNT).encode())
    return account


def warm() -> None:
    """Have the name services loaded, all of which are asked for a name that none of them has."""
    find(NO_ACCOUNT.encode())


def nobody() -> "pwd.struct_passwd":
    """The account USER, with its chroot directory seen to be safe. Raises Unsafe."""
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
