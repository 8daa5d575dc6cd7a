"""What the tests of the package ask of popa3d: is the port open, does it serve mail, by which program."""

from __future__ import annotations

import re

from popa3d import VERSION
from tests.clients import MESSAGES, mbox
from tests.host import ALICE, CHECKOUT
from tests.package.machine import Machine
from tests.sockets import listens
from tests.super.foreground import everything, login
from tests.talk import wait_until

FIRST, SECOND, THIRD = (mbox(MESSAGES[i : i + 1]) for i in range(3))
MAIL = FIRST + SECOND
UNIQUE_IDS = re.compile(rb"^\d+ ([0-9a-f]{16})\r$", re.M)

STATE = "var/lib/popa3d-state"
INETD_ON = ("update-inetd", "--comment-chars", "#", "--pattern", "popa3d", "--enable", "pop3")  # as README.Debian has it
PACKAGE = f"/srv/popa3d_{VERSION}-1_all.deb"  # once it was put there
AGAIN = ("dpkg", "-i", PACKAGE)


def documented(start: str) -> str:
    """The command of INSTALL.md that begins with these words, without what is said beside it."""
    (line,) = re.findall(rf"^    ({re.escape(start)}.*?)(?:  +.*)?$", (CHECKOUT / "INSTALL.md").read_text(), re.M)
    return str(line)


def inetd_lines(machine: Machine) -> list[str]:
    """The lines about popa3d in inetd.conf."""
    return [line for line in (machine.root / "etc/inetd.conf").read_text().splitlines() if "popa3d" in line]


def port_is_open() -> bool:
    """Whether somebody listens on port 110, at any address."""
    return listens(110)


def wait_for_the_port(is_open: bool = True) -> None:
    """Wait until it is, or is not, open; AssertionError if that does not come about."""
    wait_until(lambda: port_is_open() == is_open, 60)


def fetched(address: str = "127.0.0.1") -> bytes:
    """What alice gets who asks for unique-ids and her first message, on port 110 once it is open."""
    wait_for_the_port()
    return everything(address, login(then=b"UIDL\r\nRETR 1\r\nQUIT\r\n"))


def serves(machine: Machine, program: str = "python") -> list[bytes]:
    """The unique-ids of alice's mail; AssertionError if it is not served by popa3d in "python", or in "C"."""
    mailbox = machine.deliver(ALICE.name, ALICE.uid, MAIL)
    got = fetched()
    assert b"Subject: plain\r\n" in got and b"dock 3\r\n.\r\n+OK" in got
    assert (b"+OK popa3d ready" in got) == (program == "python")
    assert mailbox.read_bytes() == MAIL
    return ids(got)


def ids(got: bytes) -> list[bytes]:
    """The unique-ids of alice's two messages, in what she got."""
    found = UNIQUE_IDS.findall(got)
    assert len(set(found)) == 2
    return found
