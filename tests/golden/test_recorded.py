"""Replies and mailbox are those that were recorded from C popa3d 1.0.3 (tests/golden/record.py): also where it cannot be had."""

from __future__ import annotations

import json

from tests.golden.cases import comparable
from tests.golden.record import RECORDED
from tests.host import PAM_OPEN, Host
from tests.talk import piped, script


def test_as_recorded(host: Host) -> None:
    """Each recorded session, given again, has the recorded replies and leaves the recorded mailbox."""
    host.pam_stack(PAM_OPEN)
    cases = json.loads(RECORDED.read_text())
    assert len(cases) >= 100
    for i, case in enumerate(cases):
        given = {name: text.encode("latin-1") for name, text in case.items()}
        path = host.deliver("alice", given["mailbox"])
        assert comparable(piped(script(given["commands"])), given["mailbox"]) == given["replies"], f"case {i}: {given}"
        assert path.read_bytes() == given["after"], f"case {i}: {given}"
