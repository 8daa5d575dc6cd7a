"""The administrator's file: found, judged and read. Without one the settings have their defaults.

Runs as: root, before anything is read of the client.
Trusts: the administrator; the file only if nobody else can write it.
"""

import _stat as stat
import posix as os  # as os, without its start-up time

from ..shared import Failure
from ..shared.limits import CONFIGURATION, CONFIGURATION_OCTETS
from ..shared.settings import Settings


class Misconfigured(Failure):
    """popa3d cannot start like this. The reason is for the administrator."""


def read(name: str) -> Settings:
    """The settings of file `name`; of CONFIGURATION if that is empty, or the defaults where there is none.

    Raises Misconfigured for a file that cannot be used, or that says what this host does not have.
    """
    found, name = text(name)
    if found is None:
        return Settings()
    from . import configuration, host_check  # slow, and needed only here

    try:
        settings = configuration.settings(found, name)
        host_check.check(settings, name)
    except (configuration.Refused, host_check.Unfit) as unfit:
        raise Misconfigured(unfit.reason) from None
    return settings


def text(name: str) -> tuple[bytes | None, str]:
    """What is in file `name`, or in CONFIGURATION if that is empty, and its name; None where that does not exist.

    Raises Misconfigured for a file that cannot be read, or is not as the administrator's should be.
    """
    try:
        fd = os.open(name or CONFIGURATION, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        if not name:
            return None, CONFIGURATION
        raise Misconfigured(f"{name}: {error.strerror}") from None
    except OSError as error:
        raise Misconfigured(f"{name or CONFIGURATION}: {error.strerror}") from None
    name = name or CONFIGURATION
    try:
        return _text(fd, name), name
    finally:
        os.close(fd)


def fault(status: "os.stat_result") -> str:
    """Why a file is not as the administrator's should be; empty if it is."""
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "must belong to root and be writable by root alone"
    return ""


def _text(fd: int, name: str) -> bytes:
    """What is in the open file, if it is a file as the administrator's should be. Raises Misconfigured."""
    status = os.fstat(fd)
    reason = fault(status)
    if reason:
        raise Misconfigured(f"{name}: {reason}")
    if status.st_size > CONFIGURATION_OCTETS:
        raise Misconfigured(f"{name}: larger than {CONFIGURATION_OCTETS} octets")
    return os.read(fd, CONFIGURATION_OCTETS)
