"""The command line and the administrator's file.

Runs as: root, before anything is read of the client.
Trusts: the administrator; the file only if nobody else can write it.
"""

import os
import stat

from .. import DATE, VERSION
from ..params import CONFIGURATION, CONFIGURATION_OCTETS, Settings

USAGE = "usage: popa3d [-V] [-c file]"


class Wrong(Exception):
    """popa3d cannot start as it was asked to; the text is one line for the administrator."""


def parse(arguments: list[str]) -> Settings | str:
    """The settings to run with, or a text to print instead (-V). Raises Wrong.

    arguments: without the program's name, as getopt(3) would read them.
    """
    name = ""
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
            if letter != "c" or not (letters or rest):
                raise Wrong(USAGE)
            name, letters = letters or rest.pop(0), ""
    return _read(name)


def _read(name: str) -> Settings:
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
        return configuration.settings(text, name)
    except configuration.Refused as error:
        raise Wrong(str(error)) from None
