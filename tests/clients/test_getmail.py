"""getmail 6, with its own headers (Received, Delivered-To) switched off."""

from __future__ import annotations

from tests.clients import HOST, MESSAGES, NAME, PASSWORD, PORT, Home, mbox, received
from tests.host import Host


def configure(home: Home, options: str) -> None:
    """Write the file that getmail finds in --getmaildir."""
    home.write(
        "getmailrc",
        f"[retriever]\ntype = SimplePOP3Retriever\nserver = {HOST}\nport = {PORT}\nusername = {NAME}\npassword = {PASSWORD}\n"
        f"[destination]\ntype = MDA_external\npath = {home.deliver}\n"
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
