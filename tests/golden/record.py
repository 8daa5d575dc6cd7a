"""Record golden files from C popa3d, which `make test` fetches: python3 -m tests.golden.record, as root.

Each case is a mailbox, a script, C popa3d's replies to it and the mailbox afterwards, as Latin-1 text in JSON.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests import host as private_host
from tests.golden.cases import Case, comparable, without_crlf
from tests.talk import c_popa3d, piped, script

RECORDED = Path(__file__).with_name("recorded.json")
CASES = 120
MAILBOX_OCTETS = 4096


def main() -> None:
    """Write RECORDED."""
    host = private_host.enter()
    host.pam_stack(private_host.PAM_OPEN)
    found: list[dict[str, str]] = []
    seed = 1_000_000
    while len(found) < CASES:
        seed += 1
        case = Case(seed)
        mailbox = without_crlf(case.mailbox)
        if len(mailbox) > MAILBOX_OCTETS:
            continue
        path = host.deliver("alice", mailbox)
        replies = comparable(piped(script(case.commands), c_popa3d()), mailbox)
        octets = (mailbox, case.commands, replies, path.read_bytes())
        found.append(dict(zip(("mailbox", "commands", "replies", "after"), (o.decode("latin-1") for o in octets), strict=True)))
    RECORDED.write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
