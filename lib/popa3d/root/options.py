"""The command line and the administrator's file.

Runs as: root, before anything is read of the client.
Trusts: the administrator; the file only if nobody else can write it.
"""

import _stat as stat
import posix as os  # as os, without its start-up time

from .. import DATE, VERSION
from ..params import CONFIGURATION, CONFIGURATION_OCTETS, Settings

USAGE = "usage: popa3d [-46DFV] [-c file]"


class Wrong(Exception):
    """popa3d cannot start as it was asked to; the text is one line for the administrator."""


class Asked:
    """What the command line asks for.

    file: of -c, or empty. daemon: -D or -F. foreground: -F, stay there. families: "4", "6" or "46". settings: of the file.
    """

    def __init__(self) -> None:
        self.file = ""
        self.daemon = False
        self.foreground = False
        self.families = ""
        self.settings = Settings()


def parse(arguments: list[str]) -> Asked | str:
    """What is asked for, or a text to print instead (-V). Raises Wrong.

    arguments: without the program's name, as getopt(3) would read them.
    """
    asked = Asked()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            raise Wrong(USAGE)
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "V":
                return f"popa3d version {VERSION} ({DATE})"
            if letter == "D":
                asked.daemon = True
            elif letter == "F":
                asked.daemon = asked.foreground = True
            elif letter in "46":
                asked.families += "" if letter in asked.families else letter
            elif letter == "c" and (letters or rest):
                asked.file, letters = letters or rest.pop(0), ""
            else:
                raise Wrong(USAGE)
    if asked.families and not asked.daemon:
        raise Wrong(USAGE)  # they say how to listen
    asked.families = asked.families or "46"
    asked.settings = read(asked.file)
    return asked


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
    from ..wire import configuration  # slow, and needed only here

    try:
        settings = configuration.settings(text, name)
    except configuration.Refused as error:
        raise Wrong(str(error)) from None
    if locker_group(settings) == 0:
        raise Wrong(
            f"{name}: mailbox.locks: nobody but root can make a dot-lock in {settings.spool}; its group must be able to "
            "write it and be another one than root's (mode 2775), or everybody (mode 1777)"
        )
    return settings


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
