"""The live sessions: whose, from which address, since when, at what cost.

Runs as: the operator (root sees all sessions, others their own).
Trusts: the kernel.
"""

import pwd
import sys
import time

from ..shared import client_note
from ..shared.address import numeric
from ..shared.census import connections, processes
from ..shared.limits import PYTHON_DIRECTORIES, USER

TYPE_CHECKING = False  # as everywhere in the library
if TYPE_CHECKING:
    from typing import Any

_SHELLS = frozenset(("sh", "ash", "bash", "dash", "fish", "ksh", "mksh", "tcsh", "csh", "zsh", "busybox"))


class Session:
    """One session. The attributes, in this order, are the fields of `popa3d-status --json`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peer = ""  # the numeric address; empty for a pipe, a terminal or a local socket
        self.account = ""  # empty while authenticating
        self.state = "authenticating"  # or "transaction"
        self.started = 0.0  # seconds since 1970
        self.age_s = 0.0
        self.idle_s: float | None = None  # since the client last sent something; None where that is not known
        self.memory: int | None = None  # private octets; None where that may not be seen
        self.cpu_s = 0.0
        self.door = ""  # what started it
        self.tls = ""  # "TLS 1.3", or "TLS" during the handshake; empty without TLS


def live() -> list[Session]:
    """The sessions that the caller may see, oldest first. Raises ImportError without psutil."""
    psutil = _psutil()
    sessions = []
    for process in processes.sessions():
        try:
            session = _session(psutil, process)
        except (psutil.Error, OSError):
            continue  # it has ended
        if session:
            sessions.append(session)
    return sorted(sessions, key=lambda session: (session.started, session.pid))


def _psutil() -> "Any":
    """psutil, from where the distribution has it: site processing is off. Raises ImportError."""
    directories = [path.format(sys.prefix, "%d.%d" % sys.version_info[:2]) for path in PYTHON_DIRECTORIES]
    sys.path += directories
    try:
        import psutil
    finally:
        del sys.path[-len(directories) :]
    return psutil


def _session(psutil: "Any", counted: processes.Process) -> Session | None:
    """All about one session; None if it has ended. Raises psutil.Error or OSError if it ends meanwhile."""
    booted = psutil.boot_time()  # whole seconds, as in create_time: only the difference is exact
    process = psutil.Process(counted.pid)
    now = processes.look(counted.pid)
    if now is None:
        return None
    session = Session(now.pid)
    name = _name(now.uid)
    if now.authenticated or (now.uid != 0 and name != USER):  # the latter is about to become popa3d-session
        session.state, session.account = "transaction", name
    age_s = max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - (process.create_time() - booted))
    session.started, session.age_s = round(time.time() - age_s, 2), round(age_s, 2)
    session.tls = counted.security
    peer, idle_s = connections.peer_and_idle(counted.connected)
    session.peer = client_note.read(counted.pid) or peer or _peer(psutil, counted.connected)
    if idle_s is not None:
        session.idle_s = min(idle_s, session.age_s)  # the connection may be older than the process
    session.memory, session.cpu_s = _cost(psutil, process)
    for pid in (counted.child if session.state == "authenticating" else None, counted.tls):
        if pid is not None:
            _add_cost(psutil, session, pid)
    session.cpu_s = round(session.cpu_s, 2)
    session.door = _door(psutil, process, now)
    return session if process.is_running() else None


def _name(uid: int) -> str:
    """The account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _peer(psutil: "Any", pid: int) -> str:
    """The peer's address from the kernel's tables, for kernels and containers that let nobody copy descriptors."""
    try:
        process = psutil.Process(pid)
        sockets = getattr(process, "net_connections", process.connections)("inet")
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return ""
    return next((numeric(socket.raddr.ip) for socket in sockets if socket.fd == 0 and socket.raddr), "")


def _cost(psutil: "Any", process: "Any") -> tuple[int | None, float]:
    """Private octets of memory (None if they may not be seen), and seconds of CPU, with those of children that ended."""
    spent = sum(process.cpu_times()[:4])
    try:
        return process.memory_full_info().uss, spent
    except psutil.AccessDenied:
        return None, spent


def _add_cost(psutil: "Any", session: Session, pid: int) -> None:
    """Another process of the session costs something, too."""
    try:
        memory, cpu_s = _cost(psutil, psutil.Process(pid))
    except psutil.NoSuchProcess:
        return  # the client has just sent PASS, or is gone
    session.memory = None if session.memory is None or memory is None else session.memory + memory
    session.cpu_s += cpu_s


def _door(psutil: "Any", process: "Any", now: processes.Process) -> str:
    """What started a session: the name of its parent, or of the super-server behind a shell that is its parent."""
    listener = processes.look(now.parent)
    if now.daemon or (listener and (listener.daemon or listener.is_starter)):
        return "popa3d -D"
    shell = False
    while (process := process.parent()) is not None:
        name = process.name()
        if name.endswith("inetd"):  # openbsd-inetd, inetutils-inetd
            return "xinetd" if name == "xinetd" else "inetd"
        if name not in _SHELLS:
            return "shell" if shell else name
        shell = True
    return "shell" if shell else ""
