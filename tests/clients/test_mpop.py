"""mpop, which sends a whole session's commands without waiting for replies when pipelining is on."""

from __future__ import annotations

import re

import pytest

from tests.clients import (
    CAPABILITIES,
    GREETING,
    HOST,
    MESSAGES,
    NAME,
    NUL,
    PASSWORD,
    PORT,
    VERY_LONG,
    Home,
    mbox,
    plain,
    received,
    shown,
    size,
)
from tests.clients.recorder import CLIENT, SERVER, Recorder
from tests.host import Host

MAIL = (*MESSAGES[:8], VERY_LONG, NUL, MESSAGES[8])

pytestmark = pytest.mark.parametrize("pipelining", ["on", "off"])


def configure(
    home: Home,
    pipelining: str,
    options: str,
    port: int = PORT,
    auth: str = "plain",
    password: str = PASSWORD,
    delivery: str = "",
) -> None:
    """Write ~/.mpoprc; received_header off, since mpop would add a header of its own."""
    home.write(
        ".mpoprc",
        f'account default\nhost {HOST}\nport {port}\nuser {NAME}\npassword "{password}"\nauth {auth}\ntls off\n'
        f"pipelining {pipelining}\nreceived_header off\ndelivery {delivery or f'mda {home.deliver}'}\n{options}\n",
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


@pytest.mark.parametrize("auth", ["plain", "user"])
def test_the_conversation(host: Host, home: Home, recorder: Recorder, pipelining: str, auth: str) -> None:
    """Octet for octet: CAPA, AUTH without initial response or USER and PASS, and one message."""
    message = MESSAGES[4]
    host.deliver(NAME, mbox((message,)))
    configure(home, pipelining, "keep off", recorder.port, auth)
    home.run("mpop")
    conversation = recorder.only()
    login = {
        "user": [b"C: USER alice", b"S: +OK", b"C: PASS " + PASSWORD.encode(), b"S: +OK"],
        "plain": [b"C: AUTH PLAIN", b"S: + ", b"C: " + plain(), b"S: +OK"],
    }
    (unique_id,) = re.findall(rb"\r\n1 ([0-9a-f]{16})\r\n", conversation.said(SERVER))
    lines = [
        GREETING,
        b"C: CAPA",
        *CAPABILITIES,
        *login[auth],
        b"C: STAT",
        b"S: +OK 1 %d" % size(message),
        b"C: LIST",
        b"S: +OK",
        b"S: 1 %d" % size(message),
        b"S: .",
        b"C: UIDL",
        b"S: +OK",
        b"S: 1 " + unique_id,
        b"S: .",
        b"C: RETR 1",
        b"S: +OK",
        *shown(message),
        b"C: DELE 1",
        b"S: +OK",
        b"C: QUIT",
        b"S: +OK",
    ]
    if pipelining == "on":  # it may send commands before it has read replies
        for who in (CLIENT, SERVER):
            assert conversation.said(who) == b"".join(line[3:] + b"\r\n" for line in lines if line.startswith(who))
    else:
        assert conversation.lines() == lines


@pytest.mark.parametrize("auth", ["plain", "user"])
def test_passwords(host: Host, home: Home, pipelining: str, auth: str) -> None:
    """Blanks and octets above 127 log in by PASS as well as by AUTH."""
    password = "Käse für 3,50 € "
    host.password(NAME, password.encode())
    host.deliver(NAME, mbox(MESSAGES[:1]))
    configure(home, pipelining, "keep on", PORT, auth, password)
    home.run("mpop")
    assert home.mail() == received(MESSAGES[:1])


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
    configure(home, pipelining, "keep off", delivery="mbox ~/mbox")  # not by a process for each
    home.run("mpop")
    delivered = re.split(rb"^From .*\n", (home.path / "mbox").read_bytes(), flags=re.M)
    assert delivered == [b"", *(message + b"\n" for message in many)]
    assert path.read_bytes() == b""
