"""fetchmail, as fetchmail(1) tells to run it: from ~/.fetchmailrc, with a delivery agent, and invisible."""

from __future__ import annotations

import re

import pytest

from tests.clients import (
    CAPABILITIES,
    GREETING,
    HOST,
    LONG,
    MESSAGES,
    NAME,
    NUL,
    PASSWORD,
    PORT,
    Home,
    mbox,
    received,
    shown,
    size,
)
from tests.clients.recorder import SERVER, Recorder
from tests.host import Host

MAIL = (*MESSAGES[:8], LONG, NUL, MESSAGES[8])
NOTHING_NEW = 1  # fetchmail's exit status


def configure(home: Home, options: str, port: int = PORT, auth: str = "any", password: str = PASSWORD) -> None:
    """Write ~/.fetchmailrc. Without "invisible" and "no rewrite" fetchmail adds a header and edits addresses."""
    home.write(
        ".fetchmailrc",
        "set no bouncemail\nset invisible\n"
        f'poll {HOST} protocol pop3 port {port} uidl no dns auth {auth}\n  user "{NAME}" password "{password}" is bob here\n'
        f"  mda \"{home.deliver}\" no rewrite pass8bits sslproto '' {options}\n",
    )


@pytest.mark.parametrize("options", ["keep", "keep fetchall"], ids=["TOP", "RETR"])
def test_keep(host: Host, home: Home, options: str) -> None:
    """fetchmail gets each octet of each message, by TOP as well as by RETR, and leaves the mailbox as it was."""
    path = host.deliver(NAME, mbox(MAIL))
    configure(home, options)
    home.run("fetchmail")
    assert home.mail() == received(MAIL)
    assert path.read_bytes() == mbox(MAIL)


def test_a_second_poll_fetches_only_what_is_new(host: Host, home: Home) -> None:
    """With mail left on the server fetchmail knows by UIDL what it has, also behind mail that was delivered since."""
    host.deliver(NAME, mbox(MESSAGES[:3]))
    configure(home, "keep")
    home.run("fetchmail")
    home.run("fetchmail", statuses=(NOTHING_NEW,))
    assert home.mail() == received(MESSAGES[:3])
    host.deliver(NAME, mbox(MESSAGES[:5]))
    home.run("fetchmail")
    assert home.mail() == received(MESSAGES[:5])


def test_fetch_and_delete(host: Host, home: Home) -> None:
    """Without "keep" fetchmail has all mail and the mailbox is empty."""
    path = host.deliver(NAME, mbox(MAIL))
    configure(home, "fetchall")
    home.run("fetchmail")
    assert home.mail() == received(MAIL)
    assert path.read_bytes() == b""
    home.run("fetchmail", statuses=(NOTHING_NEW,))


def test_the_rest_stays(host: Host, home: Home) -> None:
    """What fetchmail did not fetch in a limited poll stays in the mailbox, octet for octet."""
    path = host.deliver(NAME, mbox(MAIL))
    configure(home, "fetchall fetchlimit 4")
    home.run("fetchmail", statuses=(0, 13))  # 13: fetchlimit was reached
    assert home.mail() == received(MAIL[:4])
    assert path.read_bytes() == mbox(MAIL[4:])


@pytest.mark.parametrize("auth", ["any", "password"])
def test_the_conversation(host: Host, home: Home, recorder: Recorder, auth: str) -> None:
    """Octet for octet: CAPA unless told how to log in, USER and PASS, and a message by TOP of very many lines."""
    message = MESSAGES[1]
    host.deliver(NAME, mbox((message,)))
    configure(home, "keep", recorder.port, auth)
    home.run("fetchmail")
    conversation = recorder.only()
    (unique_id,) = re.findall(rb"\r\n1 ([0-9a-f]{16})\r\n", conversation.said(SERVER))
    assert conversation.lines() == [
        GREETING,
        *([b"C: CAPA", *CAPABILITIES] if auth == "any" else []),
        b"C: USER alice",
        b"S: +OK",
        b"C: PASS " + PASSWORD.encode(),
        b"S: +OK",
        b"C: STAT",
        b"S: +OK 1 %d" % size(message),
        b"C: UIDL",
        b"S: +OK",
        b"S: 1 " + unique_id,
        b"S: .",
        b"C: LIST 1",
        b"S: +OK 1 %d" % size(message),
        b"C: TOP 1 99999999",
        b"S: +OK",
        *shown(message),
        b"C: QUIT",
        b"S: +OK",
    ]


def test_passwords(host: Host, home: Home) -> None:
    """Blanks, also at the end, and octets above 127 log in."""
    password = "Käse für 3,50 € "
    host.password(NAME, password.encode())
    host.deliver(NAME, mbox(MESSAGES[:1]))
    configure(home, "keep", password=password)
    home.run("fetchmail")
    assert home.mail() == received(MESSAGES[:1])
