"""From the table to programs for seccomp(2): classic BPF, which the kernel runs at each system call.

`make filters` runs this and writes a file for each machine. A program first sees that the call is one of the machine's own kind.
Then come the few calls whose arguments matter. For all others it takes a bit from a bitmap: such a program is small, and it is
installed in a third of the time of one that searches (DESIGN.md).

Runs as: root, never: for `make filters` and tests.
Trusts: the table.
"""

import struct
from pathlib import Path

from ...shared.log import REFUSED_ERROR
from ...shared.system_calls import MACHINES, NEWEST, numbers
from .table import FAIL, FILTERS, UNKNOWN, Has, Is, IsNot, Null, Process

TYPE_CHECKING = False  # the typing module is imported by nothing in root's folder
if TYPE_CHECKING:
    from .table import Condition

    Instruction = tuple[int, int, str, str]  # operation, its number, and where to go if it holds, and if not ("": on)

# linux/bpf_common.h
_LOAD, _LOAD_NUMBER, _JUMP, _EQUAL, _GREATER_EQUAL, _ANY_BIT = 0x20, 0x00, 0x05, 0x15, 0x35, 0x45
_ADD, _AND, _SHIFT, _SHIFT_BY_X, _TO_X, _RETURN, _RETURN_A = 0x04, 0x54, 0x74, 0x7C, 0x07, 0x06, 0x16
# linux/seccomp.h
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_ENOSYS = 38
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; an argument's lower half comes first
# linux/audit.h
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000  # on x86_64: calls of another kind, with the same numbers
_WORDS = NEWEST // 32 + 1


class NotAssembled(Exception):
    """The table has a name that no machine has, or a program is too long."""


def assemble(process: Process, machine: str) -> bytes:
    """A program, as an array of struct sock_filter. Raises NotAssembled."""
    known = numbers(machine)
    _check(process)
    rules = {known[name]: rule for name, rule in process.rules.items() if name in known}
    program = _Program()
    program.add(_LOAD, _MACHINE)
    program.add(_EQUAL, _MACHINES[machine], "", "kill")
    program.add(_LOAD, _NUMBER)
    program.add(_GREATER_EQUAL, NEWEST + 1, "newer")
    for name in sorted(UNKNOWN & known.keys()):
        program.add(_EQUAL, known[name], "unknown")
    for number in sorted(rules):
        program.add(_EQUAL, number, f"rule {number}")
    _add_bitmap(program, {known[name] for name in process.calls if name in known})
    for number, alternatives in sorted(rules.items()):
        _add_rule(program, number, alternatives)
    program.mark("allow")
    program.add(_RETURN, _ALLOW)
    program.mark("default")
    if process.default == FAIL:
        program.add(_LOAD, _NUMBER)
        program.add(_ADD, _ERRNO + REFUSED_ERROR)
        program.add(_RETURN_A, 0)
    else:
        program.add(_RETURN, _KILL_PROCESS)
    program.mark("newer")
    program.add(_GREATER_EQUAL, _X32, "kill")
    program.mark("unknown")
    program.add(_RETURN, _ERRNO + _ENOSYS)
    program.mark("kill")
    program.add(_RETURN, _KILL_PROCESS)
    return program.octets()


def _check(process: Process) -> None:
    names = process.calls | process.rules.keys()
    unknown = names - {name for machine in MACHINES for name in numbers(machine)}
    if unknown or process.calls & process.rules.keys() or names & UNKNOWN:
        raise NotAssembled(f"no such call, or twice in the table: {sorted(unknown or names)}")


def _add_bitmap(program: "_Program", allowed: set[int]) -> None:
    """Go to "allow" if the bit of the call's number is set."""
    program.add(_AND, 31)
    program.add(_TO_X, 0)
    program.add(_LOAD, _NUMBER)
    program.add(_SHIFT, 5)
    words = [sum(1 << number % 32 for number in allowed if number // 32 == word) for word in range(_WORDS)]
    for word, bits in enumerate(words):
        if bits:
            program.add(_EQUAL, word, f"word {word}")
    program.add(_JUMP, 0, "default")
    for word, bits in enumerate(words):
        if bits:
            program.mark(f"word {word}")
            program.add(_LOAD_NUMBER, bits)
            program.add(_JUMP, 0, "bit")
    program.mark("bit")
    program.add(_SHIFT_BY_X, 0)
    program.add(_ANY_BIT, 1, "allow", "default")


def _add_rule(program: "_Program", number: int, alternatives: "tuple[tuple[Condition, ...], ...]") -> None:
    """Go to "allow" if all conditions of one of the alternatives hold."""
    program.mark(f"rule {number}")
    for index, conditions in enumerate(alternatives):
        otherwise = f"rule {number} {index + 1}"
        for condition in conditions:
            _add_condition(program, condition, otherwise)
        program.add(_JUMP, 0, "allow")
        program.mark(otherwise)
    program.add(_JUMP, 0, "default")


def _add_condition(program: "_Program", condition: "Condition", otherwise: str) -> None:
    """Go on if the condition holds."""
    offset = _ARGUMENTS + 8 * condition.argument
    if isinstance(condition, Null):
        for half in (offset, offset + 4):
            program.add(_LOAD, half)
            program.add(_EQUAL, 0, "", otherwise)
        return
    program.add(_LOAD, offset)
    if isinstance(condition, Has):
        program.add(_AND, condition.mask)
        program.add(_EQUAL, condition.bits, "", otherwise)
    elif isinstance(condition, IsNot):
        for value in condition.values:
            program.add(_EQUAL, value, otherwise)
    elif isinstance(condition, Is):
        *others, last = condition.values
        holds = f"{otherwise} {len(program.instructions)}"
        for value in others:
            program.add(_EQUAL, value, holds)
        program.add(_EQUAL, last, "", otherwise)
        program.mark(holds)


class _Program:
    """Instructions, and the places in them that have a name."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self._places: dict[str, int] = {}

    def add(self, operation: int, number: int, then: str = "", otherwise: str = "") -> None:
        """Add an instruction; a _JUMP goes to `then` in any case."""
        self.instructions.append((operation, number, then, otherwise))

    def mark(self, name: str) -> None:
        """Name the place behind the last instruction."""
        self._places[name] = len(self.instructions)

    def octets(self) -> bytes:
        """The program as the kernel takes it. Raises NotAssembled if it is too long for its jumps."""
        octets = b""
        for place, (operation, number, then, otherwise) in enumerate(self.instructions):
            over, over_otherwise = (self._places[name] - place - 1 if name else 0 for name in (then, otherwise))
            if operation == _JUMP:
                octets += struct.pack("=HBBI", operation, 0, 0, over)
                continue
            if not 0 <= min(over, over_otherwise) <= max(over, over_otherwise) < 256:
                raise NotAssembled(f"too far: {then or otherwise}")
            octets += struct.pack("=HBBI", operation, over, over_otherwise, number)
        return octets


def text(machine: str) -> str:
    """What stands in the file of a machine: for each filter a line with its name, then its instructions in hexadecimal."""
    lines = []
    for name, process in FILTERS.items():
        octets = assemble(process, machine)
        lines += [f"[{name}]", *(octets[i : i + 64].hex(" ", 8) for i in range(0, len(octets), 64))]
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Write the files."""
    for machine in MACHINES:
        Path(__file__).with_name(f"{machine}.filters").write_text(text(machine))


if __name__ == "__main__":
    main()
