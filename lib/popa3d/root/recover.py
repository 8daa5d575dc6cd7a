"""popa3d-recover(8): finish the updates of mailboxes that were interrupted, before anybody reads these.

A session does the same when its user logs in. This is for mail that is read by other programs: after a crash they would see
the mailbox as the update left it.

Runs as: root; each mailbox is touched by its owner's program only.
Trusts: the administrator; of the users' state directories nothing but that there are names.
"""

import _signal
import os
import pwd
import re
import sys
import time

from .. import log
from ..params import RECOVERY_TIMEOUT_S
from . import handover, options, privileges, process, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ..params import Settings

_USAGE = "usage: popa3d-recover [-c file] --all | user ..."
_EX_SOFTWARE = 70  # sysexits.h: an internal error

# As owner.journal names what it has begun: one file, or some, then with a dot and more behind it. A mailbox has two hundred
# at most. Who has more than these has made them himself, and does not keep root busy with them.
_JOURNAL = re.compile(r"(.+)-[0-9a-f]{16}\.journal(\..*)?")
_FILES = 1000
_LOOK_S = 0.02


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
    except options.Wrong as wrong:
        _complain(str(wrong), "" if wrong.args[0] == _USAGE else "popa3d-recover: ")
        status = 2
    except BaseException as error:
        log.crash(error)
        _complain("internal error; the system log says where")
        status = _EX_SOFTWARE
    os._exit(status)


def _main(worker: str) -> int:
    """The exit status. Raises options.Wrong."""
    names, file = _arguments(sys.argv[1:])
    if os.getuid() != 0:
        raise options.Wrong("must be started by root")
    settings = options.read(file)
    failed = False
    if not names:
        names, failed = _interrupted(settings.state)
    for name in names:
        why = _recover(worker, name, settings)
        if why:
            _complain(f"{name}: {why}")
            failed = True
    return 1 if failed else 0


def _arguments(words: list[str]) -> tuple[list[str], str]:
    """The users (none: all of them) and the configuration file of the command line. Raises options.Wrong."""
    file = ""
    if words and words[0].startswith("-c"):
        file = words[0][2:] or "".join(words[1:2])
        words = words[1 if words[0][2:] else 2 :]
    if not words or (words != ["--all"] and any(word.startswith("-") for word in words)):
        raise options.Wrong(_USAGE)
    return [] if words == ["--all"] else words, file


def _interrupted(place: str) -> tuple[list[str], bool]:
    """The accounts for whose mailboxes there are journals, and whether some could not be looked for (complained of)."""
    try:
        numbers = sorted(int(name) for name in os.listdir(place) if re.fullmatch("[1-9][0-9]{0,9}", name))
    except FileNotFoundError:
        return [], False  # no session has been here yet
    except OSError as error:
        _complain(f"{place}: {error.strerror}")
        return [], True
    found = []
    failed = False
    for number in numbers:
        try:
            # Whose they are is to be seen: users can write any names into their directories.
            found += [name for name in sorted(_journals(place, number)) if _uid(name) == number]
        except OSError as error:
            _complain(f"{place}/{number}: {error.strerror}")
            failed = True
    return found, failed


def _journals(place: str, uid: int) -> set[str]:
    """The accounts of which the directory of user `uid` says that they have journals. Raises OSError."""
    found = set()
    fd = os.open(f"{place}/{uid}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(fd) as entries:
            for count, entry in enumerate(entries):
                if count >= _FILES:
                    raise OSError(7, "too many files", f"{place}/{uid}")
                match = _JOURNAL.fullmatch(entry.name)
                if match:
                    found.add(match[1])
    finally:
        os.close(fd)
    return found


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return -1


def _recover(worker: str, name: str, settings: "Settings") -> str:
    """Finish what the user's session has left, if it has. Why that failed, or nothing."""
    try:
        owner = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return "no such account"
    if not handover.serves(owner):
        return "popa3d does not serve this account"
    try:
        try:
            os.lstat(f"{settings.state}/{owner.pw_uid}")
        except FileNotFoundError:
            return ""  # he was never here
        # What a session cannot use, it does without. Here that would pass for nothing to do.
        state.prepare(settings.state, owner.pw_uid, owner.pw_gid)
        if owner.pw_name not in _journals(settings.state, owner.pw_uid):
            return ""
        pid = os.fork()
    except OSError as error:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    if not pid:
        _become(worker, owner, settings)
    end = time.monotonic() + RECOVERY_TIMEOUT_S
    done, how = os.waitpid(pid, os.WNOHANG)
    while not done:
        if time.monotonic() >= end:
            return f"still at work after {RECOVERY_TIMEOUT_S} seconds (process {pid}); the others need not wait"
        time.sleep(_LOOK_S)
        done, how = os.waitpid(pid, os.WNOHANG)
    status = os.waitstatus_to_exitcode(how)
    if status < 0:
        return f"signal {-status} has ended popa3d-session"
    return "not finished; the system log says why" if status else ""


def _become(worker: str, owner: "pwd.struct_passwd", settings: "Settings") -> "NoReturn":
    """Become the owner's program. Nothing of root's goes along, least of all a terminal: its user could type on that."""
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd)
        process.secure()
        locker = handover.start_locker(settings)
        told = handover.tell(owner, "", settings, b"", locker, recovery=True)
        privileges.become(owner.pw_uid, owner.pw_gid)
        log.write(log.ERROR, f"{worker}: {handover.become(worker, told, locker)}")
    except handover.Unusable as why:
        log.write(log.ERROR, str(why))
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(1)


def _complain(text: str, who: str = "popa3d-recover: ") -> None:
    """One line on standard error. Anything but printable ASCII becomes "?"."""
    line = "".join(c if " " <= c <= "~" else "?" for c in f"{who}{text}")
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        pass  # nobody listens; there is the exit status
