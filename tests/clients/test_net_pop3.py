"""Net::POP3, Perl's own client, which asks for CAPA, and reads line by line."""

from __future__ import annotations

import pytest

from tests.clients import (
    CAPABILITIES,
    GREETING,
    MESSAGES,
    NAME,
    NUL,
    PASSWORD,
    VERY_LONG,
    Home,
    mbox,
    plain,
    received,
    shown,
    size,
)
from tests.clients.recorder import Recorder
from tests.host import HOME, PAM_QUICK, Host

MAIL = (*MESSAGES[:8], VERY_LONG, NUL, MESSAGES[8])


def net_pop3(home: Home, port: int, how: str, password: str, then: str, statuses: tuple[int, ...] = (0,)) -> list[bytes]:
    """Fetch all mail with Net::POP3; the lines that the driver wrote."""
    driver = HOME / "tests/clients/net_pop3.pl"
    return home.run("perl", driver, str(port), how, NAME, password, home.box, then, statuses=statuses).splitlines()


@pytest.mark.parametrize("how", ["login", "auth"])
def test_fetch_and_keep(host: Host, home: Home, recorder: Recorder, how: str) -> None:
    """Net::POP3 gets each octet of each message, in the sizes that LIST announces, and the mailbox is as it was."""
    path = host.deliver(NAME, mbox(MAIL))
    lines = net_pop3(home, recorder.port, how, PASSWORD, "keep")
    assert lines[-len(MAIL) :] == [b"%d: %d" % (number, size(message)) for number, message in enumerate(MAIL, 1)]
    assert home.mail() == received(MAIL)
    assert path.read_bytes() == mbox(MAIL)


@pytest.mark.parametrize("how", ["login", "auth"])
def test_fetch_and_delete(host: Host, home: Home, recorder: Recorder, how: str) -> None:
    """All fetched and deleted, the mailbox is empty."""
    path = host.deliver(NAME, mbox(MAIL))
    net_pop3(home, recorder.port, how, PASSWORD, "delete")
    assert home.mail() == received(MAIL)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("how", ["login", "auth"])
def test_a_refused_login(host: Host, home: Home, recorder: Recorder, how: str) -> None:
    """The program that uses Net::POP3 learns popa3d's words."""
    host.pam_stack(PAM_QUICK)
    lines = net_pop3(home, recorder.port, how, "wrong", "keep", statuses=(1,))
    assert b"Authentication failed (bad password?)" in lines[-1]


def test_the_conversation(host: Host, home: Home, recorder: Recorder) -> None:
    """What auth() says, which asks for CAPA itself, octet for octet, and what capa() makes of CAPA's reply."""
    host.deliver(NAME, mbox(MESSAGES[4:5]))
    names = [line.removeprefix(b"S: ").partition(b" ") for line in CAPABILITIES[1:-1]]
    capabilities = sorted([b"CAPA=1", *(name + b"=" + values for name, _, values in names)])
    assert net_pop3(home, recorder.port, "auth", PASSWORD, "keep") == [*capabilities, b"1: %d" % size(MESSAGES[4])]
    assert recorder.only().lines() == [
        GREETING,
        b"C: CAPA",
        *CAPABILITIES,
        b"C: CAPA",
        *CAPABILITIES,
        b"C: AUTH PLAIN " + plain(PASSWORD, NAME.encode()),
        b"S: +OK",
        b"C: LIST",
        b"S: +OK",
        b"S: 1 %d" % size(MESSAGES[4]),
        b"S: .",
        b"C: RETR 1",
        b"S: +OK",
        *shown(MESSAGES[4]),
        b"C: QUIT",
        b"S: +OK",
    ]


@pytest.mark.parametrize("how", ["login", "auth"])
def test_passwords(host: Host, home: Home, recorder: Recorder, how: str) -> None:
    """Blanks, also at the end, and octets above 127 log in by PASS as well as by AUTH."""
    password = "Käse für 3,50 € "
    host.password(NAME, password.encode())
    host.deliver(NAME, mbox(MESSAGES[:1]))
    net_pop3(home, recorder.port, how, password, "keep")
    assert home.mail() == received(MESSAGES[:1])
