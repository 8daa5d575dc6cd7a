"""Headers taken apart as a whole give what the plain definition gives, line by line."""

from __future__ import annotations

import hashlib
import random

import pytest

from popa3d.owner.index.fields import all_fields, is_rewritten, message_digests, without_rewritten
from popa3d.owner.index.unique_id import message_digest

LINES = (
    b"Date: 1\n|date: 2\n|Message-ID: 3\n|Received: 4\n|received: 5\n|Delivered-To: 6\n|X-Delivery-ID: 7\n|x-delivery-id: 8\n"
    b"|Subject: x\n|Dated: x\n|Status: RO\n|X-UID: 1\n|STATUS:\n|Lines: 3\n| folded\n|\tfolded\n"
).split(b"|")
ALWAYS = (b"delivered-to:", b"x-delivery-id:")
UP_TO_RECEIVED = (b"date:", b"message-id:", b"received:")


def header(seeded: random.Random, most: int = 12) -> list[bytes]:
    """Lines, the first of which begins a field."""
    return [seeded.choice(LINES[:-2]), *seeded.choices(LINES, k=seeded.randrange(most))]


def counting(lines: list[bytes]) -> bytes:
    """The lines that count for the unique-id."""
    data = b""
    received = counts = False
    for line in lines:
        name = line.lower()
        if line[:1] not in (b" ", b"\t"):
            counts = name.startswith(ALWAYS[0]) or (name.startswith(ALWAYS[1]) and line.startswith(b"X"))
            counts = counts or (not received and name.startswith(UP_TO_RECEIVED))
            received = received or name.startswith(b"received:")
        data += line if counts else b""
    return data


def others(lines: list[bytes]) -> bytes:
    """The lines of fields that mail programs do not rewrite."""
    data = b""
    rewritten = False
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            rewritten = line.lower().startswith((b"status:", b"x-uid:", b"lines:"))
        data += b"" if rewritten else line
    return data


def test_all_fields() -> None:
    """The same lines count, wherever a header is cut into texts."""
    for seed in range(1000):
        seeded = random.Random(seed)
        lines = header(seeded)
        cut = seeded.randint(1, len(lines))
        data = b""
        after_received = in_field = False
        for part in (lines[:cut], lines[cut:]):
            if part:
                more, after_received, in_field = all_fields(b"\n" + b"".join(part), after_received, in_field)
                data += more
        assert data == counting(lines), lines
        assert after_received == any(line.lower().startswith(b"received:") for line in lines)


def test_without_rewritten() -> None:
    """The same lines are left out, wherever a header is cut into texts."""
    for seed in range(1000):
        seeded = random.Random(seed)
        lines = header(seeded)
        cut = seeded.randint(1, len(lines))
        data = b""
        in_rewritten = False
        for part in (lines[:cut], lines[cut:]):
            if part:
                more, in_rewritten = without_rewritten(b"\n" + b"".join(part), in_rewritten)
                data += more
        assert data == others(lines), lines


def test_message_digests() -> None:
    """Many messages at once have the digests that each has alone, and that the definition gives."""
    for seed in range(300):
        seeded = random.Random(seed)
        text = b""
        lines, blanks, ends, expected = [], [], [], []
        for _ in range(seeded.randint(1, 20)):
            own, body = header(seeded), b"".join(seeded.choices(LINES, k=seeded.randrange(4)))
            text += b"From x\n"
            lines.append(len(text) - 1)
            text += b"".join(own)
            blanks.append(len(text) - 1)
            text += b"\n" + body
            ends.append(len(text))
            text += b"\n"
            expected.append(hashlib.md5(counting(own) or others(own) + b"\n" + body).digest())
        text += b"From "
        assert message_digests(text, lines, blanks, ends) == expected
        assert [message_digest(text, *numbers) for numbers in zip(lines, blanks, ends, strict=True)] == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"\nstatus: ro", True),
        (b"\nx-mozilla-status2: 0", True),
        (b"\nx-mozilla-status3:", False),
        (b"\nsubject: status:", False),
    ],
)
def test_is_rewritten(name: bytes, expected: bool) -> None:
    """A name counts as a whole, from the line's beginning to its colon."""
    assert is_rewritten(name) is expected
