"""The owner's state directory: which files a mailbox has there, and the only opening of them.

What is there is no better than the mailbox: the owner can write anything into it. Nothing in it is needed to serve mail.

Runs as: the mailbox owner.
Trusts: nobody; a directory or a file that others could have written is not used.
"""

import _md5
import _stat as stat
import errno
import posix as os  # as os, without its start-up time
import sys

TYPE_CHECKING = False  # the typing module would cost start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable

_NOT_OURS = "not a file of the owner's alone"
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class State:
    """The directory, as far as one mailbox is concerned. `why`: why it cannot be used, for the log; or empty.

    Files are named after the owner, for people, and a digest of the mailbox's path, since a user may have several.
    """

    def __init__(self, directory: bytes, owner: bytes, path: bytes) -> None:
        """Open it. An empty `directory` means that there is none. Raises OSError if there is one that cannot be looked at.

        Then the mailbox may be in pieces, and is better not served.
        """
        self.why = ""
        self._name = b"%s-%s" % (owner, _md5.md5(path).hexdigest()[:16].encode())
        self._fd = -1
        try:
            if not directory:
                raise FileNotFoundError(2, "there is none")
            self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
        except FileNotFoundError as error:
            self.why = f"state directory: {error.strerror}"
            return
        status = os.fstat(self._fd)
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise PermissionError(1, "the state directory must be the owner's, and nobody else may write it")

    def names(self, suffix: bytes) -> list[bytes]:
        """The names of this mailbox's files that go on with `suffix`."""
        if self.why:
            return []
        start = self._name + suffix
        names = [name.encode(sys.getfilesystemencoding(), "surrogateescape") for name in os.listdir(self._fd)]
        return [name for name in names if name.startswith(start)]

    def name(self, suffix: bytes) -> bytes:
        """The name of this mailbox's file with that suffix."""
        return self._name + suffix

    def has_journal(self) -> bool:
        """Whether an update was begun and not finished."""
        return bool(self.names(b".journal"))

    def open(self, name: bytes) -> int:
        """A descriptor for reading and writing a file that is there. Raises OSError, also for one that is not ours alone."""
        try:
            fd = os.open(name, os.O_RDWR | _FLAGS, dir_fd=self._fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise PermissionError(1, _NOT_OURS) from None
            raise
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            os.close(fd)
            raise PermissionError(1, _NOT_OURS)
        return fd

    def create(self, name: bytes) -> int:
        """A descriptor for a new file, which replaces nothing: what has that name is removed. Raises OSError."""
        if self.why:
            raise FileNotFoundError(2, self.why)
        self.remove([name])
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self._fd)

    def rename(self, old: bytes, new: bytes) -> None:
        """Rename a file, over what has the new name. Raises OSError."""
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, names: "Iterable[bytes]") -> None:
        """Remove files; those that are not there are no error. Raises OSError.

        A directory, which only the owner's hand can have made, must not be in the way for ever: what is in it stays.
        """
        for name in names:
            try:
                os.unlink(name, dir_fd=self._fd)
            except FileNotFoundError:
                pass
            except IsADirectoryError:
                self._remove_directory(name)

    def _remove_directory(self, name: bytes) -> None:
        """Remove an empty directory; give another one a name that is no file's of ours. Raises OSError."""
        try:
            os.rmdir(name, dir_fd=self._fd)
        except OSError:
            aside = self.name(b".aside-%s" % os.urandom(8).hex().encode())
            os.rename(name, aside, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def sync(self) -> None:
        """See the names on the disk."""
        os.fsync(self._fd)
