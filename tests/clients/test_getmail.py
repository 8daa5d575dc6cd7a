"""getmail 6, with its own headers (Received, Delivered-To) switched off."""

from __future__ import annotations

import re

from tests.clients import GREETING, HOST, MESSAGES, NAME, PASSWORD, PORT, Home, mbox, received, shown, size
from tests.clients.recorder import SERVER, Recorder
from tests.host import Host


def configure(home: Home, options: str, port: int = PORT, password: str = PASSWORD) -> None:
    """Write the file that getmail finds in --getmaildir."""
    home.write(
        "getmailrc",
        f"[retriever]\ntype = SimplePOP3Retriever\nserver = {HOST}\nport = {port}\nusername = {NAME}\npassword = {password}\n"
        f"[destination]\ntype = MDA_external\npath = {home.deliver_for_getmail}\n"
        f"[options]\nreceived = false\ndelivered_to = false\n{options}\n",
    )


def getmail(home: Home) -> None:
    """One poll."""
    home.run("getmail", "--getmaildir", home.path)


def test_keep(host: Host, home: Home) -> None:
    """getmail gets each octet of each message and leaves the mailbox as it was; a second poll fetches only what is new."""
    path = host.deliver(NAME, mbox(MESSAGES[:7]))
    configure(home, "read_all = false\ndelete = false")
    getmail(home)
    assert home.mail() == received(MESSAGES[:7])
    assert path.read_bytes() == mbox(MESSAGES[:7])
    getmail(home)
    assert len(home.mail()) == 7
    host.deliver(NAME, mbox(MESSAGES))
    getmail(home)
    assert home.mail() == received(MESSAGES)


def test_fetch_and_delete(host: Host, home: Home) -> None:
    """With "delete" getmail has all mail and the mailbox is empty."""
    path = host.deliver(NAME, mbox(MESSAGES))
    configure(home, "delete = true")
    getmail(home)
    assert home.mail() == received(MESSAGES)
    assert path.read_bytes() == b""


def test_equal_fields(host: Host, home: Home) -> None:
    """getmail, which refuses a mailbox with equal unique-ids, gets mail without Date and Message-ID, and copies."""
    cron = [b"Return-Path: <root@h>\nFrom: root@h\nSubject: %s\n\n%s\n" % (name, name) for name in (b"A", b"B", b"A")]
    host.deliver(NAME, mbox(tuple(cron)))
    configure(home, "read_all = false\ndelete = false")
    getmail(home)
    assert home.mail() == received(tuple(cron))
    getmail(home)
    assert len(home.mail()) == 3


def test_the_rest_stays(host: Host, home: Home) -> None:
    """What getmail did not fetch in a limited session stays in the mailbox, octet for octet."""
    path = host.deliver(NAME, mbox(MESSAGES))
    configure(home, "delete = true\nmax_messages_per_session = 4")
    getmail(home)
    assert home.mail() == received(MESSAGES[:4])
    assert path.read_bytes() == mbox(MESSAGES[4:])


def test_the_conversation(host: Host, home: Home, recorder: Recorder) -> None:
    """Octet for octet: USER and PASS, both listings twice, and a message."""
    message = MESSAGES[1]
    host.deliver(NAME, mbox((message,)))
    configure(home, "delete = true", recorder.port)
    getmail(home)
    conversation = recorder.only()
    unique_id = re.findall(rb"\r\n1 ([0-9a-f]{16})\r\n", conversation.said(SERVER))[0]
    listings = [
        b"C: UIDL",
        b"S: +OK",
        b"S: 1 " + unique_id,
        b"S: .",
        b"C: LIST",
        b"S: +OK",
        b"S: 1 %d" % size(message),
        b"S: .",
    ]
    assert conversation.lines() == [
        GREETING,
        b"C: USER alice",
        b"S: +OK",
        b"C: PASS " + PASSWORD.encode(),
        b"S: +OK",
        *listings,
        *listings,
        b"C: RETR 1",
        b"S: +OK",
        *shown(message),
        b"C: DELE 1",
        b"S: +OK",
        b"C: QUIT",
        b"S: +OK",
    ]


def test_passwords(host: Host, home: Home) -> None:
    """Blanks and octets above 127 log in."""
    password = "Käse für 3,50 €"
    host.password(NAME, password.encode())
    host.deliver(NAME, mbox(MESSAGES[:1]))
    configure(home, "", password=password)
    getmail(home)
    assert home.mail() == received(MESSAGES[:1])
