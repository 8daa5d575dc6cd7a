"""What holds a process back besides its user: filters of system calls (seccomp), and rules for files (Landlock).

table.py says which calls each process may make. Here they are put on, and what files a session may open is said (_rules). What
the kernel does not offer is left out; `missing` says so. What it offers and then refuses is an error.

Runs as: root; the functions that set something, as the user that the process has just become.
Trusts: the kernel and the administrator.
"""

import _stat as stat
import posix as os  # as os, without its start-up time
import sys
from _struct import pack

from ...shared import Failure
from .. import libc

_MACHINE = os.uname().machine
_HERE = __file__.rpartition("/")[0]
_FILTERS_OCTETS = 64 * 1024

# The numbers of seccomp(2), by machine, and linux/seccomp.h. With _LOG the kernel's log, too, has each call that is refused.
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_FILTER, _IS_AVAILABLE, _LOG, _KILL_PROCESS = 1, 2, 2, 0x80000000

# linux/landlock.h; the numbers of the calls are the same everywhere.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _VERSION, _PATH_BENEATH = 444, 445, 446, 1, 1
_EXECUTE, _WRITE, _READ, _READ_DIRECTORY, _REMOVE_DIRECTORY, _REMOVE = 1, 2, 4, 8, 16, 32
_MAKE_DIRECTORY, _MAKE, _TRUNCATE = 128, 256, 1 << 14
_FILE = _READ | _WRITE | _TRUNCATE
_LIBRARY = _READ | _READ_DIRECTORY
_LOCK = _READ | _WRITE | _MAKE | _REMOVE  # a dot-lock, and a stale one of another program
_STATE = _FILE | _READ_DIRECTORY | _MAKE | _REMOVE | _MAKE_DIRECTORY | _REMOVE_DIRECTORY  # see State.remove
_ALL = (1 << 16) - 1
# What no session needs anywhere: to execute, to make devices, sockets, FIFOs and links, to move files to another directory,
# ioctl(2) of devices.
_NEVER = _EXECUTE | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 15
# What each version of Landlock can deny: of files so many rights (bits), TCP (bind, connect), and signals and abstract sockets.
_RIGHTS = (0, 13, 14, 15, 15, 16)
_TCP, _TCP_SINCE = 3, 4
_SCOPES, _SCOPES_SINCE = 3, 6

# What executes an interpreter, if it is where the machine's ABI puts it.
_LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}


class NotConfined(Failure):
    """The kernel has refused what it offers. The process must end."""


