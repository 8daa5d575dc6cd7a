"""popa3d-recover(8) at work: several owners' programs at once, each of which finishes the update of its mailbox.

A user can stop his program, and start it again, as he likes. So none of them is waited for long while others could be at
work, and there is an end to all of it.

Runs as: root, and each program of an owner's as that owner.
Trusts: the administrator; of the users' state directories nothing but that there are names.
"""

import _signal
import os
import re
import time

from ..shared import log
from ..shared.limits import RECOVERIES, RECOVERIES_AT_ONCE, RECOVERY_LIMIT_S, RECOVERY_SLOW_S, RECOVERY_TIMEOUT_S
from . import accounts, handover, privileges, process, state_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pwd
    from typing import NoReturn

    from ..shared.settings import Settings

# As owner.journal names what it has begun: one file, or some, then with a dot and more behind it. A mailbox has two hundred
# at most, and a user one or two mailboxes. More than these were made by the user; root stops looking.
_JOURNAL = re.compile(r"(.+)-[0-9a-f]{16}\.journal(\..*)?")
_FILES = 1000
_ACCOUNTS = 20


class Recovery:
    """Several owners' programs at once, within the limits of params. failed: something is unfinished, or may be (told)."""

    def __init__(self, worker: str, settings: "Settings") -> None:
        self.failed = False
        self._worker = worker
        self._settings = settings
        self._end = time.monotonic() + RECOVERY_LIMIT_S
        self._begun: dict[int, tuple[str, float]] = {}  # process id -> whose program, and since when; the oldest first
        _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGCHLD,))  # it is waited for; what is blocked is not ignored

    def begin(self, name: str) -> None:
        """Let the user's program finish what his session has left, if it has, as soon as there is room beside others."""
        while self._begun and not self._has_room() and not self.is_over():
            self._wait()
        if self.is_over():
            self.pass_over(name)
            return
        why = self._start(name)
        if why:
            self.fail(name, why)

    def finish(self) -> None:
        """Wait for those that are at work, within their time and that of all."""
        while self._begun and not self.is_over():
            self._wait()
        for pid in list(self._begun):
            self._leave(pid)

    def is_over(self) -> bool:
        """Whether the time of all is over: then nobody else is looked at."""
        return time.monotonic() >= self._end

    def pass_over(self, name: str) -> None:
        """Say that a user, or a user's directory, was not looked at, because `is_over`."""
        self.fail(name, f"not looked at: {RECOVERY_LIMIT_S} seconds are over")

    def fail(self, name: str, why: str) -> None:
        """Say that something is unfinished, or may be."""
        complain(f"{name}: {why}")
        self.failed = True

    def _start(self, name: str) -> str:
        """Start the user's program, if there is something to do. Why that failed, or nothing."""
        owner = accounts.find(process.octets(name))
        if owner is None:
            return "no such account"
        if not handover.serves(owner):
            return "popa3d does not serve this account"
        place = self._settings.state
        try:
            try:
                os.lstat(f"{place}/{owner.pw_uid}")
            except FileNotFoundError:
                return ""  # he was never here
            # What a session cannot use, it does without. Here that would pass for nothing to do.
            state_directories.prepare(place, owner.pw_uid, owner.pw_gid)
            if owner.pw_name not in journals(place, owner.pw_uid):
                return ""
            pid = os.fork()
        except OSError as error:
            return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        if not pid:
            _become(self._worker, owner, self._settings)
        self._begun[pid] = name, time.monotonic()
        return ""

    def _has_room(self) -> bool:
        """Whether another one can be started: those that take long are not waited for, as long as they are few."""
        slow = time.monotonic() - RECOVERY_SLOW_S
        return len(self._begun) < RECOVERIES and sum(since > slow for _, since in self._begun.values()) < RECOVERIES_AT_ONCE

    def _wait(self) -> None:
        """Wait until a program ends, or takes long, or has had its time, or that of all is over; see what has ended."""
        now = time.monotonic()
        moments = [since + limit for _, since in self._begun.values() for limit in (RECOVERY_SLOW_S, RECOVERY_TIMEOUT_S)]
        left = [moment - now for moment in (*moments, self._end) if moment > now]
        _signal.sigtimedwait((_signal.SIGCHLD,), min(left, default=0))
        while self._begun:
            pid, how = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid in self._begun:  # else it was left, or was there before us
                name, _ = self._begun.pop(pid)
                status = os.waitstatus_to_exitcode(how)
                if status < 0:
                    self.fail(name, f"signal {-status} has ended popa3d-session")
                elif status:
                    self.fail(name, "not finished; the system log says why")
        for pid, (_, since) in list(self._begun.items()):
            if time.monotonic() >= since + RECOVERY_TIMEOUT_S:
                self._leave(pid)

    def _leave(self, pid: int) -> None:
        """Do not wait for a program any more; it goes on."""
        name, since = self._begun.pop(pid)
        self.fail(name, f"still at work after {time.monotonic() - since:.0f} seconds (process {pid})")


def journals(place: str, uid: int) -> set[str]:
    """The accounts of which the directory of user `uid` says that they have journals. Raises OSError."""
    found = set()
    fd = os.open(f"{place}/{uid}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(fd) as entries:
            for count, entry in enumerate(entries):
                match = _JOURNAL.fullmatch(entry.name)
                if match:
                    found.add(match[1])
                if count >= _FILES or len(found) > _ACCOUNTS:
                    raise OSError(7, "too many files", f"{place}/{uid}")
    finally:
        os.close(fd)
    return found


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


def complain(text: str, who: str = "popa3d-recover: ") -> None:
    """One line on standard error. Anything but printable ASCII becomes "?"."""
    line = "".join(c if " " <= c <= "~" else "?" for c in f"{who}{text}")
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        pass  # nobody listens; there is the exit status
