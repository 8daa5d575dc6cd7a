"""Whether the host's directories are as the settings need them. Loaded with a configuration file, with -D, and for dot-locks.

Runs as: root, before anything is read of the client.
Trusts: the administrator and the file system.
"""

import _stat as stat
import posix as os  # as os, without its start-up time

from ..shared import Failure
from ..shared.limits import CHROOT

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..shared.settings import Settings

ROOT_ONLY = 0  # of locker_group: only root can make files in the spool


class Unfit(Failure):
    """The host does not have what the configuration file says; the reason names file and key."""


def check(settings: "Settings", name: str) -> None:
    """Raise Unfit if popa3d could not work with the directories of configuration file `name`.

    A directory that is missing is none of popa3d's business yet: it may be mounted later.
    """
    for _key, reason in faults(settings):
        raise Unfit(f"{name}: {reason}")


def faults(settings: "Settings") -> "Iterator[tuple[str, str]]":
    """Why popa3d could not work with the directories of the settings: (key, reason), which begins with the key."""
    for key, path in (("spool", settings.spool), ("state", settings.state)):
        if not _is_directory_or_missing(path):
            yield f"mailbox.{key}", f"mailbox.{key}: {path} is not a directory"
        elif _is_below(path, CHROOT):
            yield f"mailbox.{key}", f"mailbox.{key} must not be in {CHROOT}, which has to stay empty"
    if locker_group(settings) == ROOT_ONLY:
        yield (
            "mailbox.locks",
            f"mailbox.locks: nobody but root can make a dot-lock in {settings.spool}; its group must be able to "
            "write it and be another one than root's (mode 2775), or everybody (mode 1777)",
        )


def locker_group(settings: "Settings") -> int | None:
    """The group with which root/locker.py makes dot-locks; None if it need not: sessions can, or none are made.

    ROOT_ONLY if neither can. Sessions have their owner's primary group only.
    """
    if "dotlock" not in settings.locks or settings.home_file:
        return None
    try:
        status = os.stat(settings.spool)
    except OSError:
        return None  # the session will say what is wrong
    if status.st_mode & stat.S_IWOTH:
        return None
    return status.st_gid if status.st_mode & stat.S_IWGRP else ROOT_ONLY


def spool_is_read_only(settings: "Settings") -> bool:
    """Whether the mailboxes are in a spool on a file system that can only be read. A spool that is missing is not."""
    try:
        return not settings.home_file and bool(os.statvfs(settings.spool).f_flag & os.ST_RDONLY)
    except OSError:
        return False  # sessions will say that it is missing


def _is_directory_or_missing(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return True


def _is_below(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or in it, by way of symbolic links, too."""
    while path:
        if _is_same(path, directory):
            return True
        path = path.rpartition("/")[0]
    return False


def _is_same(path: str, other: str) -> bool:
    try:
        status, others = os.stat(path), os.stat(other)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (others.st_dev, others.st_ino)
