"""What a session needs of memory for each message: a number of octets that does not depend on how long messages are."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.host import Host
from tests.session import ONE, open_session
from tests.talk import Talk

MESSAGE = b"From \nX\n\n"  # the shortest
MANY = 150_000
MOST = 100  # octets for each
UPDATE_KB = 4096  # what UPDATE may take beside: its modules, and some of the mailbox


def peak(talk: Talk) -> int:
    """The most memory that the session has had so far, in kB; 0 if it has ended."""
    status = Path(f"/proc/{talk.process.pid}/status").read_text()
    return max(int(line.split()[1]) for line in ["VmHWM: 0", *status.splitlines()] if line.startswith("VmHWM:"))


def taken(commands: bytes) -> int:
    """The same of a session that says `commands`, at its end: it is looked at all the time."""
    with open_session() as talk:
        talk.send(commands)
        reader = threading.Thread(target=talk.rest)
        reader.start()
        found = 0
        while now := peak(talk):
            found = now
        reader.join()
        return found


def test_octets_of_a_message(host: Host) -> None:
    """First login, which keeps an index; the next; with new mail; with a deletion, which keeps another; behind that."""
    host.deliver("alice", ONE)
    with open_session() as talk:
        talk.ask(b"STAT")
        small = peak(talk)
    path = host.deliver("alice", MESSAGE * MANY)
    for commands, extra in (
        (b"STAT\r\nQUIT\r\n", 0),
        (b"UIDL\r\nLIST\r\nQUIT\r\n", 1024),  # what is on its way to the client
        (b"DELE 2\r\nDELE %d\r\nQUIT\r\n" % (MANY // 2), UPDATE_KB),
        (b"STAT\r\nQUIT\r\n", 0),
    ):
        assert taken(commands) - small - extra < MANY * MOST / 1024, commands
    with path.open("ab") as file:
        file.write(ONE)
    assert taken(b"STAT\r\nQUIT\r\n") - small < MANY * MOST / 1024
