"""The filters of system calls: what the files have is what the table says, and no more than is written out here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from popa3d.root.sandbox import assembler, table
from popa3d.shared import system_calls
from popa3d.shared.log import REFUSED_ERROR
from tests.unit.root.sandbox.expected import ALLOWED, KILLS, RULED
from tests.unit.root.sandbox.machine import ALLOW, ERRNO, KILL, call, run

HERE = Path(assembler.__file__).parent
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
I386 = 0x40000003
ENOSYS = 38
EACH = pytest.mark.parametrize("machine", MACHINES)
FILTER = pytest.mark.parametrize("name", ALLOWED)


def octets(machine: str, name: str) -> bytes:
    """A filter as it is assembled, and so as it is installed: see the first test."""
    return assembler.assemble(table.FILTERS[name], machine)


def result(machine: str, name: str, system_call: str, *arguments: int) -> int:
    """What a filter says to a call."""
    return run(octets(machine, name), call(MACHINES[machine], system_calls.numbers(machine)[system_call], *arguments))


@EACH
def test_the_files_are_those_of_the_table(machine: str) -> None:
    """Who changes the table has run `make filters`."""
    assert (HERE / f"{machine}.filters").read_text() == assembler.text(machine)
    assert set(table.FILTERS) == set(ALLOWED)


@EACH
@FILTER
def test_every_number(machine: str, name: str) -> None:
    """Each system call that a kernel may have is let through, depends on its arguments, is unknown or is refused, as written."""
    program = octets(machine, name)
    names = {number: word for word, number in system_calls.numbers(machine).items()}
    for number in [*range(600), 0x3FFFFFFF]:
        said = {run(program, call(MACHINES[machine], number, *[value] * 6)) for value in (0, 1, 2, 6, 2**64 - 1)}
        word = names.get(number, "")
        refused = KILL if name in KILLS else ERRNO + REFUSED_ERROR + number
        if number > system_calls.NEWEST or word == "clone3":
            assert said == {ERRNO + ENOSYS}, (number, word)
        elif word in RULED[name]:
            assert said <= {ALLOW, refused}, word
            assert refused in said, word
        else:
            assert said == {ALLOW if word in ALLOWED[name] else refused}, (number, word)


@EACH
@FILTER
def test_other_kinds_of_calls(machine: str, name: str) -> None:
    """Calls of another machine, such as those of 32-bit programs, and x32's on x86_64, end the process."""
    program = octets(machine, name)
    assert run(program, call(I386, 3)) == KILL
    assert run(program, call(next(MACHINES[other] for other in MACHINES if other != machine), 63)) == KILL
    for number in (0x40000000, 0x40000001, 0xFFFFFFFF):
        assert run(program, call(MACHINES[machine], number)) == KILL


