"""curl, which tries CAPA first and shows what RETR, LIST and UIDL send."""

from __future__ import annotations

import pytest

from tests.clients import (
    CAPABILITIES,
    FAILED,
    GREETING,
    HOST,
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
)
from tests.clients.recorder import Recorder
from tests.host import PAM_QUICK, Host

MAIL = (*MESSAGES[:8], VERY_LONG, NUL, MESSAGES[8])
URL = f"pop3://{HOST}/"
LOGIN_DENIED = 67  # curl's exit status
NOT_ANOTHER = b"S: -ERR [AUTH] nobody may log in as another user"

# How curl can be told to log in, and what it then says first.
LOGINS: dict[str, tuple[tuple[str, ...], list[bytes]]] = {
    "by itself": ((), [b"C: AUTH PLAIN", b"S: + ", b"C: %s"]),
    "with initial response": (("--sasl-ir",), [b"C: AUTH PLAIN %s"]),
    "told PLAIN": (("--login-options", "AUTH=PLAIN"), [b"C: AUTH PLAIN", b"S: + ", b"C: %s"]),
    "told PLAIN, with initial response": (("--login-options", "AUTH=PLAIN", "--sasl-ir"), [b"C: AUTH PLAIN %s"]),
}
EACH_LOGIN = pytest.mark.parametrize(("options", "commands"), LOGINS.values(), ids=LOGINS)
ODD_PASSWORD = " Käse für 3,50 € "
LONG_PASSWORD = "long " * 100  # its initial response would be longer than a command line may be, so curl sends none


def login(commands: list[bytes], password: str = PASSWORD, authorize_as: bytes = b"") -> list[bytes]:
    """The conversation up to the reply to AUTH."""
    sent = plain(password, authorize_as)
    return [GREETING, b"C: CAPA", *CAPABILITIES, *(line.replace(b"%s", sent) for line in commands)]


def curl(home: Home, *options: str, password: str = PASSWORD, statuses: tuple[int, ...] = (0,)) -> bytes:
    """What curl gets."""
    return home.run("curl", "-sS", "-u", f"{NAME}:{password}", *options, statuses=statuses)


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
    assert b"Weird server reply" in curl(home, f"{URL}2", statuses=(8, 56))
    curl(home, f"{URL}1", password="wrong", statuses=(LOGIN_DENIED,))


@EACH_LOGIN
@pytest.mark.parametrize("password", [ODD_PASSWORD, LONG_PASSWORD])
def test_login(
    host: Host, home: Home, recorder: Recorder, options: tuple[str, ...], commands: list[bytes], password: str
) -> None:
    """The whole conversation, octet for octet: CAPA, AUTH PLAIN with or without initial response, and the mail."""
    host.password(NAME, password.encode())
    host.deliver(NAME, mbox(MAIL[1:2]))
    assert curl(home, *options, f"pop3://{HOST}:{recorder.port}/1", password=password) == sent(MAIL[1:2])[0]
    if password == LONG_PASSWORD:
        commands = LOGINS["by itself"][1]
    assert recorder.only().lines() == [
        *login(commands, password),
        b"S: +OK",
        b"C: RETR 1",
        b"S: +OK",
        *shown(MAIL[1]),
        b"C: QUIT",
        b"S: +OK",
    ]


@EACH_LOGIN
def test_a_wrong_password(host: Host, home: Home, recorder: Recorder, options: tuple[str, ...], commands: list[bytes]) -> None:
    """curl learns that the login was denied, and tries nothing else."""
    host.pam_stack(PAM_QUICK)
    curl(home, *options, f"pop3://{HOST}:{recorder.port}/1", password="wrong", statuses=(LOGIN_DENIED,))
    assert recorder.only().lines() == [*login(commands, "wrong"), FAILED]


@pytest.mark.parametrize(("identity", "reply"), [(NAME, b"S: +OK"), ("bob", NOT_ANOTHER)], ids=["own", "another's"])
def test_authorization_identity(host: Host, home: Home, recorder: Recorder, identity: str, reply: bytes) -> None:
    """A name to act as, which RFC 4616 allows, may be the user's own; nobody may act as somebody else."""
    host.pam_stack(PAM_QUICK)
    host.deliver(NAME, mbox(MAIL[:1]))
    url = f"pop3://{HOST}:{recorder.port}/1"
    curl(home, "--sasl-authzid", identity, url, statuses=(0,) if identity == NAME else (LOGIN_DENIED,))
    start = login(LOGINS["by itself"][1], PASSWORD, identity.encode())
    assert recorder.only().lines()[: len(start) + 1] == [*start, reply]
