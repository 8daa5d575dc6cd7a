"""A journal that comes during a session: another was killed in its update. What this one knows of the mailbox is of before."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from popa3d.shared.limits import STATE
from tests.host import ALICE, Host
from tests.session import MAILBOX, THREE, open_session
from tests.talk import Talk

JOURNAL = Path(f"{STATE}/{ALICE.uid}/alice-{hashlib.md5(b'/var/mail/alice').hexdigest()[:16]}.journal")


def ends(host: Host, talk: Talk, command: bytes) -> None:
    """Claim that the session ends without a reply to this command, and leaves the journal to the next one."""
    assert talk.ask(command) == b""
    assert talk.status() == 1
    host.syslog.wait("Another MUA active, giving up")
    assert JOURNAL.read_bytes() == b"another session's"


@pytest.mark.parametrize("delivered", [b"", THREE], ids=["untouched", "with new mail"])
@pytest.mark.parametrize("name", ["", ".at.x"], ids=["file", "names"])
def test_deletions(host: Host, delivered: bytes, name: str) -> None:
    """A session that would delete ends, and changes neither the mailbox nor the journal, which would be lost."""
    path = host.deliver("alice", MAILBOX)
    with open_session() as talk:
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        JOURNAL.write_bytes(b"another session's")
        if name:
            JOURNAL.with_name(JOURNAL.name + name).touch()
        with open(path, "ab") as file:
            file.write(delivered)
        ends(host, talk, b"QUIT")
    assert path.read_bytes() == MAILBOX + delivered
    assert len(os.listdir(JOURNAL.parent)) == 1 + bool(name)


def test_messages(host: Host) -> None:
    """A session that has to look at the mailbox again ends, though the octets that it knows are still there."""
    path = host.deliver("alice", MAILBOX)
    with open_session() as talk:
        assert talk.ask(b"RETR 1") == b"+OK\r\n"
        talk.lines()
        JOURNAL.write_bytes(b"another session's")
        with open(path, "ab") as file:
            file.write(THREE)
        ends(host, talk, b"RETR 2")
    assert path.read_bytes() == MAILBOX + THREE