CLOEXEC = 0o2000000
CASES = [
    # filters, system call, arguments, whether it may be made
    ("all", "mmap", (0, 4096, 3, 0x22), True),
    ("all", "mmap", (0, 4096, 7, 0x22), False),  # to be written and executed
    ("all", "mmap", (0, 4096, 5, 0x22), False),  # to be executed, of no file
    ("session", "mmap", (0, 4096, 5, 2, 3), True),  # a library
    ("session", "mmap", (0, 4096, 7, 2, 3), False),
    ("preauth", "mmap", (0, 4096, 5, 2, 3), False),
    ("preauth", "mmap", (0, 4096, 1, 2, 3), False),
    ("tls", "mmap", (0, 4096, 5, 2, 3), False),
    ("all", "mprotect", (0, 4096, 1), True),
    ("all", "mprotect", (0, 4096, 5), False),
    ("session", "socket", (1, 2 | CLOEXEC, 0), True),
    ("session", "socket", (1, 1, 0), False),
    ("session", "socket", (1, 5, 0), False),
    ("session", "socket", (1, 3, 0), False),
    ("session", "socket", (2, 2, 0), False),
    ("session", "socket", (16, 2, 0), False),
    ("session", "connect", (0,), False),
    ("session", "connect", (1,), False),
    ("session", "connect", (2**32 + 1,), False),  # the kernel takes an int
    ("session", "connect", (5,), True),
    ("preauth", "sendto", (1, 0, 10, 0, 0), True),
    ("preauth", "sendto", (1, 0, 10, 0x40, 0), True),  # MSG_DONTWAIT
    ("preauth", "sendto", (1, 0, 10, 1, 0), False),  # MSG_OOB
    ("tls", "sendto", (1, 0, 10, 0, 0), True),
    ("tls", "sendto", (1, 0, 10, 0x40, 0), True),  # MSG_DONTWAIT
    ("tls", "sendto", (1, 0, 10, 1, 0), False),  # MSG_OOB
    ("session", "sendto", (1, 0, 10, 0, 0), True),
    ("session", "sendto", (1, 0, 10, 0x4000, 0), True),  # MSG_NOSIGNAL
    ("session", "sendto", (1, 0, 10, 0x4041, 0), False),
    ("session", "sendto", (1, 0, 10, 0, 1), False),
    ("session", "sendto", (1, 0, 10, 0, 2**32), False),
    ("preauth", "sendto", (1, 0, 10, 0, 2**32), False),
    ("tls", "sendto", (1, 0, 10, 0, 4096), False),
    ("session", "fcntl", (5, 6), True),
    ("session", "fcntl", (5, 1030, 0), True),
    ("session", "fcntl", (0, 1030, 0), False),  # a copy of the connection could be connected elsewhere
    ("session", "fcntl", (2**32, 1030, 0), False),
    ("session", "fcntl", (5, 0, 0), False),
    ("session", "fcntl", (5, 8, 1), False),  # F_SETOWN: a signal to another process
    ("session", "ioctl", (0, 0x5401), True),
    ("session", "ioctl", (0, 0x5412), False),  # TIOCSTI
    ("session", "prlimit64", (0, 1, 0, 4096), True),
    ("session", "prlimit64", (0, 1, 4096, 0), False),
    ("session", "prlimit64", (0, 1, 2**32, 0), False),
    ("session", "kill", (1, 0), True),
    ("session", "kill", (1, 9), False),
    ("session", "kill", (2**64 - 1, 15), False),
    ("locker", "kill", (1, 0), True),
    ("locker", "kill", (1, 9), False),
    ("session", "setsockopt", (0, 1, 20), True),
    ("session", "setsockopt", (0, 1, 26), False),  # SO_ATTACH_FILTER
    ("session", "setsockopt", (0, 6, 20), False),
    ("session", "getsockopt", (0, 1, 17), False),  # SO_PEERCRED
    ("session", "clone", (17,), False),
    ("session forks", "clone", (0x01200011,), True),
    ("session forks", "clone", (0x01200111,), False),  # CLONE_VM
    ("session forks", "clone", (0x11200011,), False),  # CLONE_NEWUSER
    ("session forks", "clone", (0x01210011,), False),  # CLONE_THREAD
    ("tls", "prctl", (15,), True),
    ("tls", "prctl", (4, 1), False),  # PR_SET_DUMPABLE
    ("starter", "prctl", (4, 0), True),
    ("starter", "prctl", (4, 1), False),
    ("starter", "prctl", (22, 2), False),  # PR_SET_SECCOMP
    ("starter", "prctl", (24, 7), False),  # PR_CAPBSET_DROP
    ("starter", "seccomp", (1, 2), True),
    ("starter", "seccomp", (1, 8), False),  # SECCOMP_FILTER_FLAG_NEW_LISTENER
    ("starter", "seccomp", (0, 0), False),  # SECCOMP_SET_MODE_STRICT
    ("starter", "clone", (0x01200011,), True),
    ("starter", "clone", (0x11200011,), False),
    ("starter", "socket", (1, 2 | CLOEXEC, 0), True),
    ("starter", "socket", (1, 1, 0), False),
    ("starter", "socket", (2, 1, 0), False),
    ("starter", "socket", (16, 3, 0), False),
    ("starter", "connect", (0,), False),
    ("starter", "kill", (1, 15), False),
    ("starter", "fcntl", (5, 1033), True),  # F_ADD_SEALS
    ("session", "fcntl", (5, 1033), False),
    ("starter", "ioctl", (0, 0x5412), False),
    ("starter", "mmap", (0, 4096, 7, 0x22), False),
    ("keeper", "prctl", (4, 1), False),
    ("keeper", "seccomp", (1, 2), True),
    ("keeper", "clone", (0x01200011,), True),
    ("keeper", "clone", (0x11200011,), False),
    ("keeper", "socket", (1, 2, 0), True),
    ("keeper", "socket", (2, 1, 0), False),
    ("keeper", "openat", (2**64 - 100, 4096, 0o2000000), True),
    ("keeper", "openat", (2**64 - 100, 4096, 0o2000001), False),  # O_WRONLY
    ("keeper", "openat", (2**64 - 100, 4096, 0o2), False),
    ("keeper", "openat", (2**64 - 100, 4096, 0o100), False),  # O_CREAT
    ("keeper", "openat", (2**64 - 100, 4096, 0o1000), False),  # O_TRUNC
    ("keeper", "openat", (2**64 - 100, 4096, 0o20200000), False),  # O_TMPFILE
    ("keeper", "kill", (1, 15), False),
    ("keeper", "mmap", (0, 4096, 5, 2, 3), False),  # a library
]


@EACH
@pytest.mark.parametrize(("filters", "system_call", "arguments", "allowed"), CASES)
def test_arguments(machine: str, filters: str, system_call: str, arguments: tuple[int, ...], allowed: bool) -> None:
    """Where arguments matter, those that are needed pass and no others."""
    names = [
        name for name in ALLOWED if filters == "all" or name == filters or (filters == "session" and name.startswith(filters))
    ]
    for name in names:
        if system_call == "clone" and filters == "session" and "forks" in name:
            continue
        said = result(machine, name, system_call, *arguments)
        assert (said == ALLOW) == allowed, (name, hex(said))


def test_names() -> None:
    """The numbers of system calls are the kernel's: some of each part of the lists, and all that this machine's headers have."""
    x86_64 = {"read": 0, "clone": 56, "unlinkat": 263, "seccomp": 317, "rseq": 334, "clone3": 435, "set_mempolicy_home_node": 450}
    aarch64 = {
        "getcwd": 17,
        "fstat": 80,
        "clone": 220,
        "wait4": 260,
        "seccomp": 277,
        "rseq": 293,
        "clone3": 435,
        "futex_waitv": 449,
    }
    assert x86_64.items() <= system_calls.numbers("x86_64").items()
    assert aarch64.items() <= system_calls.numbers("aarch64").items()
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if header.exists():  # linux-libc-dev, which a compiler needs
        real = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}
        assert system_calls.numbers("x86_64").items() <= real.items()


@pytest.mark.parametrize("calls", ["socket_", "clone3", "mmap"])
def test_mistakes_in_the_table(calls: str) -> None:
    """A name that no machine has, that is unknown to all, or that stands twice in the table is a mistake."""
    with pytest.raises(assembler.NotAssembled):
        assembler.assemble(table.Process(table.KILL, calls, {"mmap": ((table.Null(0),),)}), "x86_64")
