"""Which system calls each process may make: the table that the filters are made of.

Not loaded by the programs: `make filters` assembles it (assembler.py) into the files *.filters beside it, and a test compares the
two. Names that a machine does not have count for the other one.

With these lists the tests of sessions pass on Debian 12 (Python 3.11, glibc 2.36) and 13 (3.13, 2.41). The second has added
fstat, where the first makes newfstatat, and open, for a file of /proc that malloc looks at.

Runs as: root, never: constants for `make filters` and tests.
Trusts: nothing.
"""

# What happens to all other calls.
KILL = "kill"  # the process ends by SIGSYS at once
FAIL = "fail"  # the call fails, with the error of shared/system_calls.py, which tells its number

# linux/socket.h, linux/net.h, linux/tcp.h
_AF_UNIX, _SOCK_DGRAM, _SOCK_FLAGS = 1, 2, 0o2004000  # SOCK_CLOEXEC and SOCK_NONBLOCK
_SOL_SOCKET, _SO_TYPE, _SO_SNDBUF, _SO_RCVTIMEO, _SO_PROTOCOL, _SO_DOMAIN = 1, 3, 7, 20, 38, 39
_IPPROTO_TCP, _TCP_NODELAY = 6, 1
_MSG_DONTWAIT, _MSG_NOSIGNAL = 0x40, 0x4000
# linux/mman.h
_PROT_WRITE, _PROT_EXEC, _MAP_ANONYMOUS = 2, 4, 0x20
# linux/fcntl.h, asm-generic/ioctls.h, linux/prctl.h
_F_GETFD, _F_SETFD, _F_GETFL, _F_SETLK, _F_SETLKW, _F_DUPFD_CLOEXEC, _F_ADD_SEALS = 1, 2, 3, 6, 7, 1030, 1033
_TCGETS, _FIOCLEX = 0x5401, 0x5451
_O_WRITES = 0o3 | 0o100 | 0o1000 | 0o20000000  # O_ACCMODE, O_CREAT, O_TRUNC, and the bit that O_TMPFILE has of its own
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 3, 4, 15, 38, 65
_SECCOMP_SET_FILTER, _SECCOMP_LOG = 1, 2
# linux/sched.h: what fork(3) passes to clone(2), and no more: no thread, no namespace.
_FORK = 0x01000000 | 0x00200000 | 0xFF  # CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, and the signal at its end
_ALL = 0xFFFFFFFF


class Is:
    """An argument is one of these numbers. Of a call's arguments the lower 32 bits are looked at, as the kernel takes an int."""

    def __init__(self, argument: int, *values: int) -> None:
        self.argument = argument
        self.values = values


class IsNot(Is):
    """An argument is none of them."""


class Has:
    """An argument has exactly these bits of a mask."""

    def __init__(self, argument: int, mask: int, bits: int = 0) -> None:
        self.argument = argument
        self.mask = mask
        self.bits = bits


class Null:
    """An argument is a null pointer, with all of its 64 bits."""

    def __init__(self, argument: int) -> None:
        self.argument = argument


TYPE_CHECKING = False  # the typing module is imported by nothing in root's folder
if TYPE_CHECKING:
    Condition = Is | Has | Null
    Rules = dict[str, tuple[tuple[Condition, ...], ...]]


class Process:
    """What a process may do.

    calls: whatever their arguments. rules: calls for which one of some lists of conditions must hold, each of them whole.
    default: what all else meets. Some calls fail with ENOSYS in any case, see UNKNOWN.
    """

    def __init__(self, default: str, calls: str, rules: "Rules") -> None:
        self.default = default
        self.calls = frozenset(calls.split())
        self.rules = rules


# As on an older kernel, so that the C library or Python does what it did there: clone3 (its arguments are in memory, where a
# filter does not see them), and all calls that are newer than Linux 6.1.
UNKNOWN = frozenset({"clone3"})

