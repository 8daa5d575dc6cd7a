"""Which processes are sessions: told by what the interpreter was started with, from /proc alone.

popa3d is a script, so its processes are `/usr/bin/python3 -IBS .../popa3d`, and after login `... .../popa3d-session`. A
process of the first kind has its pre-auth child below it, and with -D a listener above it, all with the same arguments.

Runs as: the operator (root sees all sessions, others their own), and root where the administrator limits sessions.
Trusts: the kernel. Any user can start processes that look like a session of his own.
"""

import os

from .. import arguments
from . import connections

_ROOT, _OWNER = b"popa3d", b"popa3d-session"
_FLAGS = frozenset(b"bBdEiIOPqRsSuvx")  # Python's options without an argument: with another, the script is not the next word
_NEEDED = frozenset(b"IS")  # the programs are always run isolated and without site
_CMDLINE_OCTETS = 65536


class Process:
    """One process of popa3d: `authenticated` if it is popa3d-session, `daemon` if it, or what started it, was to listen."""

    def __init__(self, pid: int, program: str, parent: int, uid: int, authenticated: bool, daemon: bool) -> None:
        self.pid = pid
        self.program = program  # its path, which is absolute or not
        self.parent = parent
        self.uid = uid  # the effective one
        self.authenticated = authenticated
        self.daemon = daemon
        self.child: int | None = None  # the pre-auth child of a session


def look(pid: int) -> Process | None:
    """The process `pid`, if it is one of popa3d's; None if it is another, is gone, or cannot be seen."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(_CMDLINE_OCTETS).split(b"\0")[:-1]
        if len(words) < 3 or words[2].rpartition(b"/")[2] not in (_ROOT, _OWNER) or not _isolated(words[1]):
            return None
        if not os.path.basename(_executable(pid, os.fsdecode(words[0]))).startswith("python"):
            return None
        with open(f"/proc/{pid}/status", "rb") as file:
            status = dict(line.partition(b":")[::2] for line in file.read().splitlines())
        uid = int(status[b"Uid"].split()[1])
        authenticated = words[2].endswith(_OWNER)
        daemon = not authenticated and _listens(words[3:])
        return Process(pid, os.fsdecode(words[2]), int(status[b"PPid"]), uid, authenticated, daemon)
    except (OSError, KeyError):  # it ended meanwhile
        return None


def _every() -> dict[int, Process]:
    """All processes of popa3d, by process id. Empty if there is no /proc."""
    try:
        pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    except OSError:
        return {}
    return {found.pid: found for found in map(look, pids) if found}


def _listeners(every: dict[int, Process]) -> set[int]:
    return {pid for pid, found in every.items() if found.daemon and found.parent not in every and not _connected(pid)}


def listeners(program: str) -> list[int]:
    """The processes that listen with the file `program`, by process id; not those of containers, which have another root.

    They are root's: packages end what is found here, and other users could make it up.
    """
    every = _every()
    return [pid for pid in sorted(_listeners(every)) if every[pid].uid == 0 and _runs(every[pid], program)]


def _runs(process: Process, program: str) -> bool:
    """Whether the process was started from the file `program`."""
    start = "root" if process.program.startswith("/") else "cwd/"
    try:
        return os.path.samefile(f"/proc/{process.pid}/{start}{process.program}", program)
    except OSError:
        return False


def sessions() -> list[Process]:
    """The sessions that the caller may see, by process id: root all, others their own. Empty if there is no /proc."""
    every = _every()
    listeners = _listeners(every)
    chosen = {}
    for pid, found in every.items():
        top = pid not in listeners and (found.parent in listeners or found.parent not in every)
        if top and (not found.daemon or _has_socket(pid)):  # without a socket it is a listener that detaches
            chosen[pid] = found
    for pid, found in every.items():
        if found.parent in chosen and chosen[found.parent].child is None:  # a locker comes second
            chosen[found.parent].child = pid
    own = os.geteuid()
    return [found for found in chosen.values() if own in (0, found.uid)]


def _isolated(word: bytes) -> bool:
    """Whether a word is a cluster of Python's options such as ours have."""
    return word[:1] == b"-" and _NEEDED <= frozenset(word[1:]) <= _FLAGS


def _executable(pid: int, argument: str) -> str:
    """The program that the kernel runs; `argument` (what it was called) where only that may be known. Raises OSError."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return argument


def _listens(words: list[bytes]) -> bool:
    """Whether popa3d was told to listen."""
    try:
        return arguments.parse([os.fsdecode(word) for word in words]).action == arguments.LISTEN
    except arguments.Misused:
        return False


def _has_socket(pid: int) -> bool:
    """Whether descriptor 0 is a socket; so it is held to be where that may not be seen."""
    try:
        return os.readlink(f"/proc/{pid}/fd/0").startswith("socket:")
    except PermissionError:
        return True
    except OSError:
        return False


def _connected(pid: int) -> bool:
    """Whether descriptor 0 has a peer's address: so it is with a session whose listener has ended."""
    return bool(connections.peer_and_idle(pid)[0])
