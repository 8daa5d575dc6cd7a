"""A mailbox that another program replaces between root's side and the session, which may open the file that root's side knew."""

from __future__ import annotations

import os

from popa3d.shared import replies
from tests.host import Host
from tests.session import MAILBOX, handover, worker


def test_replaced(host: Host) -> None:
    """The client is told to try again; the next session serves the new file."""
    path = host.deliver("alice", MAILBOX)
    other = path.with_name("other")

    def replace() -> None:
        path.rename(other)
        host.deliver("alice", MAILBOX)

    with worker(handover().encode(), meanwhile=replace) as talk:
        assert talk.rest() == replies.IN_USE
    host.syslog.wait("Failed or refused to load /var/mail/alice: it was replaced meanwhile")
    os.unlink(other)
    with worker(handover().encode()) as talk:
        assert talk.line() == b"+OK\r\n"
