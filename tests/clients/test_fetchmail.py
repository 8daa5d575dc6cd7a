"""fetchmail, as fetchmail(1) tells to run it: from ~/.fetchmailrc, with a delivery agent, and invisible."""

from __future__ import annotations

import pytest

from tests.clients import HOST, LONG, MESSAGES, NAME, NUL, PASSWORD, PORT, Home, mbox, received
from tests.host import PAM_QUICK, Host

MAIL = (*MESSAGES[:8], LONG, NUL, MESSAGES[8])
NOTHING_NEW = 1  # fetchmail's exit status


def configure(home: Home, options: str) -> None:
    """Write ~/.fetchmailrc. Without "invisible" and "no rewrite" fetchmail adds a header and edits addresses."""
    home.write(
        ".fetchmailrc",
        "set no bouncemail\nset invisible\n"
        f'poll {HOST} protocol pop3 port {PORT} uidl no dns auth password\n  user "{NAME}" password "{PASSWORD}" is bob here\n'
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


@pytest.mark.parametrize(
    ("stack", "password", "status"),
    [
        (PAM_QUICK, "wrong", 3),
        (PAM_QUICK + "account required pam_deny.so\n", PASSWORD, 3),
        (PAM_QUICK + "account required pam_debug.so acct=acct_expired\n", PASSWORD, 3),
        (PAM_QUICK + "account required pam_debug.so acct=new_authtok_reqd\n", PASSWORD, 3),
        (PAM_QUICK + "account required pam_no_such_module.so\n", PASSWORD, 14),
        ("", PASSWORD, 14),
    ],
)
def test_refusals(host: Host, home: Home, stack: str, password: str, status: int) -> None:
    """fetchmail tells failed logins (3) from a host that cannot serve now (14), which it tries again later."""
    host.pam_stack(stack)
    configure(home, "keep")
    path = home.path / ".fetchmailrc"
    home.write(".fetchmailrc", path.read_text().replace(f'password "{PASSWORD}"', f'password "{password}"'))
    home.run("fetchmail", statuses=(status,))
    assert home.mail() == []
