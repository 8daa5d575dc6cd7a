"""The owner's state directory: which files a mailbox has there, and the only code that opens them.

Its contents are trusted no more than the mailbox: the owner can write anything into it. Nothing in it is needed to serve mail.

Runs as: the mailbox owner.
Trusts: nobody; a directory or a file that others can write is not used.
"""

import _md5
import _stat as stat
import errno
import posix as os  # as os, without its start-up time
import sys

from ...shared.limits import STATE_NAME_OCTETS
from . import Refused

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable

# The map of old unique-ids (kept_map.py), and the one that is true after the update that was begun.
ID_MAP, NEXT_ID_MAP = b".ids", b".ids-next"

_NOT_OURS = "not a file of the owner's alone"
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class State:
    """The part of the state directory that belongs to one mailbox. is_missing: there is no such directory.

    has_id_map: when it was last looked for a journal, there was a map of old unique-ids. So those who have none, which most
    have not, pay nothing for it.

    Files are named after the owner, for people and popa3d-recover, and a digest of the mailbox's path, since a user may have
    several.
    """

    def __init__(self, directory: bytes, owner: bytes, path: bytes) -> None:
        """Open it for the mailbox `path`. An empty `directory` means that there is none.

        Raises Refused or OSError if it is there but cannot be used. It may then hold the journal of an unfinished update, so
        the mailbox must not be served.
        """
        self.is_missing = not directory
        self.has_id_map = False
        self._reason = "state directory: there is none" if self.is_missing else ""
        self._name = b"%s-%s" % (owner[:STATE_NAME_OCTETS], _md5.md5(path).hexdigest()[:16].encode())
        self._fd = -1
        if self.is_missing:
            return
        try:
            self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
        except FileNotFoundError as error:
            self.is_missing = True
            self._reason = f"state directory: {error.strerror}"
            return
        status = os.fstat(self._fd)
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise Refused("the state directory must be the owner's, and nobody else may write it")

    def names(self, suffix: bytes) -> list[bytes]:
        """The names of this mailbox's files whose suffixes begin with `suffix`."""
        if self.is_missing:
            return []
        start = self._name + suffix
        names = [name.encode(sys.getfilesystemencoding(), "surrogateescape") for name in os.listdir(self._fd)]
        return [name for name in names if name.startswith(start)]

    def name(self, suffix: bytes) -> bytes:
        """The name of this mailbox's file with that suffix."""
        return self._name + suffix

    def has_journal(self) -> bool:
        """Whether there is the journal of an update that was begun and not finished. Also sets `has_id_map`."""
        names = self.names(b"")
        self.has_id_map = self.name(ID_MAP) in names or self.name(NEXT_ID_MAP) in names
        journal = self.name(b".journal")
        return any(name.startswith(journal) for name in names)

    def open(self, name: bytes) -> int:
        """A descriptor for reading and writing an existing file. Raises OSError: PermissionError if others can write it, too."""
        try:
            fd = os.open(name, os.O_RDWR | _FLAGS, dir_fd=self._fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise PermissionError(errno.EPERM, _NOT_OURS) from None
            raise
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            os.close(fd)
            raise PermissionError(errno.EPERM, _NOT_OURS)
        return fd

    def create(self, name: bytes) -> int:
        """A descriptor for a new file; an older one of that name is removed, never overwritten. Raises OSError."""
        if self.is_missing:
            raise FileNotFoundError(errno.ENOENT, self._reason)
        self.remove([name])
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self._fd)

    def rename(self, old: bytes, new: bytes) -> None:
        """Rename a file, replacing one with the new name. Raises OSError."""
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, names: "Iterable[bytes]") -> None:
        """Remove files; one that is not there is no error. Raises OSError.

        A directory of such a name, which only the owner can have made, must not be in the way for ever; its contents are kept.
        """
        for name in names:
            try:
                os.unlink(name, dir_fd=self._fd)
            except FileNotFoundError:
                pass
            except IsADirectoryError:
                self._remove_directory(name)

    def _remove_directory(self, name: bytes) -> None:
        """Remove an empty directory; rename another one, to a name that no file of ours has. Raises OSError."""
        try:
            os.rmdir(name, dir_fd=self._fd)
        except OSError:
            aside = self.name(b".aside-%s" % os.urandom(8).hex().encode())
            os.rename(name, aside, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def undo(self, names: "Iterable[bytes]") -> None:
        """Remove files that were just made, and see that on the disk. Errors are ignored: the one that led here is reported."""
        try:
            self.remove(names)
            self.sync()
        except OSError:
            pass

    def sync(self) -> None:
        """Return when the disk has the names. Raises OSError."""
        os.fsync(self._fd)
