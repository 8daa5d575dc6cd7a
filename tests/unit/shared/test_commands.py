"""Commands and numbers: as C popa3d 1.0.3 has them, but for how long lines and names may be (RFC 2449 section 4)."""

from __future__ import annotations

import pytest

from popa3d.shared.commands import is_too_long, parse, parse_number


@pytest.mark.parametrize(
    ("line", "keyword", "arguments"),
    [
        (b"STAT", b"STAT", []),
        (b"stat", b"STAT", []),
        (b"STAT ", b"STAT", []),
        (b"LIST 1", b"LIST", [b"1"]),
        (b"LIST 1 ", b"LIST", [b"1"]),
        (b"LIST \t1", b"LIST", [b"\t1"]),
        (b"TOP 1 2 3", b"TOP", [b"1", b"2", b"3"]),
        (b"LIST " + b"0" * 40, b"LIST", [b"0" * 40]),
        (b"PASS  a  b ", b"PASS", [b" a  b "]),
        (b"PASS", b"PASS", []),
        (b"PASS ", b"PASS", []),
        (b"PASS " + b"p" * 250, b"PASS", [b"p" * 250]),
        (b"USER " + b"u" * 250, b"USER", [b"u" * 250]),
        (b"auth plain " + b"=" * 1352, b"AUTH", [b"plain " + b"=" * 1352]),
        (b"\xff\xfe", b"\xff\xfe", []),
    ],
)
def test_commands(line: bytes, keyword: bytes, arguments: list[bytes]) -> None:
    """A well-formed line is its keyword in upper case and its words."""
    command = parse(line)
    assert command is not None
    assert (command.keyword, command.arguments) == (keyword, arguments)


@pytest.mark.parametrize(
    "line",
    [b"", b" ", b" STAT", b"  STAT", b"STAT  ", b"LIST  1", b"LIST 1  ", b"ST\0AT", b"STAT\0", b"\0", b"PASS x\0y"]
    + [b"LIST " + b"0" * 41, b"USER " + b"a" * 251, b"LIST 1 " + b"x" * 60, b"PASS " + b"p" * 251, b"AUTH PLAIN " + b"=" * 1353]
    + [b"AUTHOR PLAIN " + b"=" * 300, b"STAT" + b" " * 252],
)
def test_no_commands(line: bytes) -> None:
    """A malformed line is no command at all."""
    assert parse(line) is None


def test_length() -> None:
    """A line of 255 octets may be a command, and one of AUTH may be longer; a longer one is too long, whatever it says."""
    for start, most in ((b"PASS ", 255), (b"", 255), (b"AUTHOR", 255), (b"AUTH ", 1363), (b"aUtH ", 1363)):
        longest = start + b"x" * (most - len(start))
        assert not is_too_long(longest)
        assert is_too_long(longest + b"x")


@pytest.mark.parametrize(
    ("word", "value"),
    [(b"0", 0), (b"1", 1), (b"+1", 1), (b"01", 1), (b"-0", 0), (b"\t7", 7), (b"\x0b7", 7), (b"0" * 39 + b"1", 1)]
    + [(b"2147483647", 2147483647), (b"+2147483647", 2147483647), (b"999999999", 999999999)],
)
def test_numbers(word: bytes, value: int) -> None:
    """What strtol(3) reads whole is a number."""
    assert parse_number(word) == value


@pytest.mark.parametrize(
    "word",
    [b"", b"-1", b"+", b"-", b"--1", b"+-1", b"0x1", b"1x", b"x", b"1.0", b"1\t", b"1e3", b"\xb2", b"\xd9\xa1", b"1_0", b"+ 1"]
    + [b"2147483648", b"+2147483648", b"02147483648", b"9999999999", b"4294967297", b"9" * 40],
)
def test_no_numbers(word: bytes) -> None:
    """All else is none: not a negative one, none beyond C's int, no other script's digits."""
    assert parse_number(word) is None
