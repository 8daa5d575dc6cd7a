"""popa3d-recover(8): finish the updates of mailboxes that were interrupted, before anybody reads these.

A session does the same when its user logs in. This is for mail that is read by other programs: after a crash they would see
the mailbox as the update left it.

Runs as: root; each mailbox is touched by its owner's program only.
Trusts: the administrator; of the users' state directories nothing but that there are names.
"""

import _signal
import os
import re
import sys

from .. import DATE, VERSION
from ..shared import log
from . import accounts, options, process
from .recovery import Recovery, complain, journals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

_USAGE = "usage: popa3d-recover [-hV] [-c file] --all | user ..."
_MANUAL = "manual: popa3d-recover(8)"
_EX_SOFTWARE = 70  # sysexits.h: an internal error


class _Misused(Exception):
    """The command line is wrong; the text says what, or is empty."""


def main(worker: str) -> "NoReturn":
    """Do what the command line asks for; `worker` is the owner's program. Never returns.

    Exit status: 0 if nothing is left unfinished, 1 if something is or might be (a line for each on standard error), 2 for a
    wrong command line or configuration.
    """
    os.environ.clear()
    process.secure_daemon()
    for number in (_signal.SIGCHLD, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    try:
        status = _main(worker)
    except _Misused as misused:
        if misused.args[0]:
            complain(misused.args[0])
        complain(_USAGE, "")
        status = 2
    except options.Wrong as wrong:
        complain(str(wrong))
        status = 2
    except BaseException as error:
        log.crash(error)
        complain("internal error; the system log says where")
        status = _EX_SOFTWARE
    os._exit(status)


def _main(worker: str) -> int:
    """The exit status. Raises _Misused or options.Wrong."""
    asked = _arguments(sys.argv[1:])
    if isinstance(asked, str):
        os.write(1, f"{asked}\n".encode())
        return 0
    names, file = asked
    if os.getuid() != 0:
        raise options.Wrong("must be started by root")
    settings = options.read(file)
    recovery = Recovery(worker, settings)
    for name in names or _interrupted(recovery, settings.state):
        recovery.begin(name)
    recovery.finish()
    return 1 if recovery.failed else 0


def _arguments(words: list[str]) -> tuple[list[str], str] | str:
    """The users (none: all of them) and the configuration file of the command line, or a text to print instead.

    Raises _Misused.
    """
    file = ""
    everybody = False
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--all":
            everybody = True
        elif word == "-h":
            return f"{_USAGE}\n{_MANUAL}"
        elif word == "-V":
            return f"popa3d version {VERSION} ({DATE})"
        elif word.startswith("-c"):
            if not word[2:] and not rest:
                raise _Misused("option -c needs a file")
            file = word[2:] or rest.pop(0)
        else:
            raise _Misused(f"unknown option {word if word.startswith('--') else word[:2]}")
    if everybody == bool(rest) or any(word.startswith("-") for word in rest):
        raise _Misused("")
    return list(dict.fromkeys(rest)), file


def _interrupted(recovery: Recovery, place: str) -> "Iterator[str]":
    """The accounts for whose mailboxes there are journals in the state directories, one user after the other."""
    try:
        numbers = sorted(int(name) for name in os.listdir(place) if re.fullmatch("[1-9][0-9]{0,9}", name))
    except FileNotFoundError:
        return  # no session has been here yet
    except OSError as error:
        recovery.fail(place, str(error.strerror))
        return
    for number in numbers:
        if recovery.is_over():  # to look for accounts can take its time, too
            recovery.pass_over(f"{place}/{number}")
            continue
        try:
            names = sorted(journals(place, number))
        except OSError as error:
            recovery.fail(f"{place}/{number}", str(error.strerror))
            continue
        # Whose they are is to be seen: users can write any names into their directories.
        owners = [(name, accounts.find(process.octets(name))) for name in names]
        yield from [name for name, owner in owners if owner is not None and owner.pw_uid == number]
