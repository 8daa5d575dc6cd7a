"""What a session needs of memory for each message: a number of octets that does not depend on how long messages are."""

from __future__ import annotations

import threading
from pathlib import Path

from popa3d.shared.limits import SCAN_BOTH_OCTETS
from tests.host import Host
from tests.session import ONE, open_session
from tests.talk import Talk

SHORT = b"STAT\r\nQUIT\r\n"
MESSAGE = b"From \nX\n\n"  # the shortest
MANY = 400_000
LARGE = SCAN_BOTH_OCTETS // len(MESSAGE) + 1  # that is parsed by two processes
MOST = 100  # octets for each, and for all mailboxes together:
BLOCKS_KB = 5120  # what is at work at once (some thousand messages in a block), UPDATE's modules, what malloc(3) keeps


def peak(talk: Talk) -> int:
    """The most memory that the session has had so far, in kB; 0 if it has ended."""
    status = Path(f"/proc/{talk.process.pid}/status").read_text()
    return max(int(line.split()[1]) for line in ["VmHWM: 0", *status.splitlines()] if line.startswith("VmHWM:"))


def taken(commands: bytes) -> int:
    """The same of a session that says `commands`, at its end: it is looked at all the time."""
    with open_session() as talk:
        found = peak(talk)
        talk.send(commands)
        reader = threading.Thread(target=talk.rest)
        reader.start()
        while now := peak(talk):
            found = now
        reader.join()
        return found


def test_octets_of_a_message(host: Host) -> None:
    """First login, which keeps an index; the next; with a deletion, which keeps another; new mail; an index that is of no use."""
    host.deliver("alice", ONE)
    with open_session() as talk:
        talk.ask(b"STAT")
        fixed = peak(talk) + BLOCKS_KB
    path = host.deliver("alice", MESSAGE * MANY)
    most = fixed + MANY * MOST // 1024
    for commands in (SHORT, b"UIDL\r\nLIST\r\nQUIT\r\n", b"DELE 2\r\nDELE %d\r\nQUIT\r\n" % (MANY // 2), SHORT):
        assert taken(commands) < most, commands
    with path.open("ab") as file:
        file.write(ONE)
    assert taken(SHORT) < most
    with path.open("r+b") as file:
        file.seek(len(b"From "))
        file.write(b"y")  # what was kept does not fit
    assert taken(SHORT) < most
    host.deliver("alice", MESSAGE * LARGE)
    assert taken(SHORT) < fixed + LARGE * MOST // 1024
