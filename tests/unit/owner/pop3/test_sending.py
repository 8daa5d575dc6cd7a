"""RETR and TOP against their plain definition."""

from __future__ import annotations

import random
import re

import pytest

from popa3d.owner.pop3.sending import Sender
from tests.golden.cases import Case
from tests.unit.owner import plain


def sent(sender: Sender, content: bytes, sizes: list[int]) -> bytes:
    """What `sender` makes of `content` in blocks of these sizes, then the rest."""
    result = b""
    for size in sizes:
        if content and not sender.done:
            result += sender.encode(content[:size])
            content = content[size:]
    while content and not sender.done:
        result += sender.encode(content)
        content = b""
    return result + sender.finish()


def contents() -> list[bytes]:
    """Random messages with dots, CRs, NULs, and unfinished last lines."""
    found = [b".", b"..", b".\n", b"\n", b"\n\n", b"a", b"a\n.", b"a\n\n.", b"a\n\n.\n.", b"\r", b"\r\r\n", b"a\r\n\r\n.b\r"]
    found += [b"a" + b"\n.b" * dots for dots in (1, 62, 63, 64, 65, 200)]  # few and many are doubled in two ways
    for seed in range(150):
        seeded = random.Random(seed)
        content = Case(seed).message()
        found.append(content[content.index(b"\n") + 1 :][: seeded.randint(1, 500)])
    return found


@pytest.mark.parametrize("crlf", [False, True])
def test_retr(crlf: bool) -> None:
    """Lines end in CRLF, leading dots are doubled, all else is the file's, however it was read."""
    for content in contents():
        text = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if crlf else content
        expected = plain.sent(text)
        for sizes in ([], [1] * len(text), [2] * len(text), [3, 1, 50]):
            assert sent(Sender(), text, sizes) == expected, (text, sizes)


@pytest.mark.parametrize("crlf", [False, True])
def test_top(crlf: bool) -> None:
    """TOP n sends the header, its empty line, and n lines of the body."""
    for content in contents():
        text = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if crlf else content
        lines = re.findall(rb"[^\n]*\n|[^\n]+", text)
        header = next((i for i, line in enumerate(lines) if line in (b"\n", b"\r\n")), len(lines))
        for n in (0, 1, 2, 5, 2**31 - 1):
            expected = plain.sent(b"".join(lines[: header + 1 + n])) if content else b""
            for sizes in ([], [1] * len(text), [3, 1, 50]):
                assert sent(Sender(n), text, sizes) == expected, (text, n, sizes)
