"""The command line, the administrator's file, and whether the host is as that says.

Runs as: root, before anything is read of the client.
Trusts: the administrator; the file only if nobody else can write it.
"""

import _stat as stat
import posix as os  # as os, without its start-up time

from .. import DATE, VERSION
from ..shared import arguments, log
from ..shared.limits import CHROOT, CONFIGURATION, CONFIGURATION_OCTETS
from ..shared.settings import Settings
from . import process


class Wrong(Exception):
    """popa3d cannot start with this configuration; the text is one line for the administrator."""


def asked(words: list[str]) -> tuple[arguments.Arguments, Settings]:
    """What the command line asks for, and the settings; what prints something and mistakes end the process here."""
    usage = ""
    try:
        found = arguments.parse(words)
        if found.action in (arguments.PRINT_HELP, arguments.PRINT_VERSION):
            text = arguments.HELP if found.action == arguments.PRINT_HELP else f"popa3d version {VERSION} ({DATE})"
            os.write(1, f"{text}\n".encode())
            os._exit(0)
        if os.getuid() != 0:
            raise Wrong("must be started by root")
        settings = read(found.file)
        if found.action == arguments.CHECK:
            os._exit(0)
        return found, settings
    except arguments.Wrong as wrong:
        text, usage = str(wrong), f"{arguments.USAGE}\n"
    except Wrong as wrong:
        text = str(wrong)
    log.start()
    log.write(log.ERROR, text)
    if not process.is_connection(2):
        os.write(2, f"popa3d: {text}\n{usage}".encode("utf-8", "replace"))
    os._exit(1)


def read(name: str) -> Settings:
    """The settings of file `name`; of CONFIGURATION if that is empty, or the defaults where there is none."""
    try:
        fd = os.open(name or CONFIGURATION, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        if not name:
            return Settings()
        raise Wrong(f"{name}: {error.strerror}") from None
    except OSError as error:
        raise Wrong(f"{name or CONFIGURATION}: {error.strerror}") from None
    name = name or CONFIGURATION
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Wrong(f"{name}: not a regular file")
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Wrong(f"{name}: must belong to root and be writable by root alone")
        if status.st_size > CONFIGURATION_OCTETS:
            raise Wrong(f"{name}: larger than {CONFIGURATION_OCTETS} octets")
        text = os.read(fd, CONFIGURATION_OCTETS)
    finally:
        os.close(fd)
    from . import configuration  # slow, and needed only here

    try:
        settings = configuration.settings(text, name)
    except configuration.Refused as error:
        raise Wrong(str(error)) from None
    _check_places(settings, name)
    if locker_group(settings) == 0:
        raise Wrong(
            f"{name}: mailbox.locks: nobody but root can make a dot-lock in {settings.spool}; its group must be able to "
            "write it and be another one than root's (mode 2775), or everybody (mode 1777)"
        )
    return settings


def _check_places(settings: Settings, name: str) -> None:
    """Raise Wrong for directories of the configuration that are something else. One that is missing may be mounted later."""
    for key, path in (("spool", settings.spool), ("state", settings.state)):
        if _kind(path) not in (0, stat.S_IFDIR):
            raise Wrong(f"{name}: mailbox.{key}: {path} is not a directory")
        place = path
        while place:
            if _is_same(place, CHROOT):
                raise Wrong(f"{name}: mailbox.{key} must not be in {CHROOT}, which has to stay empty")
            place = place.rpartition("/")[0]


def warning(settings: Settings) -> str:
    """What the host does not allow and a listener should say once; empty if there is nothing."""
    try:
        if not settings.home_file and os.statvfs(settings.spool).f_flag & os.ST_RDONLY:
            return f"{settings.spool} is on a file system that can only be read: no message can be deleted"
    except OSError:
        pass  # it is missing, which sessions say
    return ""


def _kind(path: str) -> int:
    """The file type of `path`, 0 where there is nothing to be seen."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except OSError:
        return 0


def _is_same(path: str, other: str) -> bool:
    try:
        one, two = os.stat(path), os.stat(other)
    except OSError:
        return False
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def locker_group(settings: Settings) -> int | None:
    """The group that a dot-lock is made with, if users cannot make it themselves: then root.locker does. None if they can.

    0 if nobody can but root. Sessions have their owner's primary group only.
    """
    if "dotlock" not in settings.locks or settings.home_file:
        return None
    try:
        status = os.stat(settings.spool)
    except OSError:
        return None  # another reason, which the session will give
    if status.st_mode & stat.S_IWOTH:
        return None
    return status.st_gid if status.st_mode & stat.S_IWGRP else 0
