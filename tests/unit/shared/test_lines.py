"""Lines out of a stream: h11's way of testing, whole, octet by octet, and split anywhere."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popa3d.shared.limits import AUTH_LINE_OCTETS
from popa3d.shared.lines import Lines


def taken(pieces: list[bytes], ahead: bytes = b"") -> tuple[list[bytes], bytes]:
    """All lines in the pieces, taken as soon as they are there, and the rest."""
    lines = Lines(ahead)
    complete = []
    for piece in [b"", *pieces]:
        lines.feed(piece)
        while (line := lines.take()) is not None:
            complete.append(line)
    return complete, lines.ahead()


STREAMS = st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"x" * (AUTH_LINE_OCTETS - 1)]) | st.binary(max_size=9)).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 2 * AUTH_LINE_OCTETS)))
def test_splits_do_not_matter(stream: bytes, cuts: list[int]) -> None:
    """However a stream is split, its lines are those of the whole."""
    offsets = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(offsets)]
    whole = stream.split(b"\n")
    lines, rest = taken(pieces)
    for line, complete in zip(lines, whole[:-1], strict=True):
        expected = complete.removesuffix(b"\r")
        assert line == expected or (len(line) > AUTH_LINE_OCTETS and expected.startswith(line[:AUTH_LINE_OCTETS]))
        assert (len(line) > AUTH_LINE_OCTETS) == (len(expected) > AUTH_LINE_OCTETS)
    assert rest == whole[-1] or len(whole[-1]) > AUTH_LINE_OCTETS


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("octets", [0, 1, 255, 256, *range(AUTH_LINE_OCTETS - 2, AUTH_LINE_OCTETS + 5), 5000, 70_000])
def test_long_lines(octets: int, end: bytes) -> None:
    """A line is whole up to the longest that may be; one that is longer is still too long, and the next one is whole."""
    stream = b"x" * octets + end + b"NOOP\r\n"
    for size in (1, 100, len(stream)):
        (line, after), rest = taken([stream[i : i + size] for i in range(0, len(stream), size)])
        assert (after, rest) == (b"NOOP", b"")
        longest = min(octets, AUTH_LINE_OCTETS + 2)
        assert line == b"x" * octets if octets <= AUTH_LINE_OCTETS else AUTH_LINE_OCTETS < len(line) <= longest


@pytest.mark.parametrize("more", range(4))
def test_carriage_returns(more: int) -> None:
    """One CR before the LF belongs to the line end; other CRs are the line's, and make it no shorter."""
    for line in (b"\r" * more, b"x" * (AUTH_LINE_OCTETS - more) + b"\r" * more, b"x" * (AUTH_LINE_OCTETS - 1) + b"\r" * more):
        for stream in (line + b"\n", line + b"\r\n"):
            for size in (1, len(stream)):
                (got,), _ = taken([stream[i : i + size] for i in range(0, len(stream), size)])
                expected = stream[:-1].removesuffix(b"\r")
                assert got == expected if len(expected) <= AUTH_LINE_OCTETS else len(got) > AUTH_LINE_OCTETS


def test_memory_is_bounded() -> None:
    """A line without end takes no more memory than its last piece."""
    lines = Lines()
    piece = b"x" * 4096
    tracemalloc.start()
    for _ in range(25_000):  # 100 MB
        lines.feed(piece)
        assert lines.take() is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 1024
    assert len(lines.ahead()) <= AUTH_LINE_OCTETS + 2


def test_what_was_sent_ahead_is_kept() -> None:
    """What follows a taken line is preserved in order, whichever way it came."""
    lines = Lines(b"PASS x\r\nSTA")
    lines.feed(b"T\r\nLIST")
    assert lines.take() == b"PASS x"
    assert lines.ahead() == b"STAT\r\nLIST"