class _Offered:
    """What the kernel offers, once that was asked: filters and Landlock. What is made of it is kept, for processes that fork.

    text: the file with this machine's filters; empty if there is none, or no seccomp. landlock: the version, or 0.
    """

    def __init__(self) -> None:
        self.text: bytes | None = None
        self.landlock = 0
        self.libraries: dict[str, list[tuple[str, int]]] = {}  # rules, by the program that may be executed
        self._programs: dict[str, tuple[bytes, bytes]] = {}

    def program(self, name: str) -> bytes:
        """A filter as seccomp(2) takes it (struct sock_fprog); empty if there is none of that name."""
        if name not in self._programs:
            text, head = self.text or b"", b"[%s]\n" % name.encode()
            start = text.find(head) + len(head)
            end = text.find(b"[", start)
            found = text[start : end if end >= 0 else len(text)] if head in text else b""
            octets = bytes.fromhex(found.decode("ascii"))
            self._programs[name] = (pack("@HP", len(octets) // 8, libc.address(octets)) if octets else b"", octets)
        return self._programs[name][0]


_offered = _Offered()


def prepare() -> None:
    """Ask what there is, and read the filters: in a chroot, and under Landlock, they cannot be read."""
    if _offered.text is not None:
        return
    _offered.text = b""
    _offered.landlock = max(0, libc.system_call(_CREATE_RULESET, None, 0, _VERSION))
    if _MACHINE not in _SECCOMP or sys.maxsize < 2**32:
        return
    if libc.system_call(_SECCOMP[_MACHINE], _IS_AVAILABLE, 0, pack("=I", _KILL_PROCESS)):
        return
    try:
        fd = os.open(f"{_HERE}/{_MACHINE}.filters", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _offered.text = os.read(fd, _FILTERS_OCTETS)
    finally:
        os.close(fd)


def missing() -> str:
    """What this host lacks of filters and rules, for the log; empty if there are both."""
    prepare()
    lacking = [] if _offered.text else [f"seccomp filters for {_MACHINE}"]
    if not _offered.landlock:
        lacking.append("Landlock")
    return " and ".join(lacking)


def insufficient() -> str:
    """Why nothing is served, for the log: something is `missing` that the administrator requires."""
    return f"This host has no {missing()}, and sandbox.require is set"


def offered() -> str:
    """What is in force here, for people."""
    prepare()
    parts = [f"seccomp ({_MACHINE})"] if _offered.text else []
    if _offered.landlock:
        parts.append(f"Landlock {_offered.landlock}")
    try:
        libc.prctl(libc.PR_GET_MDWE)
        parts.append("MDWE")
    except (libc.Missing, OSError):
        pass
    return ", ".join(parts) or "none"


def preauth() -> None:
    """The pre-auth child, once it has sent the greeting. `prepare` was called before the chroot. Raises NotConfined."""
    _forbid("preauth")


def tls() -> None:
    """The TLS process, before it reads anything. `prepare` was called before the chroot. Raises NotConfined."""
    _forbid("tls")


def starter() -> None:
    """The starter of sessions, before it is asked anything. Its children set their own on top. Raises NotConfined.

    Which files they may open is for them to say: a spool may be mounted later, and a rule would not know it then.
    """
    _restrict([], _NEVER)
    _forbid("starter")
    for name in ("session", "session forks"):  # so that no child has to do that
        _offered.program(name)
    _library("")


def keeper() -> None:
    """The keeper of the TLS key, once it has the key. Its children set their own on top. Raises NotConfined."""
    prepare()
    _restrict([("/proc", _READ)])  # for privileges.confine
    _forbid("keeper")


def locker(spool: str) -> None:
    """The process that makes a dot-lock in the spool, as the mailbox owner. Raises NotConfined."""
    _restrict([(spool, _LOCK)])
    _forbid("locker")


def session(mailbox: str, state: str, makes_locks: bool, large_octets: int, program: str = "") -> None:
    """The session, as the mailbox owner. Raises NotConfined.

    state: the owner's state directory, if there is one. makes_locks: dot-locks, beside the mailbox. large_octets: a mailbox of
    this size may have a second process. program: the session's, which this process will execute, and nothing else; empty: it
    executes nothing.
    """
    status = _status(mailbox)
    is_file = status is not None and stat.S_ISREG(status.st_mode)
    rules = list(_library(program))
    if is_file:
        rules.append((mailbox, _FILE))
    if state:
        rules.append((state, _STATE))
    if makes_locks:
        rules.append((mailbox.rpartition("/")[0] or "/", _LOCK))
    _restrict(rules)
    forks = status is not None and is_file and status.st_size >= large_octets
    _forbid(f"session{' executes' if program else ''}{' forks' if forks else ''}")


def _library(program: str) -> list[tuple[str, int]]:
    """Rules for what Python, the C library and popa3d load, at their start or later; and for executing `program`."""
    if program in _offered.libraries:
        return _offered.libraries[program]
    directories = [f"{sys.base_prefix}/lib", f"{sys.base_prefix}/{sys.platlibdir}", "/usr/lib"]
    loader = _LOADERS.get(_MACHINE, "")
    # Each rule takes time. Mostly /lib is a link to /usr/lib, and Debian's /lib64 has nothing but one to the loader.
    if _link("/lib") != "usr/lib":
        directories.append("/lib")
    if not _link(loader).startswith("/lib/"):
        directories.append("/lib64")
    own = _HERE.rpartition("/popa3d/root/")[0]
    if not own.startswith("/usr/lib/"):
        directories.append(own)
    executed = _EXECUTE if program and _status(loader) is None else 0
    rules = [(path, _LIBRARY | executed) for path in dict.fromkeys(directories)]
    rules += [(path, _READ) for path in ("/etc/ld.so.cache", "/etc/localtime")]
    if program:
        rules += [(path, _READ | _EXECUTE) for path in (program, sys.executable, loader)]
    _offered.libraries[program] = rules
    return rules


def _link(path: str) -> str:
    """Where a symbolic link leads; empty if it is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _restrict(rules: list[tuple[str, int]], denied: int = _ALL) -> None:
    """From now on only files below these paths can be opened, for what is said of each; and no TCP, and no signals to others.

    denied: other rights than these stay as they are.
    """
    prepare()
    version = _offered.landlock
    if not version:
        return
    rights = denied & (1 << _RIGHTS[min(version, len(_RIGHTS) - 1)]) - 1
    tcp = _TCP if version >= _TCP_SINCE else 0
    scopes = _SCOPES if version >= _SCOPES_SINCE else 0
    ruleset = libc.system_call(_CREATE_RULESET, pack("=QQQ", rights, tcp, scopes), 24, 0)
    if ruleset < 0:
        raise NotConfined("The kernel has refused Landlock's rules")
    for path, allowed in rules:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there, or not for this user, needs no rule
        refused = libc.system_call(_ADD_RULE, ruleset, _PATH_BENEATH, pack("=Qi", allowed & rights, fd), 0)
        os.close(fd)
        if refused:
            raise NotConfined(f"The kernel has refused Landlock's rule for {path}")
    if libc.system_call(_RESTRICT_SELF, ruleset, 0):
        raise NotConfined("The kernel has refused Landlock's rules")
    os.close(ruleset)


def _forbid(name: str) -> None:
    """From now on only the system calls of the filter `name` can be made. no_new_privileges was called."""
    try:
        libc.prctl(libc.PR_SET_MDWE, libc.MDWE_REFUSE_EXEC_GAIN)
    except (libc.Missing, OSError):
        pass  # the filter refuses the same, where there is one
    if _offered.text is None:
        raise NotConfined("The kernel has refused a seccomp filter: it was not read in time")
    if not _offered.text:
        return
    program = _offered.program(name)
    if not program or libc.system_call(_SECCOMP[_MACHINE], _SET_FILTER, _LOG, program):
        raise NotConfined(f"The kernel has refused a seccomp filter: {name}")
