"""What each process may call, written out: a filter that lets more through is another decision, to be made here as well.

ALLOWED: whatever the arguments. RULED: with some arguments. KILLS: what else it calls ends the process.
"""

from __future__ import annotations

_LIFE = "brk munmap mremap madvise futex rt_sigreturn restart_syscall clock_gettime gettimeofday time "
_LIFE += "clock_nanosleep exit exit_group "
_FILES = "open read write close pread64 pwrite64 lseek openat fstat newfstatat fstatfs getdents64 utimensat "
_FILES += "fchmod unlink unlinkat flock "
_OWN = "getpid gettid getuid geteuid getgid getegid getrandom rt_sigprocmask "
_MORE = "fsync fdatasync ftruncate fallocate renameat pselect6 poll ppoll getsockname getresuid getresgid getgroups "
_SESSION = _LIFE + _FILES + _OWN + _MORE + "sched_getaffinity rt_sigaction readlink readlinkat getcwd sysinfo "
_FORKS = "pipe2 set_robust_list wait4 "
_EXECUTES = "execve access faccessat arch_prctl set_tid_address set_robust_list rseq uname alarm setitimer "
_BECOMES = "recvmsg setsid dup2 dup3 close_range setgroups setresgid setresuid setgid setuid getresuid getresgid getgroups "
_BECOMES += "landlock_create_ruleset landlock_add_rule landlock_restrict_self "
_TLS = _LIFE + "read write recvfrom shutdown close poll ppoll pselect6 getsockname getpid getrandom "
_KEEPS = _OWN + "fstat newfstatat lseek rt_sigaction waitid chroot chdir alarm setitimer prlimit64 "

ALLOWED = {
    "preauth": {*(_LIFE + "exit_group read write pselect6 close").split()},
    "tls": {*_TLS.split()},
    "locker": {*(_LIFE + _FILES + _OWN + "rt_sigaction").split()},
    "session": {*_SESSION.split()},
    "session forks": {*(_SESSION + _FORKS).split()},
    "session executes": {*(_SESSION + _EXECUTES).split()},
    "session executes forks": {*(_SESSION + _FORKS + _EXECUTES).split()},
    "starter": {*(_SESSION + _FORKS + _BECOMES + "waitid recvfrom memfd_create").split()},
    "keeper": {*(_TLS + _KEEPS + _FORKS + _BECOMES).split()},
}
_CHECKED = "mmap mprotect sendto ioctl prlimit64 socket connect getsockopt setsockopt kill fcntl"
_SESSION_RULED = {*_CHECKED.split()}
RULED = {
    "preauth": {"mmap", "mprotect", "sendto"},
    "tls": {"mmap", "mprotect", "sendto", "getsockopt", "setsockopt", "prctl"},
    "locker": {"mmap", "mprotect", "kill"},
    "session": _SESSION_RULED,
    "session forks": _SESSION_RULED | {"clone"},
    "session executes": _SESSION_RULED,
    "session executes forks": _SESSION_RULED | {"clone"},
    "starter": _SESSION_RULED | {"clone", "prctl", "seccomp"},
    "keeper": {"mmap", "mprotect", "sendto", "socket", "connect", "getsockopt", "setsockopt", "kill", "clone", "prctl", "seccomp"}
    | {"open", "openat", "fcntl"},
}
KILLS = {"preauth", "tls"}