# Memory, waiting, time, the end: what each process may. The kernel's own restart of a call is a call, too. Python and the C
# library ask for the time without one, where the machine lets them.
_LIFE = """
    brk munmap mremap madvise futex
    rt_sigreturn restart_syscall clock_gettime gettimeofday time clock_nanosleep
    exit exit_group
"""
_MEMORY: "Rules" = {
    "mmap": ((Has(2, _PROT_EXEC), Has(3, _MAP_ANONYMOUS, _MAP_ANONYMOUS)),),
    "mprotect": ((Has(2, _PROT_EXEC),),),
}
# The connection and the log are sent to without an address. Nobody can send elsewhere, nor out of band: of the kernel's code
# for local sockets, that part has had the worst holes.
_SEND: "Rules" = {"sendto": ((Null(4), Is(3, 0, _MSG_DONTWAIT, _MSG_NOSIGNAL)),)}
# What Python asks of a descriptor to know which socket it is, and TCP_NODELAY.
_ENDPOINT: "Rules" = {
    "getsockopt": ((Is(1, _SOL_SOCKET), Is(2, _SO_TYPE, _SO_PROTOCOL, _SO_DOMAIN)),),
    "setsockopt": ((Is(1, _IPPROTO_TCP), Is(2, _TCP_NODELAY)),),
}

# The pre-auth child, once it has sent the greeting. Its descriptors: the client's connection, the pipe to root.
PREAUTH = Process(KILL, _LIFE + "read write pselect6 close", _MEMORY | _SEND)

# The TLS process: the client's connection, the session's socket, the pipe to root. It is shown by a name (census). It leaves
# what its session has said last to the kernel, for which it enlarges the buffer.
_LAST: "Rules" = {
    "getsockopt": (*_ENDPOINT["getsockopt"], (Is(1, _SOL_SOCKET), Is(2, _SO_SNDBUF))),
    "setsockopt": (*_ENDPOINT["setsockopt"], (Is(1, _SOL_SOCKET), Is(2, _SO_SNDBUF))),
}
TLS = Process(
    KILL,
    _LIFE + "read write recvfrom shutdown close poll ppoll pselect6 getsockname getpid getrandom",
    _MEMORY | _SEND | _LAST | {"prctl": ((Is(0, _PR_SET_NAME),),)},
)

# Files: which ones, Landlock decides. (open: glibc 2.41's malloc looks at a file of /proc.)
_FILES = """
    read write close pread64 pwrite64 lseek
    open openat fstat newfstatat fstatfs getdents64 utimensat fchmod unlink unlinkat
    flock
"""
_OWN = " getpid gettid getuid geteuid getgid getegid getrandom rt_sigprocmask "
# Whether a process lives, and no signal to any.
_ALIVE: "Rules" = {"kill": ((Is(1, 0),),)}

_FCNTL: "Rules" = {
    "fcntl": (
        (Is(1, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETLK, _F_SETLKW),),
        # Not of the client's connection, which `connect` below must not get.
        (Is(1, _F_DUPFD_CLOEXEC), IsNot(0, 0, 1)),
    )
}

# The session, from the record to its end, and the process that looks at the second half of a large mailbox.
SESSION = Process(
    FAIL,
    _LIFE
    + _FILES
    + _OWN
    + """
    fsync fdatasync ftruncate fallocate renameat
    pselect6 poll ppoll getsockname
    getresuid getresgid getgroups sched_getaffinity
    rt_sigaction readlink readlinkat getcwd sysinfo
    """,
    {
        # Modules are loaded when they are needed, some from libraries. No memory can be both written and executed.
        "mmap": ((Has(2, _PROT_EXEC),), (Has(2, _PROT_WRITE), Has(3, _MAP_ANONYMOUS))),
        "mprotect": _MEMORY["mprotect"],
        "ioctl": ((Is(1, _TCGETS, _FIOCLEX),),),
        "prlimit64": ((Null(2),),),
        # The log: a socket that can only send datagrams to local ones. The client's connection cannot be led elsewhere.
        "socket": ((Is(0, _AF_UNIX), Has(1, _ALL & ~_SOCK_FLAGS, _SOCK_DGRAM)),),
        "connect": ((IsNot(0, 0, 1),),),
        "getsockopt": _ENDPOINT["getsockopt"],
        "setsockopt": (*_ENDPOINT["setsockopt"], (Is(1, _SOL_SOCKET), Is(2, _SO_RCVTIMEO))),
    }
    | _SEND
    | _ALIVE
    | _FCNTL,
)

