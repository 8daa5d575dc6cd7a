"""popa3d-migrate(8): keep the unique-ids that another server has given, so that clients do not fetch all mail again.

Here is what the command line asks for. runner.py starts an owner's program for each user, which does the work.

Runs as: root; each mailbox is touched by its owner's program only.
Trusts: the administrator.
"""

import os
import pwd
import sys

from .. import version_line
from ..shared import log, record, uidl_list
from ..shared.migration_limits import LIST_OCTETS
from . import accounts, handover, log_target, process, settings_file, state_directories
from .errand_command import Misused, Unusable, run
from .runner import Runner, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from ..shared.settings import Settings

_USAGE = """usage: popa3d-migrate [-n] [-c file] --from dovecot|uw|qpopper --all | user ...
       popa3d-migrate [-n] [-c file] --from-list list user
       popa3d-migrate [-n] [-c file] --undo --all | user ...
       popa3d-migrate -h | -V"""
HELP = f"""{_USAGE}

Keep the unique-ids that another POP3 server has given.
  --from server     dovecot, uw or qpopper: from the fields that it has written into the mailbox
  --from-list list  from this file, which has the server's answer to UIDL, and perhaps to LIST
  --undo            remove the map of unique-ids
  --all             for all accounts that have a mailbox
  -n, --dry-run     only say what would be done
  -c file           read this configuration instead of /etc/popa3d.toml
  -V                print the version, and exit
  -h, --help        print this, and exit
The manual: popa3d-migrate(8)"""


class _Migration(Task):
    """To take a map of unique-ids, or to remove it."""

    name = "popa3d-migrate"
    unfinished = "failed; the system log says why"

    def __init__(self, migration: str, dry_run: bool) -> None:
        self.migration = migration
        self.dry_run = dry_run

    def is_needed(self, owner: pwd.struct_passwd, state: str) -> bool:
        """Each user's is. The map needs a state directory."""
        state_directories.prepare(state, owner.pw_uid, owner.pw_gid)
        return True


class _Options:
    """What the command line asks for.

    output: only print this, unless it is empty. users: names, each once; none for --all. file: of -c, or empty. list: of
    --from-list, or empty. task: what each owner's program is to do.
    """

    __slots__ = ("file", "list", "output", "task", "users")

    def __init__(self) -> None:
        self.output = ""
        self.users: list[str] = []
        self.file = ""
        self.list = ""
        self.task = _Migration("", dry_run=False)


def main(worker: str) -> "NoReturn":
    """Do what the command line asks for; `worker` is the owner's program. Never returns.

    Exit status: 0 if all is done, 1 if something is not (a line for each on standard error), 2 for a wrong command line,
    configuration or list.
    """
    run(lambda: _main(worker), _USAGE, "popa3d-migrate")


def _main(worker: str) -> int:
    """The exit status. Raises Misused, Unusable or settings_file.Misconfigured."""
    options = _parse(sys.argv[1:])
    if options.output:
        os.write(1, f"{options.output}\n".encode())
        return 0
    if os.getuid() != 0:
        raise settings_file.Misconfigured("must be started by root")
    settings = settings_file.read(options.file)
    log.choose_facility(settings.facility)
    log.choose(log_target.of_program(settings))
    if options.list:
        options.task.given = _given(options.list)
    runner = Runner(worker, settings, options.task)
    for name in options.users or _all(settings):
        runner.begin(name)
    runner.finish()
    return 1 if runner.failed else 0


def _parse(words: list[str]) -> _Options:
    """The options of the words behind the program's name. Raises Misused."""
    options = _Options()
    everybody = dry_run = False
    tasks: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--all":
            everybody = True
        elif word in ("-n", "--dry-run"):
            dry_run = True
        elif word == "--undo":
            tasks.append(record.UNDO)
        elif word in ("--from", "--from-list", "-c"):
            if not rest:
                raise Misused(f"option {word} needs {'a server' if word == '--from' else 'a file'}")
            value = rest.pop(0)
            if word == "-c":
                options.file = value
            elif word == "--from-list":
                tasks.append(record.FROM_LIST)
                options.list = value
            elif value in record.SERVERS:
                tasks.append(value)
            else:
                raise Misused(f"unknown server {value}")
        elif word in ("-h", "--help", "-V"):
            options.output = version_line("popa3d") if word == "-V" else HELP
            return options
        elif word.startswith("-c"):
            options.file = word[2:]
        else:
            raise Misused(f"unknown option {word if word.startswith('--') else word[:2]}")
    options.users = list(dict.fromkeys(rest))
    is_one = len(options.users) == 1
    if len(tasks) != 1 or everybody == bool(rest) or (options.list and not is_one) or any(word.startswith("-") for word in rest):
        raise Misused
    options.task = _Migration(tasks[0], dry_run)
    return options


def _given(name: str) -> int:
    """A descriptor with the list in file `name`, for the owner's program. Raises Unusable.

    Root reads it, since it may be where the user cannot; and looks at it, so that by no mistake or link of somebody's the user
    is given another file.
    """
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as file:
            text = file.read(LIST_OCTETS + 1) or b""
        if len(text) > LIST_OCTETS:
            raise Unusable(f"{name}: larger than {LIST_OCTETS} octets")
        uidl_list.parse(text)
        given = os.memfd_create("list", os.MFD_CLOEXEC)
        with open(given, "wb", closefd=False) as copy:
            copy.write(text)
        os.lseek(given, 0, os.SEEK_SET)
    except OSError as error:
        raise Unusable(f"{name}: {error.strerror}") from None
    except uidl_list.Malformed as malformed:
        raise Unusable(f"{name}: {malformed.reason}") from None
    return given


def _all(settings: "Settings") -> "Iterable[str]":
    """The accounts that popa3d serves and that have a mailbox. Raises settings_file.Misconfigured."""
    if settings.home_file:
        having = [owner for owner in pwd.getpwall() if os.path.lexists(f"{owner.pw_dir}/{settings.home_file}")]
    else:
        try:
            names = sorted(os.listdir(settings.spool))
        except OSError as error:
            raise settings_file.Misconfigured(f"{settings.spool}: {error.strerror}") from None
        found = [accounts.find(process.encode(name)) for name in names]
        having = [owner for owner, name in zip(found, names, strict=True) if owner is not None and owner.pw_name == name]
    return [owner.pw_name for owner in having if handover.serves(owner)]
