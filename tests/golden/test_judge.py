"""Replies and mailbox are those of C popa3d 1.0.3: Debian's binary is the judge, live."""

from __future__ import annotations

import difflib

import pytest

from tests.golden.cases import Case, archive, comparable
from tests.host import PAM_OPEN, Host
from tests.talk import POPA3D, c_popa3d, piped, script

CASES = 120


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
            c, ours = (said[who][0].decode("latin-1").splitlines() for who in said)
            pytest.fail(
                f"seed {seed}: mailbox {case.mailbox[-600:]!r}, commands {case.commands!r}\n"
                + "\n".join(difflib.unified_diff(c, ours, "C", "Python", lineterm=""))
                + f"\nmailboxes the same: {said['C'][1] == said['Python'][1]}"
            )


def test_large_mailbox(host: Host) -> None:
    """STAT, LIST and UIDL of 20,000 messages that look like a mailing list's, with odd ones among them, are C popa3d's."""
    host.pam_stack(PAM_OPEN)
    host.deliver("alice", archive(20_000))
    commands = script(b"STAT\r\nLIST\r\nUIDL\r\nTOP 19999 3\r\nRETR 20000\r\nQUIT\r\n")
    replies = comparable(piped(commands, c_popa3d()))
    assert replies.count(b"\r\n") > 40_000
    assert comparable(piped(commands)) == replies
