"""The kernel's machine for filters (classic BPF on struct seccomp_data), as far as they use it."""

from __future__ import annotations

import struct

KILL, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_WORD = 0xFFFFFFFF


def run(program: bytes, data: bytes) -> int:
    """What a program returns for a call: data is a struct seccomp_data."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    a = x = place = 0
    while True:
        operation, then, otherwise, number = instructions[place]
        place += 1
        if operation == 0x20:
            (a,) = struct.unpack_from("=I", data, number)
        elif operation == 0x00:
            a = number
        elif operation == 0x04:
            a = (a + number) & _WORD
        elif operation == 0x54:
            a &= number
        elif operation == 0x74:
            a >>= number
        elif operation == 0x7C:
            a >>= x
        elif operation == 0x07:
            x = a
        elif operation == 0x05:
            place += number
        elif operation in (0x15, 0x35, 0x45):
            holds = {0x15: a == number, 0x35: a >= number, 0x45: a & number != 0}[operation]
            place += then if holds else otherwise
        elif operation == 0x16:
            return a
        else:
            assert operation == 0x06, hex(operation)
            return int(number)


def call(machine: int, number: int, *arguments: int) -> bytes:
    """A struct seccomp_data."""
    return struct.pack("=IIQ6Q", number, machine, 0, *(list(arguments) + [0] * 6)[:6])
