"""The users' state directories: for the journal of an update, and what else makes a session better but is not needed.

Runs as: root, before it becomes the mailbox owner.
Trusts: nobody's directory but its own; it never looks into a user's.
"""

import _stat as stat
import posix as os  # as os, without its start-up time


def prepare(place: str, uid: int, gid: int) -> str:
    """The directory of user `uid` in `place`, made where it is missing: his own, mode 0700. Raises OSError.

    `place` itself is root's, and writable by nobody else: then nobody can have put anything there.
    """
    try:
        os.mkdir(place)
        os.chmod(place, 0o711)
    except FileExistsError:
        pass
    _check(place, 0)
    path = f"{place}/{uid}"
    try:
        os.mkdir(path, 0o700)
        _sync(place)  # a journal in there is worth nothing if its directory is gone after a crash
        _sync(place.rpartition("/")[0] or "/")
    except FileExistsError:
        pass
    status = os.lstat(path)
    if status.st_uid == 0 and stat.S_ISDIR(status.st_mode):  # just made, or by one that did not come further
        os.chown(path, uid, gid, follow_symlinks=False)
    _check(path, uid)
    return path


def _sync(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _check(path: str, uid: int) -> None:
    """Raise PermissionError unless `path` is a directory of user `uid` that nobody else can write."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o022:
        raise PermissionError(1, f"not a directory of user {uid} that nobody else can write", path)
