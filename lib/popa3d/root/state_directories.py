"""The users' state directories: for the journals of updates and the kept index. A session can do without.

Runs as: root, before it becomes the mailbox owner.
Trusts: nobody's directory but its own; it never looks into a user's.
"""

import _stat as stat
import errno
import posix as os  # as os, without its start-up time


def prepare(state: str, uid: int, gid: int) -> str:
    """The path of the directory of user `uid` in `state`: the user's own, mode 0700, and made if missing. Raises OSError.

    `state` must be root's and writable by nobody else, so nobody else can have put anything there.
    """
    if _make(state, 0o711):
        os.chmod(state, 0o711)
    check(state, 0)
    path = f"{state}/{uid}"
    if _make(path, 0o700):
        _sync(state)  # so that a crash cannot lose the directory that holds a journal
        _sync(state.rpartition("/")[0] or "/")
    status = os.lstat(path)
    if status.st_uid == 0 and stat.S_ISDIR(status.st_mode):  # new, or left by a process that ended before the next line
        os.chown(path, uid, gid, follow_symlinks=False)
    check(path, uid)
    return path


def _make(path: str, mode: int) -> bool:
    """Make a directory; False if something is there already. Raises OSError."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return False
    except PermissionError as error:
        # An NFS server to which root is nobody says so before it looks whether there is one.
        try:
            os.lstat(path)
        except OSError:
            raise error from None
        return False
    return True


def _sync(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check(path: str, uid: int) -> None:
    """Raise PermissionError unless `path` is a directory of user `uid` that nobody else can write."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o022:
        raise PermissionError(errno.EPERM, f"not a directory of user {uid} that nobody else can write", path)
