"""mpop, which sends a whole session's commands without waiting for replies when pipelining is on."""

from __future__ import annotations

import pytest

from tests.clients import HOST, MESSAGES, NAME, NUL, PASSWORD, PORT, VERY_LONG, Home, mbox, received
from tests.host import Host

MAIL = (*MESSAGES[:8], VERY_LONG, NUL, MESSAGES[8])

pytestmark = pytest.mark.parametrize("pipelining", ["on", "off"])


def configure(home: Home, pipelining: str, options: str) -> None:
    """Write ~/.mpoprc; received_header off, since mpop would add a header of its own."""
    home.write(
        ".mpoprc",
        f"account default\nhost {HOST}\nport {PORT}\nuser {NAME}\npassword {PASSWORD}\nauth user\ntls off\n"
        f"pipelining {pipelining}\nreceived_header off\ndelivery mda {home.deliver}\n{options}\n",
    )


def test_keep(host: Host, home: Home, pipelining: str) -> None:
    """mpop gets each octet of each message, leaves the mailbox as it was, and fetches nothing twice."""
    path = host.deliver(NAME, mbox(MAIL))
    configure(home, pipelining, "keep on")
    home.run("mpop")
    assert home.mail() == received(MAIL)
    assert path.read_bytes() == mbox(MAIL)
    home.run("mpop")
    assert len(home.mail()) == len(MAIL)


def test_fetch_and_delete(host: Host, home: Home, pipelining: str) -> None:
    """Without "keep" mpop has all mail and the mailbox is empty."""
    path = host.deliver(NAME, mbox(MAIL))
    configure(home, pipelining, "keep off")
    home.run("mpop")
    assert home.mail() == received(MAIL)
    assert path.read_bytes() == b""


def test_the_rest_stays(host: Host, home: Home, pipelining: str) -> None:
    """What mpop skips for its size stays in the mailbox, octet for octet."""
    path = host.deliver(NAME, mbox(MAIL))
    configure(home, pipelining, "keep off\nskipsize 64k")
    home.run("mpop")
    large = tuple(message for message in MAIL if len(message) > 65536)
    assert len(large) == 2
    assert home.mail() == received(tuple(message for message in MAIL if message not in large))
    assert path.read_bytes() == mbox(large)


def test_a_mailbox_of_many(host: Host, home: Home, pipelining: str) -> None:
    """Three hundred small messages, more commands than one read takes, arrive complete and in order."""
    many = tuple(MESSAGES[0].replace(b"17 Nov", b"%d Nov" % (100 + i)) for i in range(300))
    path = host.deliver(NAME, mbox(many))
    configure(home, pipelining, "keep off")
    home.run("mpop")
    assert home.mail() == received(many)
    assert path.read_bytes() == b""
