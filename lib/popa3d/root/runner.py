"""popa3d-recover(8) and popa3d-migrate(8) at work: several owners' programs at once, each of which has a task in its mailbox.

Users can stop and continue their own program as they like. So the others do not wait long for any of them, and all of it
may have a deadline.

Runs as: root; each owner's program as that owner.
Trusts: the administrator; nothing of what an owner's program says or leaves.
"""

import _signal
import os
import time

from ..shared import Failure, log
from ..shared.limits import RECOVERIES, RECOVERIES_AT_ONCE, RECOVERY_SLOW_S, RECOVERY_TIMEOUT_S
from ..shared.migration_limits import FAULT, REPORT_OCTETS, RESULT
from . import accounts, handover, privileges, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pwd
    from typing import NoReturn

    from ..shared.settings import Settings


class Task:
    """What the owners' programs are to do, for one of popa3d's programs.

    name: that program's, for complaints. limit_s: for all together, or None. unfinished: what is said of one that has failed,
    unless it has said something itself. migration, dry_run: see record.Handover; without the first it is a recovery, which
    says nothing. given: a descriptor that the owner's program will have as 0, or -1.
    """

    name = ""
    limit_s: "float | None" = None
    unfinished = ""
    migration = ""
    dry_run = False
    given = -1

    def is_needed(self, owner: "pwd.struct_passwd", state: str) -> bool:
        """Whether this user's program has something to do. Raises Failure or OSError. state: all state directories' place."""
        raise NotImplementedError


class _Program:
    """An owner's program that was started. name: the account. started: when, by the monotonic clock. said: a pipe from it."""

    __slots__ = ("name", "said", "started")

    def __init__(self, name: str, said: int, started: float) -> None:
        self.name = name
        self.said = said
        self.started = started


class Runner:
    """The owners' programs that are at work, within the limits RECOVERIES and so on.

    failed: something is unfinished, or may be; each has a line on standard error.
    """

    def __init__(self, worker: str, settings: "Settings", task: Task) -> None:
        self.failed = False
        self._worker = worker
        self._settings = settings
        self._task = task
        self._deadline = None if task.limit_s is None else time.monotonic() + task.limit_s
        self._programs: dict[int, _Program] = {}  # by process id, the oldest first
        _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGCHLD,))  # for sigtimedwait(2)

    def begin(self, name: str) -> None:
        """Start the user's program, if it is needed, as soon as there is room beside the others."""
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
        return self._deadline is not None and time.monotonic() >= self._deadline

    def pass_over(self, name: str) -> None:
        """Say that a user, or a user's directory, was not looked at, because `is_over`."""
        self.fail(name, f"not looked at: {self._task.limit_s} seconds are over")

    def fail(self, name: str, reason: str) -> None:
        """Say that the mailbox of user `name`, or one in directory `name`, is unfinished, or may be."""
        complain(f"{name}: {reason}", f"{self._task.name}: ")
        self.failed = True

    def _start(self, name: str) -> None:
        """Start the user's program, if there is something to do. Raises Failure or OSError."""
        owner = accounts.find(process.encode(name))
        if owner is None:
            raise Failure("no such account")
        if not handover.serves(owner):
            raise Failure("popa3d does not serve this account")
        if not self._task.is_needed(owner, self._settings.state):
            return
        said, saying = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        pid = os.fork()
        if not pid:
            _become(self._worker, owner, self._settings, self._task, saying)
        os.close(saying)
        self._programs[pid] = _Program(name, said, time.monotonic())

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
        if self._deadline is not None:
            moments.append(self._deadline)
        left = [moment - now for moment in moments if moment > now]
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
        results, faults = _said(program)
        for line in results:
            tell(1, f"{program.name}: {line}")
        for line in faults:
            self.fail(program.name, line)
        if status < 0:
            self.fail(program.name, f"signal {-status} has ended popa3d-session")
        elif status and not faults:
            self.fail(program.name, self._task.unfinished)

    def _leave(self, pid: int) -> None:
        """Do not wait for a program any more; it goes on."""
        program = self._programs.pop(pid)
        os.close(program.said)
        self.fail(program.name, f"still at work after {time.monotonic() - program.started:.0f} seconds (process {pid})")


def _said(program: _Program) -> tuple[list[str], list[str]]:
    """What a program that has ended has said: the lines about what is done, and those about what is not."""
    try:
        text = os.read(program.said, REPORT_OCTETS)
    except BlockingIOError:
        text = b""  # another process of that user's has the pipe, and says nothing
    finally:
        os.close(program.said)
    lines = text.decode("ascii", "replace").splitlines()
    results = [line.removeprefix(RESULT) for line in lines if line.startswith(RESULT)]
    return results, [line.removeprefix(FAULT) for line in lines if not line.startswith(RESULT)]


def _become(worker: str, owner: "pwd.struct_passwd", settings: "Settings", task: Task, saying: int) -> "NoReturn":
    """Become the owner's program. Nothing of root's goes along, least of all a terminal: its user could type on that."""
    try:
        os.setsid()
        process.send_to_null(0, 1)
        if task.migration:
            os.dup2(saying, 1)
        if task.given >= 0:
            os.dup2(task.given, 0)
        process.secure()
        locker = handover.start_locker(settings)
        recovery = not task.migration
        handed_over = handover.prepare(owner, "", settings, b"", locker >= 0, recovery, task.migration, task.dry_run)
        pipe = handover.pipe(handed_over, owner, locker)
        privileges.become(owner.pw_uid, owner.pw_gid)
        handover.become(worker, handed_over, pipe, locker)
    except (handover.NoMailbox, handover.NotStarted) as failure:
        log.write(log.ERROR, failure.reason)
    except BaseException as error:
        log.crash(error)
    finally:
        os._exit(1)


def complain(text: str, prefix: str) -> None:
    """One line on standard error."""
    tell(2, f"{prefix}{text}")


def tell(fd: int, text: str) -> None:
    """One line on standard output or error. Anything but printable ASCII becomes "?"."""
    line = "".join(c if " " <= c <= "~" else "?" for c in text)
    try:
        os.write(fd, f"{line}\n".encode())
    except OSError:
        pass  # nobody listens; there is the exit status
