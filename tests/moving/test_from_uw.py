"""From UW: mailboxes that its own library has written.

Debian has no ipop3d. These were made once, with mailutil of Debian 12's uw-mailutils 2007f (c-client, as in ipop3d):
messages came, were listed and removed, others came, and the last one after c-client had seen the mailbox.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host import PAM_OPEN, Host
from tests.moving import migrate
from tests.talk import Talk

MAILBOXES = Path(__file__).parent / "uw"
VALIDITY = 1795859550  # in their X-IMAPbase or X-IMAP


@pytest.mark.parametrize(
    ("name", "numbers"), [("base-in-the-first", (1, 2, 4, 5)), ("base-in-a-hidden-one", (7, 8))], ids=("first", "hidden")
)
def test_mailboxes_of_c_client(host: Host, name: str, numbers: tuple[int, ...]) -> None:
    """Each message that c-client has numbered has that number behind the validity; the one that came later has popa3d's."""
    host.pam_stack(PAM_OPEN)
    host.deliver("alice", (MAILBOXES / f"{name}.mbox").read_bytes())
    count = len(numbers)
    said = f"alice: {count} of {count + 1} messages keep their unique-ids, 1 had none\n"
    assert migrate("--from", "uw", "alice") == (said, "")
    with Talk() as talk:
        talk.login("alice", "x")
        talk.send(b"UIDL\r\nQUIT\r\n")
        ids = [line.split()[1].decode() for line in talk.rest().splitlines() if line[:1].isdigit()]
    assert ids[:count] == [f"{VALIDITY:08x}{number:08x}" for number in numbers] and len(ids) == count + 1
    assert not ids[-1].startswith(f"{VALIDITY:08x}")
