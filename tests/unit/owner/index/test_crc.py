"""CRCs that are combined are those of the whole."""

from __future__ import annotations

import random
import zlib

import pytest

from popa3d.owner.index.crc import combined


@pytest.mark.parametrize("size", [0, 1, 2, 7, 255, 256, 100_000])
def test_combined(size: int) -> None:
    """The CRCs of any two parts give that of both together, empty parts included."""
    seeded = random.Random(size)
    data = seeded.randbytes(size)
    for middle in {0, size, *(seeded.randrange(size + 1) for _ in range(10))}:
        first, second = zlib.crc32(data[:middle]), zlib.crc32(data[middle:])
        assert combined(first, second, size - middle) == zlib.crc32(data), middle


def test_a_large_second_part() -> None:
    """The time does not grow with the length of the second part: here it is 16 TiB of zeros."""
    doubled = zlib.crc32(bytes(1 << 20))
    for bits in range(20, 44):
        doubled = combined(doubled, doubled, 1 << bits)
    whole = zlib.crc32(b"x")
    assert combined(whole, doubled, 1 << 44) == combined(combined(whole, 0, 0), doubled, 1 << 44) != whole
