"""The report of an owner's process: what root takes, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from popa3d.shared import findings
from popa3d.shared.findings import FAULT, OK, Finding

GOOD: list[Any] = ["fault", "messages", "text", "advice", {"offset": 3}]


def test_report() -> None:
    """A report arrives as it was sent."""
    sent = [Finding(OK, "mailbox", "there", octets=5), Finding(FAULT, "messages", "bad", "mend it", offset=2**40, line=7)]
    received = findings.decode(findings.encode(sent))
    assert received is not None
    for one, other in zip(sent, received, strict=True):
        assert [getattr(one, name) for name in Finding.__slots__] == [getattr(other, name) for name in Finding.__slots__]


def test_text() -> None:
    """What a terminal would obey is replaced, and texts are cut, in a report as anywhere."""
    (finding,) = findings.decode(json.dumps([["ok", "lock", "a\x1b[2J\n\u2028" + "x" * 5000, "\0", {}]]).encode()) or []
    assert finding.text.startswith("a?[2J??x") and len(finding.text) == 1024 and finding.advice == "?"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[",
        b"[" * 100_000,
        b"{}",
        b"[]",
        b"[null]",
        json.dumps([GOOD[:4]]).encode(),
        json.dumps([[*GOOD, 1]]).encode(),
        json.dumps([["good", *GOOD[1:]]]).encode(),
        json.dumps([["ok", "pam", *GOOD[2:]]]).encode(),
        json.dumps([[*GOOD[:2], 5, *GOOD[3:]]]).encode(),
        json.dumps([[*GOOD[:4], []]]).encode(),
        json.dumps([[*GOOD[:4], {"level": 1}]]).encode(),
        json.dumps([[*GOOD[:4], {"pid": True}]]).encode(),
        json.dumps([[*GOOD[:4], {"pid": -1}]]).encode(),
        json.dumps([[*GOOD[:4], {"pid": 1.5}]]).encode(),
        json.dumps([[*GOOD[:4], {"pid": 2**63}]]).encode(),
        json.dumps([GOOD] * 51).encode(),
        json.dumps([GOOD]).encode() + b" " * 128 * 1024,
    ],
    ids=range(20),
)
def test_forged(data: bytes) -> None:
    """What the owner's process of this version would not write is no report."""
    assert findings.decode(json.dumps([GOOD]).encode()) is not None
    assert findings.decode(data) is None
