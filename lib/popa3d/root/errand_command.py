"""What popa3d-recover(8) and popa3d-migrate(8) have in common as programs: how they begin, and how they end.

Runs as: root.
Trusts: the administrator.
"""

import _signal
import os

from ..shared import EX_SOFTWARE, Failure, log
from . import process, settings_file
from .runner import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


class Misused(Failure):
    """The command line is wrong. The reason may be empty; then the usage says enough."""


class Unusable(Failure):
    """A file that the command line names cannot be used."""


def run(command: "Callable[[], int]", usage: str, name: str) -> "NoReturn":
    """Be a known process, do what `command` does, and exit with the status that it returns.

    What it raises is told on standard error: Misused (with the usage), Unusable and settings_file.Misconfigured give status 2.
    """
    prefix = f"{name}: "
    os.environ.clear()
    process.secure_daemon()
    for number in (_signal.SIGCHLD, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    try:
        status = command()
    except Misused as misused:
        if misused.reason:
            complain(misused.reason, prefix)
        for line in usage.splitlines():
            complain(line, "")
        status = 2
    except (settings_file.Misconfigured, Unusable) as failure:
        complain(failure.reason, prefix)
        status = 2
    except BaseException as error:
        log.crash(error)
        complain("internal error; the system log says where", prefix)
        status = EX_SOFTWARE
    os._exit(status)
