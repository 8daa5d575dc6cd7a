"""Content that was made to cost time: the parser makes few calls for it. (Seconds would depend on the machine.)"""

from __future__ import annotations

import re
import sys
from types import FrameType

import pytest

from tests.bench.hostile import KINDS, parse

OCTETS = 300_000  # some blocks
OF_A_MESSAGE = 10
OF_A_FIELD = 3
OF_A_KILOBYTE = 30
FIELD = re.compile(rb"(?im)^(?:date|message-id|received|delivered-to|x-delivery-id|status):")


@pytest.mark.parametrize("kind", KINDS)
def test_calls(kind: str) -> None:
    """A bounded number of calls, of builtin functions too, for each message, each field that may count, and each kilobyte."""
    mailbox = KINDS[kind](OCTETS)
    parse(KINDS[kind](1000))  # what is imported for it
    calls = 0

    def called(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        index = parse(mailbox)
    finally:
        sys.setprofile(None)
    most = OF_A_MESSAGE * len(index) + OF_A_FIELD * len(FIELD.findall(mailbox)) + OF_A_KILOBYTE * len(mailbox) // 1024
    assert calls <= most, (calls, len(index), len(FIELD.findall(mailbox)), len(mailbox))
