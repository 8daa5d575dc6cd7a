"""Which processes are sessions, and which listen: from their command lines and parents, in /proc.

A session has its pre-auth child below it, and with -D a listener above it, all with the same command line. After the login
it goes on in the same process, or with -D in a child of the starter. The TLS process of a session may have any parent: with
-D the keeper of the key forks it. The kernel knows which process made its socket; whoever may not ask that reads it in the
process's name. If that process was root's, and has given its client to a child of the starter, that child's name says so.

Runs as: the operator, and root where the administrator limits sessions.
Trusts: the kernel. Any user can start processes that look like a session of that user's. A TLS process could hide.
"""

import os
import pwd

from .. import process_name
from ..limits import COMMAND_LINE_OCTETS
from ..tls_limits import TLS_USER
from . import command_lines, connections


class Process:
    """One process of popa3d.

    program: the path of the script as it was given, absolute or not. parent: a process id. uid: the effective one.
    name: as the kernel shows it; any process can choose its own. authenticated: it is the owner's program. daemon: it was started
    to listen, or its listener was. child: a session's pre-auth child, if it has one. tls: its TLS process, if it has one.
    security: what that says, or empty.
    """

    def __init__(self, pid: int, line: command_lines.CommandLine, parent: int, uid: int, name: str) -> None:
        self.pid = pid
        self.program = line.program
        self.authenticated = line.authenticated
        self.daemon = line.daemon
        self.parent = parent
        self.uid = uid
        self.name = name
        self.child: int | None = None
        self.tls: int | None = None
        self.security = ""

    @property
    def is_starter(self) -> bool:
        """Whether it is the process of a listener that starts the sessions of clients that have logged in."""
        return self.authenticated and self.uid == 0

    @property
    def connected(self) -> int:
        """The process whose descriptor 0 is the client's connection."""
        return self.pid if self.tls is None else self.tls


def look(pid: int) -> Process | None:
    """The process `pid`, if it is one of popa3d's; None if it is another, is gone, or cannot be seen."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            line = command_lines.parse(file.read(COMMAND_LINE_OCTETS).split(b"\0")[:-1])
        if line is None or not os.path.basename(_executable(pid, line.interpreter)).startswith("python"):
            return None
        with open(f"/proc/{pid}/status", "rb") as file:
            status = dict(line.partition(b":")[::2] for line in file.read().splitlines())
        name = status[b"Name"].strip().decode("ascii", "replace")
        return Process(pid, line, int(status[b"PPid"]), int(status[b"Uid"].split()[1]), name)
    except (OSError, KeyError):  # it ended meanwhile
        return None


def listeners(program: str) -> list[int]:
    """The processes that listen with the file `program`, by process id; not those of containers, which have another root.

    Only root's count: packages end what is listed here, and other users could make it up.
    """
    processes = _all()
    return [pid for pid in sorted(_listeners(processes)) if processes[pid].uid == 0 and _runs(processes[pid], program)]


def sessions() -> list[Process]:
    """The sessions that the caller may see, by process id: root all, others their own. Empty if there is no /proc."""
    processes = _all()
    listening = _listeners(processes)
    chosen = {}
    for pid, process in processes.items():
        top = pid not in listening and (process.parent in listening or process.parent not in processes)
        if top and (not process.daemon or _has_socket(pid)):  # without a socket it is a listener that detaches
            chosen[pid] = process
    for pid, process in processes.items():
        if process.parent in chosen and chosen[process.parent].child is None:  # a locker comes second
            chosen[process.parent].child = pid
    own = os.geteuid()
    return [process for process in chosen.values() if own in (0, process.uid)]


def _all() -> dict[int, Process]:
    """The processes of popa3d, by process id, but helpers: sessions know their TLS processes. Empty if there is no /proc."""
    try:
        pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    except OSError:
        return {}
    processes = {process.pid: process for process in map(look, pids) if process}
    starters = {pid for pid, process in processes.items() if process.is_starter}
    named = {pid: process.name for pid, process in processes.items() if process.uid == 0}
    spares = {pid for pid, name in named.items() if name == process_name.SPARE}
    beside = {pid for pid, name in named.items() if name in (process_name.KEEPER, process_name.COPIER)}
    helpers = starters | spares | beside | {pid for pid, process in processes.items() if process.parent in spares}
    started = {pid: process for pid, process in processes.items() if process.parent in starters}
    for pid in helpers:
        del processes[pid]
    # Only the starter's children are believed whose clients they have: their names are given by root.
    by_former = {process_name.decode_session(process.name): pid for pid, process in started.items() if pid in processes}
    by_former.pop(0, None)  # those that have no client yet
    for pid, (security, session) in _tls_processes(processes).items():
        del processes[pid]
        owner = processes.get(session) or processes.get(by_former.get(session, 0))
        if owner is not None:
            owner.tls, owner.security = pid, security
    return processes


def _tls_processes(processes: dict[int, Process]) -> dict[int, tuple[str, int]]:
    """What those that are TLS processes say, and their sessions. The name is believed of nobody but their user."""
    named = {pid: named for pid, process in processes.items() if (named := process_name.decode(process.name))}
    if not named:
        return {}
    try:
        uid = pwd.getpwnam(TLS_USER).pw_uid
    except KeyError:
        return {}
    return {
        pid: (security, session if (maker := connections.maker(pid)) is None else maker)
        for pid, (security, session) in named.items()
        if processes[pid].uid == uid
    }


def _listeners(processes: dict[int, Process]) -> set[int]:
    """Those that listen: the daemons at the top, unless they have a client, as the sessions of one that has ended do."""
    tops = {pid for pid, process in processes.items() if process.daemon and process.parent not in processes}
    return {pid for pid in tops if not connections.peer_and_idle(processes[pid].connected)[0]}


def _runs(process: Process, program: str) -> bool:
    """Whether the process was started from the file `program`."""
    start = "root" if process.program.startswith("/") else "cwd/"
    try:
        return os.path.samefile(f"/proc/{process.pid}/{start}{process.program}", program)
    except OSError:
        return False


def _executable(pid: int, interpreter: str) -> str:
    """The program that the kernel runs; where that may not be seen, `interpreter`. Raises OSError."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return interpreter


def _has_socket(pid: int) -> bool:
    """Whether descriptor 0 is a socket. Where that may not be seen, it is held to be one."""
    try:
        return os.readlink(f"/proc/{pid}/fd/0").startswith("socket:")
    except PermissionError:
        return True
    except OSError:
        return False
