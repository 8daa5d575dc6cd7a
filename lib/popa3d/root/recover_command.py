"""popa3d-recover(8): finish the updates of mailboxes that were interrupted, before anybody reads these.

A session does the same when its user logs in. This is for mail that is read by other programs: after a crash they would see
the mailbox as the update left it. Here is what the command line asks for; runner.py does the work.

Runs as: root; each mailbox is touched by its owner's program only.
Trusts: the administrator; of the users' state directories it reads only names, and trusts none of them.
"""

import os
import pwd
import re
import sys

from .. import version_line
from ..shared import log
from ..shared.limits import RECOVERY_LIMIT_S
from . import accounts, log_target, process, settings_file, state_directories
from .errand_command import Misused, run
from .journals import stem, stems_of_journals
from .runner import Runner, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

_USAGE = """usage: popa3d-recover [-c file] --all | user ...
       popa3d-recover -h | -V"""
HELP = f"""{_USAGE}

Finish updates of mailboxes that were interrupted.
  --all       of all users who have a journal
  -c file     read this configuration instead of /etc/popa3d.toml
  -V          print the version, and exit
  -h, --help  print this, and exit
The manual: popa3d-recover(8)"""


class _Recovery(Task):
    """To finish an update, where there is a journal of one."""

    name = "popa3d-recover"
    limit_s = RECOVERY_LIMIT_S
    unfinished = "not finished; the system log says why"

    def is_needed(self, owner: pwd.struct_passwd, state: str) -> bool:
        """Whether there is a journal, by its name."""
        try:
            os.lstat(f"{state}/{owner.pw_uid}")
        except FileNotFoundError:
            return False  # this user never had a session
        # A session does without a state directory that it cannot use. Here that would look like nothing to do.
        state_directories.prepare(state, owner.pw_uid, owner.pw_gid)
        return stem(owner.pw_name) in stems_of_journals(state, owner.pw_uid)


class _Options:
    """What the command line asks for.

    output: only print this, unless it is empty. users: names, each once; none for --all. file: of -c, or empty.
    """

    __slots__ = ("file", "output", "users")

    def __init__(self) -> None:
        self.output = ""
        self.users: list[str] = []
        self.file = ""


def main(worker: str) -> "NoReturn":
    """Do what the command line asks for; `worker` is the owner's program. Never returns.

    Exit status: 0 if nothing is left unfinished, 1 if something is or might be (a line for each on standard error), 2 for a
    wrong command line or configuration.
    """
    run(lambda: _main(worker), _USAGE, "popa3d-recover")


def _main(worker: str) -> int:
    """The exit status. Raises Misused or settings_file.Misconfigured."""
    options = _parse(sys.argv[1:])
    if options.output:
        os.write(1, f"{options.output}\n".encode())
        return 0
    if os.getuid() != 0:
        raise settings_file.Misconfigured("must be started by root")
    settings = settings_file.read(options.file)
    log.choose_facility(settings.facility)
    log.choose(log_target.of_program(settings))
    runner = Runner(worker, settings, _Recovery())
    for name in options.users or _interrupted(runner, settings.state):
        runner.begin(name)
    runner.finish()
    return 1 if runner.failed else 0


def _parse(words: list[str]) -> _Options:
    """The options of the words behind the program's name. Raises Misused."""
    options = _Options()
    everybody = False
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--all":
            everybody = True
        elif word in ("-h", "--help", "-V"):
            options.output = version_line("popa3d") if word == "-V" else HELP
            return options
        elif word.startswith("-c"):
            if not word[2:] and not rest:
                raise Misused("option -c needs a file")
            options.file = word[2:] or rest.pop(0)
        else:
            raise Misused(f"unknown option {word if word.startswith('--') else word[:2]}")
    if everybody == bool(rest) or any(word.startswith("-") for word in rest):
        raise Misused
    options.users = list(dict.fromkeys(rest))
    return options


def _interrupted(runner: Runner, state: str) -> "Iterator[str]":
    """The accounts for whose mailboxes there are journals in the state directories, one user after the other."""
    try:
        uids = sorted(int(name) for name in os.listdir(state) if re.fullmatch("[1-9][0-9]{0,9}", name))
    except FileNotFoundError:
        return  # no session has been here yet
    except OSError as error:
        runner.fail(state, str(error.strerror))
        return
    for uid in uids:
        if runner.is_over():  # to look for accounts can take its time, too
            runner.pass_over(f"{state}/{uid}")
            continue
        try:
            stems = sorted(stems_of_journals(state, uid))
        except OSError as error:
            runner.fail(f"{state}/{uid}", str(error.strerror))
            continue
        yield from [account for account in (_account(name, uid) for name in stems) if account]


def _account(name: str, uid: int) -> str:
    """The account of user `uid` with the stem `name`, or empty: users can write any names into their directories."""
    account = accounts.find(process.encode(name))
    if account is None or account.pw_uid != uid:  # perhaps it is the beginning of a long name
        try:
            account = pwd.getpwuid(uid)
        except KeyError:
            return ""
    return account.pw_name if stem(account.pw_name) == name else ""
