"""Lines out of a stream: h11's way of testing, whole, octet by octet, and split anywhere."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popa3d.shared.limits import LINE_OCTETS
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


STREAMS = st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"x" * (LINE_OCTETS - 1)]) | st.binary(max_size=9)).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 300)))
def test_splits_do_not_matter(stream: bytes, cuts: list[int]) -> None:
    """However a stream is split, its lines are those of the whole."""
    offsets = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(offsets)]
    whole = stream.split(b"\n")
    expected = [line.removesuffix(b"\r")[:LINE_OCTETS] for line in whole[:-1]]
    short = [line for line in whole[:-1] if len(line) <= LINE_OCTETS]
    assert len(taken(pieces)[0]) == len(expected)
    if len(short) == len(expected):
        assert taken(pieces) == (expected, whole[-1]) or len(whole[-1]) > LINE_OCTETS
    assert taken(pieces)[0] == taken([stream])[0] == taken([stream[i : i + 1] for i in range(len(stream))])[0]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("octets", [0, 1, LINE_OCTETS - 1, LINE_OCTETS, LINE_OCTETS + 1, LINE_OCTETS + 2, 1000, 70_000])
def test_long_lines_are_cut(octets: int, end: bytes) -> None:
    """A line is cut at LINE_OCTETS, and the next one is whole."""
    stream = b"x" * octets + end + b"NOOP\r\n"
    for size in (1, 100, len(stream)):
        pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
        assert taken(pieces) == ([b"x" * min(octets, LINE_OCTETS), b"NOOP"], b"")


@pytest.mark.parametrize(
    ("line", "taken_as"),
    [
        (b"x" * 127, b"x" * 127),
        (b"x" * 128, b"x" * 127),
        (b"x" * 126 + b"\r", b"x" * 126),
        (b"x" * 127 + b"\r", b"x" * 127),
        (b"x" * 126 + b"\ry", b"x" * 126),
    ],
)
def test_where_a_line_is_cut(line: bytes, taken_as: bytes) -> None:
    """127 octets are kept, as by C popa3d; a CR that is the last of them goes, as if it were the line's end."""
    for size in (1, 200):
        pieces = [(line + b"\n")[i : i + size] for i in range(0, len(line) + 1, size)]
        assert taken(pieces)[0] == [taken_as]


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
    assert len(lines.ahead()) <= LINE_OCTETS + 1


def test_what_was_sent_ahead_is_kept() -> None:
    """What follows a taken line is preserved in order, whichever way it came."""
    lines = Lines(b"PASS x\r\nSTA")
    lines.feed(b"T\r\nLIST")
    assert lines.take() == b"PASS x"
    assert lines.ahead() == b"STAT\r\nLIST"
