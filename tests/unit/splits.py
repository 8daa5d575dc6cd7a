"""h11's way to test a state machine: each stream is given whole, octet by octet, and with more behind it than it takes."""

from __future__ import annotations

from collections.abc import Callable

from popa3d.shared.lines import Lines

# What a client may have sent behind the line that ends a state: it belongs to whoever serves the next one.
TRAILING = (b"", b"STAT\r\n", b"STAT\r\nLI", b"\0\xff", b"\r\n")


def pieces(stream: bytes) -> list[list[bytes]]:
    """The stream whole, octet by octet, and in threes."""
    return [[stream[i : i + size] for i in range(0, len(stream), size)] for size in (len(stream) or 1, 1, 3)]


def talk(receive: Callable[[bytes], tuple[bytes, str]], go_on: str, split: list[bytes]) -> tuple[bytes, str, bytes]:
    """Feed pieces until an event other than `go_on`: all replies, the last event, and what was sent ahead for the next state."""
    lines = Lines()
    replies = b""
    event = go_on
    for number, piece in enumerate(split):
        lines.feed(piece)
        while event == go_on and (line := lines.take()) is not None:
            reply, event = receive(line)
            replies += reply
        if event != go_on:
            return replies, event, lines.ahead() + b"".join(split[number + 1 :])
    return replies, event, lines.ahead()
