"""The plain definition of a mailbox, line by line: what the fast parser must agree with. It was checked against C popa3d."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Message(NamedTuple):
    """start: of its "From " line. content: what is sent of the file. octets: as sent. unique_id: in hexadecimal."""

    start: int
    content: bytes
    octets: int
    unique_id: str


def messages(mailbox: bytes, line_end: bytes = b"\n") -> list[Message] | None:
    """The messages of a mailbox whose lines end in `line_end`, or None if it is refused."""
    lines = [line + b"\n" for line in mailbox.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    empty = (b"\n", b"\r\n") if line_end == b"\r\n" else (b"\n",)
    found: list[tuple[int, list[bytes]]] = []
    place = 0
    after_empty = True
    for line in filter(None, lines):
        if line.startswith(b"From ") and after_empty:
            found.append((place, []))
        elif not found:
            if line not in (b"\n", b"\r\n"):
                return None
        else:
            found[-1][1].append(line)
        # Before the first message either kind of empty line is one: nothing has said yet which kind the mailbox has.
        after_empty = line in empty or not found or not found[-1][1]
        place += len(line)
    if not all(content for _, content in found):
        return None
    return [_message(start, content, empty) for start, content in found]


def _message(start: int, lines: list[bytes], empty: tuple[bytes, ...]) -> Message:
    header = next((i for i, line in enumerate(lines) if line in empty), len(lines))
    if header < len(lines) - 1 and lines[-1] in empty:
        lines = lines[:-1]
    digest = hashlib.md5()
    received = counts = False
    for line in lines[:header]:
        name = line.lower()
        if line[:1] not in (b" ", b"\t"):
            counts = name.startswith(b"delivered-to:") or (name.startswith(b"x-delivery-id:") and line.startswith(b"X"))
            counts = counts or (not received and name.startswith((b"date:", b"message-id:", b"received:")))
            received = received or name.startswith(b"received:")
        if counts:
            digest.update(line)
    octets = 0
    for line in lines:
        octets += len(line.removesuffix(b"\r\n" if line.endswith(b"\r\n") else b"\n")) + 2
    four = digest.digest()
    return Message(start, b"".join(lines), octets, (four[3::-1] + four[7:3:-1]).hex())


def sent(content: bytes) -> bytes:
    """A message's content as RETR sends it, dots doubled."""
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
        ended = True
    else:
        ended = False
    result = b""
    for i, line in enumerate(lines):
        if ended or i < len(lines) - 1:
            result += (b"." if line.startswith(b".") else b"") + line.removesuffix(b"\r") + b"\r\n"
        else:
            result += (b"." if line.startswith(b".") else b"") + line + b"\r\n"
    return result
