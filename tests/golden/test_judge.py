"""Replies and mailbox are those of C popa3d 1.0.3: Debian's binary is the judge, live."""

from __future__ import annotations

import difflib

import pytest

from tests.golden.cases import Case, archive, comparable, without_crlf
from tests.host import PAM_OPEN, Host
from tests.talk import POPA3D, c_popa3d, piped, script
from tests.unit.owner import plain

CASES = 60  # of each part


@pytest.mark.parametrize("part", range(5))
def test_as_c_popa3d(host: Host, part: int) -> None:
    """On random mailboxes and scripts every status, number and octet is C popa3d's, and so is the mailbox afterwards."""
    host.pam_stack(PAM_OPEN)
    for seed in range(part * CASES, (part + 1) * CASES):
        case = Case(seed)
        mailbox = without_crlf(case.mailbox)
        said = {}
        for who, command in (("C", c_popa3d()), ("Python", POPA3D)):
            path = host.deliver("alice", mailbox)
            replies = piped(script(case.commands), command)
            said[who] = comparable(replies, mailbox), path.read_bytes()
        if said["C"] != said["Python"]:
            c, ours = (said[who][0].decode("latin-1").splitlines() for who in said)
            pytest.fail(
                f"seed {seed}: mailbox {mailbox[-600:]!r}, commands {case.commands!r}\n"
                + "\n".join(difflib.unified_diff(c, ours, "C", "Python", lineterm=""))
                + f"\nmailboxes the same: {said['C'][1] == said['Python'][1]}"
            )


def messages(said: bytes) -> list[tuple[int, str, bytes]]:
    """Of the replies to LIST, UIDL and some RETRs: each message's size, unique-id and content."""
    sizes, ids, *contents = said.split(b"\r\n.\r\n")[:-1]
    found = zip(sizes.split(b"\r\n+OK")[-1].split(b"\r\n")[1:], ids.split(b"\r\n")[1:], contents, strict=True)
    return [
        (int(size.split()[1]), unique_id.split()[1].decode(), content.partition(b"\r\n")[2]) for size, unique_id, content in found
    ]


def test_lines_that_end_in_crlf(host: Host) -> None:
    """In an LF mailbox C popa3d sends and counts one CR more for each of them; all else is the same."""
    host.pam_stack(PAM_OPEN)
    seen = 0
    for seed in range(2000, 2150):
        mailbox = Case(seed).mailbox
        if mailbox == without_crlf(mailbox):
            continue
        host.deliver("alice", mailbox)
        count = piped(script(b"STAT\r\nQUIT\r\n")).split(b"+OK ")[-1].partition(b" ")[0]
        if not count.isdigit() or count == b"0":
            continue
        seen += 1
        commands = b"LIST\r\nUIDL\r\n" + b"".join(b"RETR %d\r\n" % (i + 1) for i in range(int(count))) + b"QUIT\r\n"
        ours = messages(piped(script(commands)))
        theirs = messages(piped(script(commands), c_popa3d()))
        ids: list[str] = []
        for mine, other in zip(ours, theirs, strict=True):
            more = (other[2] + b"\r\n").count(b"\r\r\n")
            assert mine[2] == (other[2] + b"\r\n").replace(b"\r\r\n", b"\r\n").removesuffix(b"\r\n"), seed
            assert mine[1] == other[1] or other[1] in (plain.NOTHING, *ids), seed
            ids.append(other[1])
            assert mine[0] in (other[0] - more, other[0] - more + 1), seed  # an unfinished last line
    assert seen > 30


def test_large_mailbox(host: Host) -> None:
    """STAT, LIST and UIDL of 20,000 messages that look like a mailing list's, with odd ones among them, are C popa3d's."""
    host.pam_stack(PAM_OPEN)
    mailbox = archive(20_000)
    host.deliver("alice", mailbox)
    commands = script(b"STAT\r\nLIST\r\nUIDL\r\nTOP 19999 3\r\nRETR 20000\r\nQUIT\r\n")
    replies = comparable(piped(commands, c_popa3d()), mailbox)
    assert replies.count(b"\r\n") > 40_000
    assert comparable(piped(commands), mailbox) == replies
