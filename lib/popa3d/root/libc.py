"""Calls of the C library that Python has no module for, and syscall(2) for those that it has none for.

It uses _ctypes, the C part of ctypes, which loads in a seventh of the time: this is imported before the greeting.

Runs as: root, and the mailbox owner or user popa3d when it has just dropped privileges.
Trusts: the C library.
"""

import _ctypes
import sys

from ..shared import Failure

_LIBC = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]

# linux/prctl.h
PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 3, 4, 15, 36, 38
PR_SET_MDWE, PR_GET_MDWE, MDWE_REFUSE_EXEC_GAIN = 65, 66, 1  # since Linux 6.3: memory that was written is never executed

# linux/capability.h: a set is a bit for each capability
CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT = 1 << 6, 1 << 7, 1 << 18
_CAPABILITY_VERSION_3 = 0x20080522

_HIGHEST_FD = 2**31 - 1


class Missing(Failure):
    """The C library has no such function: this is not Linux."""


def prctl(option: int, value: int = 0) -> int:
    """What prctl(2) returns for an option with one argument. Raises Missing, or OSError if the kernel refuses it."""
    result = _call("prctl", option, value, 0, 0, 0)
    if result < 0:
        raise OSError(f"prctl {option} failed")
    return result


def set_name(name: str) -> None:
    """Let the kernel show `name` for this process (proc(5), comm); of more than 15 octets it shows the first."""
    try:
        _call("prctl", PR_SET_NAME, name.encode(), 0, 0, 0)
    except Missing:
        pass


def set_capabilities(capabilities: int) -> None:
    """Let this process have these capabilities and no others, capset(2). Raises Missing, or OSError if the kernel refuses it."""
    header = _CAPABILITY_VERSION_3.to_bytes(4, sys.byteorder) + bytes(4)  # of this process
    low, none = capabilities.to_bytes(4, sys.byteorder), bytes(4)
    # Twice (the second time for the capabilities from 32 on): effective, permitted, inheritable.
    if _call("capset", header, low + low + none + none * 3) != 0:
        raise OSError("capset failed")


def close_from(low: int) -> bool:
    """Close all descriptors from `low` on, close_range(2). False: there is no such call (Linux 5.9, glibc 2.34)."""
    try:
        return _call("close_range", low, _HIGHEST_FD, 0) == 0
    except Missing:
        return False


def clearenv() -> None:
    """Remove every entry of the environment, also one without a name. Raises Missing."""
    _call("clearenv")


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """What a system call returns; -1 if the kernel refuses it, or the C library has no syscall(2). An int has 32 bits."""
    try:
        return _call("syscall", number, *arguments)
    except Missing:
        return -1


class _Pointer(_ctypes._SimpleCData):  # type: ignore[type-arg]
    """A char *."""

    _type_ = "z"


def address(data: bytes) -> int:
    """Where these octets are in memory, as long as there are references to them."""
    return int.from_bytes(bytes(_Pointer(data)), sys.byteorder)


def _call(name: str, *arguments: int | bytes | None) -> int:
    try:
        address = _ctypes.dlsym(_LIBC, name)
    except OSError:
        raise Missing from None
    return int(_ctypes.call_function(address, arguments))
