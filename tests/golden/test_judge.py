"""Replies and mailbox are those of C popa3d 1.0.3: Debian's binary is the judge, live."""

from __future__ import annotations

import difflib

import pytest

from tests.golden.cases import Case, comparable
from tests.host import PAM_OPEN, Host
from tests.talk import POPA3D, c_popa3d, piped, script

CASES = 150


@pytest.mark.parametrize("part", range(5))
def test_as_c_popa3d(host: Host, part: int) -> None:
    """On random mailboxes and scripts every status, number and octet is C popa3d's, and so is the mailbox afterwards."""
    host.pam_stack(PAM_OPEN)
    for seed in range(part * CASES, (part + 1) * CASES):
        case = Case(seed)
        said = {}
        for who, command in (("C", c_popa3d()), ("Python", POPA3D)):
            path = host.deliver("alice", case.mailbox)
            replies = piped(script(case.commands), command)
            said[who] = comparable(replies), path.read_bytes()
        if said["C"] != said["Python"]:
            lines = [said[who][0].decode("latin-1").splitlines() for who in said]
            pytest.fail(
                f"seed {seed}: mailbox {case.mailbox[-600:]!r}, commands {case.commands!r}\n"
                + "\n".join(difflib.unified_diff(*lines, "C", "Python", lineterm=""))
                + f"\nmailboxes the same: {said['C'][1] == said['Python'][1]}"
            )
