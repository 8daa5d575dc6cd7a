"""curl, which tries CAPA first and shows what RETR, LIST and UIDL send."""

from __future__ import annotations

from tests.clients import HOST, MESSAGES, NAME, NUL, PASSWORD, VERY_LONG, Home, mbox, received
from tests.host import PAM_QUICK, Host

MAIL = (*MESSAGES[:8], VERY_LONG, NUL, MESSAGES[8])
URL = f"pop3://{HOST}/"


def curl(home: Home, *options: str) -> bytes:
    """What curl gets."""
    return home.run("curl", "-sS", "-u", f"{NAME}:{PASSWORD}", *options)


def sent(messages: tuple[bytes, ...]) -> list[bytes]:
    """The messages as curl prints them: as the protocol has them, with CRLF."""
    return [message.replace(b"\n", b"\r\n") for message in received(messages)]


def test_listing(host: Host, home: Home) -> None:
    """The sizes that LIST announces are the octets that curl gets, and UIDL's names are all different."""
    host.deliver(NAME, mbox(MAIL))
    lines = curl(home, URL).splitlines()
    assert lines == [b"%d %d" % (number, len(message)) for number, message in enumerate(sent(MAIL), 1)]
    names = curl(home, "-X", "UIDL", URL).splitlines()
    assert [name.split()[0] for name in names] == [b"%d" % number for number in range(1, len(MAIL) + 1)]
    assert len({name.split()[1] for name in names}) == len(MAIL)


def test_fetch(host: Host, home: Home) -> None:
    """curl gets each octet of each message, all over one connection, and the mailbox is as it was."""
    path = host.deliver(NAME, mbox(MAIL))
    curl(home, "-o", f"{home.box}/#1", f"{URL}[01-{len(MAIL)}]")
    assert home.mail() == sent(MAIL)
    assert path.read_bytes() == mbox(MAIL)


def test_delete(host: Host, home: Home) -> None:
    """curl deletes one message: that one is gone, and all others are there octet for octet."""
    path = host.deliver(NAME, mbox(MAIL))
    curl(home, "-I", "-X", "DELE 3", URL)
    assert path.read_bytes() == mbox(MAIL[:2] + MAIL[3:])


def test_a_message_that_is_not_there(host: Host, home: Home) -> None:
    """curl learns that there is no such message, and a refused login is one."""
    host.pam_stack(PAM_QUICK)
    host.deliver(NAME, mbox(MAIL[:1]))
    assert b"Weird server reply" in home.run("curl", "-sS", "-u", f"{NAME}:{PASSWORD}", f"{URL}2", statuses=(8, 56))
    home.run("curl", "-sS", "-u", f"{NAME}:wrong", f"{URL}1", statuses=(67,))