# In addition: for a mailbox that two processes look at, the second one.
FORKS = Process(FAIL, "pipe2 set_robust_list wait4", {"clone": ((Has(0, _ALL & ~_FORK),),)})

# In addition, where root's process executes the session's program: that, and the start of the interpreter. Landlock lets
# nothing else be executed.
# If it cannot be executed, root's process says so, within a time.
EXECUTES = Process(FAIL, "execve access faccessat arch_prctl set_tid_address set_robust_list rseq uname alarm setitimer", {})

# In addition, where a process of root's has children that become somebody else: that, and setting their own filter and rules,
# which come on top of these. What it waits for are messages with descriptors.
BECOMES = Process(
    FAIL,
    """
    recvmsg setsid dup2 dup3 close_range
    setgroups setresgid setresuid setgid setuid getresuid getresgid getgroups
    landlock_create_ruleset landlock_add_rule landlock_restrict_self
    """,
    {
        "prctl": (
            (Is(0, _PR_GET_DUMPABLE, _PR_SET_NAME, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE),),
            (Is(0, _PR_SET_DUMPABLE), Is(1, 0)),
        ),
        "seccomp": ((Is(0, _SECCOMP_SET_FILTER), Is(1, _SECCOMP_LOG)),),
    },
)

# The starter of sessions, and its children until they have the session's: so it may whatever a session may. It leaves the note
# of a client that comes through a proxy (shared/client_note.py).
_WAITS = Process(FAIL, "waitid recvfrom memfd_create", {"fcntl": ((Is(1, _F_ADD_SEALS),),)})

# The keeper of the TLS key, once it has it, and its children until they have the TLS process's. They open nothing for writing.
_READS: "Rules" = {"open": ((Has(1, _O_WRITES),),), "openat": ((Has(2, _O_WRITES),),)}
_LOGS: "Rules" = {"socket": SESSION.rules["socket"], "connect": SESSION.rules["connect"]}
KEEPS = Process(
    FAIL,
    _OWN + "fstat newfstatat lseek rt_sigaction waitid chroot chdir alarm setitimer prlimit64",
    _READS | _LOGS | _ALIVE | _FCNTL,
)

# The process that makes a dot-lock for the session.
LOCKER = Process(FAIL, _LIFE + _FILES + _OWN + "rt_sigaction", _MEMORY | _ALIVE)


def _sum(*parts: Process) -> Process:
    """What all of these may."""
    rules: "Rules" = {}
    for part in parts:
        for name, alternatives in part.rules.items():
            rules[name] = tuple(dict.fromkeys(rules.get(name, ()) + alternatives))
    return Process(parts[0].default, " ".join(name for part in parts for name in sorted(part.calls)), rules)


# The filters, by the names under which they are installed.
FILTERS = {
    "preauth": PREAUTH,
    "tls": TLS,
    "locker": LOCKER,
    "session": _sum(SESSION),
    "session forks": _sum(SESSION, FORKS),
    "session executes": _sum(SESSION, EXECUTES),
    "session executes forks": _sum(SESSION, EXECUTES, FORKS),
    "starter": _sum(SESSION, FORKS, BECOMES, _WAITS),
    "keeper": _sum(KEEPS, TLS, FORKS, BECOMES),
}
