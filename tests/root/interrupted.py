"""Mailboxes as a session leaves them that is killed while it removes messages."""

from __future__ import annotations

import os
from pathlib import Path

from popa3d.root import privileges
from tests.host import Host
from tests.session import WORKER, handover
from tests.talk import Talk

MESSAGES = [b"From a@b Mon Jan  5 10:00:00 2026\nSubject: %d\n\n%s\n\n" % (i, b"%07d\n" % i * 15_000) for i in range(50)]
BEFORE = b"".join(MESSAGES)  # 6 MB
AFTER = b"".join(MESSAGES[1:30] + MESSAGES[31:])
DELETIONS = b"DELE 1\r\nDELE 31\r\nQUIT\r\n"


def interrupt(host: Host, call: str = "ftruncate", number: int = 1, name: str = "alice") -> Path:
    """Let a session of `name` delete two messages, and be killed at its so manieth call; the mailbox."""
    mailbox = host.deliver(name, BEFORE)
    told = handover(name)
    reading, writing = os.pipe()
    os.write(writing, told.encode())
    os.close(writing)

    def become() -> None:
        os.dup2(reading, 3)
        privileges.become(told.uid, told.uid)

    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    with Talk(["strace", "-qq", "-o", "/dev/null", *inject, *WORKER], preexec_fn=become, close_fds=False) as talk:
        os.close(reading)
        talk.send(DELETIONS)
        assert talk.rest() == b"+OK\r\n" * 3, "QUIT was answered"
    host.syslog.clear()
    return mailbox
