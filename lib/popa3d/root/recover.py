"""popa3d-recover(8): finish the updates of mailboxes that were interrupted, before anybody reads these.

A session does the same when its user logs in. This is for mail that is read by other programs: after a crash they would see
the mailbox as the update left it.

Runs as: root; each mailbox is touched by its owner's program only.
Trusts: the administrator; of the users' state directories nothing but that there are names.
"""

import os
import pwd
import re
import sys

from .. import log
from . import handover, options, privileges, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ..params import Settings

_USAGE = "usage: popa3d-recover [-c file] --all | user ..."
_JOURNAL = re.compile(r"(.+)-[0-9a-f]{16}\.journal(\..*)?")


def main(worker: str) -> "NoReturn":
    """Do what the command line asks for; `worker` is the owner's program. Exit status 1 if some mailbox could not be had."""
    try:
        names, file = _arguments(sys.argv[1:])
        if os.getuid() != 0:
            raise options.Wrong("must be started by root")
        settings = options.read(file)
    except options.Wrong as wrong:
        _complain(str(wrong) if wrong.args[0] == _USAGE else f"popa3d-recover: {wrong}")
        sys.exit(2)
    process.secure_daemon()
    status = 0
    for name in names or _interrupted(settings.state):
        why = _recover(worker, name, settings)
        if why:
            _complain(f"popa3d-recover: {name}: {why}")
            status = 1
    sys.exit(status)


def _arguments(words: list[str]) -> tuple[list[str], str]:
    """The users (none: all of them) and the configuration file of the command line. Raises options.Wrong."""
    words = list(words)
    file = ""
    if len(words) > 2 and words[0] == "-c":
        file = words[1]
        words = words[2:]
    if not words or (words != ["--all"] and any(word.startswith("-") for word in words)):
        raise options.Wrong(_USAGE)
    return [] if words == ["--all"] else words, file


def _interrupted(state: str) -> list[str]:
    """The accounts for whose mailboxes there are journals."""
    found = set()
    try:
        numbers = [number for number in os.listdir(state) if number.isascii() and number.isdigit()]
    except FileNotFoundError:
        return []
    for number in numbers:
        try:
            names = os.listdir(f"{state}/{number}")
        except OSError as error:
            _complain(f"popa3d-recover: {state}/{number}: {error.strerror}")
            continue
        for name in names:
            match = _JOURNAL.fullmatch(name)
            if match:  # whose it really is will be seen: anybody can write names into his directory
                found.add((match[1], int(number)))
    return sorted(name for name, uid in found if _uid(name) == uid)


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return -1


def _recover(worker: str, name: str, settings: "Settings") -> str:
    """Let the owner's program look after one mailbox. Why that failed, or nothing."""
    try:
        owner = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return "no such account"
    if owner.pw_uid == 0 or owner.pw_gid == 0 or "/" in owner.pw_name or owner.pw_name.startswith("."):
        return "popa3d does not serve this account"
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            told = handover.tell(owner, "", settings, b"", recovery=True)
            privileges.become(owner.pw_uid, owner.pw_gid)
            log.write(log.ERROR, f"{worker}: {handover.become(worker, told)}")
        except handover.Unusable as why:
            log.write(log.ERROR, str(why))
        except BaseException as error:
            log.crash(error)
        finally:
            os._exit(1)
    _, how = os.waitpid(pid, 0)
    return f"failed (wait status {how:#x}); the system log says why" if how else ""


def _complain(text: str) -> None:
    sys.stderr.write(f"{text.encode('ascii', 'replace').decode()}\n")
