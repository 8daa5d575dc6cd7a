"""popa3d-recover(8) at work: several owners' programs at once, each of which finishes the update of its mailbox.

Users can stop and continue their own program as they like. So the others do not wait long for any of them, and all of it
has a deadline.

Runs as: root; each owner's program as that owner.
Trusts: the administrator; of the users' state directories it reads only names, and trusts none of them.
"""

import _signal
import os
import time

from ..shared import Failure, log
from ..shared.limits import RECOVERIES, RECOVERIES_AT_ONCE, RECOVERY_LIMIT_S, RECOVERY_SLOW_S, RECOVERY_TIMEOUT_S
from . import accounts, handover, privileges, process, state_directories
from .journals import stem, stems_of_journals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pwd
    from typing import NoReturn

    from ..shared.settings import Settings


class _Program:
    """An owner's program that was started. name: the account. started: when, by the monotonic clock."""

    __slots__ = ("name", "started")

    def __init__(self, name: str, started: float) -> None:
        self.name = name
        self.started = started


class Runner:
    """The owners' programs that are at work, within the limits RECOVERIES and so on.

    failed: something is unfinished, or may be; each has a line on standard error.
    """

    def __init__(self, worker: str, settings: "Settings") -> None:
        self.failed = False
        self._worker = worker
        self._settings = settings
        self._deadline = time.monotonic() + RECOVERY_LIMIT_S
        self._programs: dict[int, _Program] = {}  # by process id, the oldest first
        _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGCHLD,))  # for sigtimedwait(2)

    def begin(self, name: str) -> None:
        """Start the user's program, if there is an update to finish, as soon as there is room beside the others."""
        while self._programs and not self._has_room() and not self.is_over():
            self._wait()
        if self.is_over():
            self.pass_over(name)
            return
        try:
            self._start(name)
        except Failure as failure:
            self.fail(name, failure.reason)
        except OSError as error:
            self.fail(name, f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))

    def finish(self) -> None:
        """Wait for those that are at work, within their time and that of all."""
        while self._programs and not self.is_over():
            self._wait()
        for pid in list(self._programs):
            self._leave(pid)

    def is_over(self) -> bool:
        """Whether the time of all is over: then nobody else is looked at."""
        return time.monotonic() >= self._deadline

    def pass_over(self, name: str) -> None:
        """Say that a user, or a user's directory, was not looked at, because `is_over`."""
        self.fail(name, f"not looked at: {RECOVERY_LIMIT_S} seconds are over")

    def fail(self, name: str, reason: str) -> None:
        """Say that the mailbox of user `name`, or one in directory `name`, is unfinished, or may be."""
        complain(f"{name}: {reason}")
        self.failed = True

    def _start(self, name: str) -> None:
        """Start the user's program, if there is something to do. Raises Failure or OSError."""
        owner = accounts.find(process.encode(name))
        if owner is None:
            raise Failure("no such account")
        if not handover.serves(owner):
            raise Failure("popa3d does not serve this account")
        state = self._settings.state
        try:
            os.lstat(f"{state}/{owner.pw_uid}")
        except FileNotFoundError:
            return  # this user never had a session
        # A session does without a state directory that it cannot use. Here that would look like nothing to do.
        state_directories.prepare(state, owner.pw_uid, owner.pw_gid)
        if stem(owner.pw_name) not in stems_of_journals(state, owner.pw_uid):
            return
        pid = os.fork()
        if not pid:
            _become(self._worker, owner, self._settings)
        self._programs[pid] = _Program(name, time.monotonic())

    def _has_room(self) -> bool:
        """Whether another one can be started. Slow ones do not count, as long as they are few."""
        slow = time.monotonic() - RECOVERY_SLOW_S
        quick = sum(program.started > slow for program in self._programs.values())
        return len(self._programs) < RECOVERIES and quick < RECOVERIES_AT_ONCE

    def _wait(self) -> None:
        """Wait until a program ends or becomes slow, or a deadline passes. Collect what has ended; leave what is late."""
        now = time.monotonic()
        limits = (RECOVERY_SLOW_S, RECOVERY_TIMEOUT_S)
        moments = [program.started + limit for program in self._programs.values() for limit in limits]
        left = [moment - now for moment in (*moments, self._deadline) if moment > now]
        _signal.sigtimedwait((_signal.SIGCHLD,), min(left, default=0))
        while self._programs:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid in self._programs:  # else it was left, or was a child of this process before it became popa3d-recover
                self._note_end(self._programs.pop(pid), os.waitstatus_to_exitcode(wait_status))
        for pid, program in list(self._programs.items()):
            if time.monotonic() >= program.started + RECOVERY_TIMEOUT_S:
                self._leave(pid)

    def _note_end(self, program: _Program, status: int) -> None:
        """See how a program has ended: its exit status, or the negative number of the signal that ended it."""
        if status < 0:
            self.fail(program.name, f"signal {-status} has ended popa3d-session")
        elif status:
            self.fail(program.name, "not finished; the system log says why")

    def _leave(self, pid: int) -> None:
        """Do not wait for a program any more; it goes on."""
        program = self._programs.pop(pid)
        self.fail(program.name, f"still at work after {time.monotonic() - program.started:.0f} seconds (process {pid})")


def _become(worker: str, owner: "pwd.struct_passwd", settings: "Settings") -> "NoReturn":
    """Become the owner's program. Nothing of root's goes along, least of all a terminal: its user could type on that."""
    try:
        os.setsid()
        process.send_to_null(0, 1)
        process.secure()
        locker = handover.start_locker(settings)
        handed_over = handover.send(owner, "", settings, b"", locker, recovery=True)
        privileges.become(owner.pw_uid, owner.pw_gid)
        handover.become(worker, handed_over, locker)
    except (handover.NoMailbox, handover.NotStarted) as failure:
        log.write(log.ERROR, failure.reason)
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(1)


def complain(text: str, prefix: str = "popa3d-recover: ") -> None:
    """One line on standard error. Anything but printable ASCII becomes "?"."""
    line = "".join(c if " " <= c <= "~" else "?" for c in f"{prefix}{text}")
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        pass  # nobody listens; there is the exit status
