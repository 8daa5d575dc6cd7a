"""What people's programs make of a refused login: whose fault it was, and whether to try again later.

fetchmail sorts replies by their words, and scripts go by its exit status. mpop has one status for each -ERR to PASS, and
prints the reply.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients import HOST, MESSAGES, PORT, Home, mbox
from tests.host import ALICE, CAROL, PAM_QUICK, Account, Host
from tests.root.recovering import limited
from tests.session.locks import held

AUTHFAIL, LOCKBUSY, SERVBUSY = 3, 9, 14  # fetchmail's, in fetchmail(1)
NOPERM = 77  # mpop's, in sysexits.h


@contextlib.contextmanager
def a_wrong_password(host: Host, path: Path) -> Iterator[None]:
    host.password("alice", b"another one")
    yield


@contextlib.contextmanager
def an_expired_account(host: Host, path: Path) -> Iterator[None]:
    yield


@contextlib.contextmanager
def an_expired_password(host: Host, path: Path) -> Iterator[None]:
    host.pam_stack(PAM_QUICK + "account required pam_debug.so acct=new_authtok_reqd\n")
    yield


@contextlib.contextmanager
def a_closed_account(host: Host, path: Path) -> Iterator[None]:
    host.pam_stack(PAM_QUICK + "account required pam_deny.so\n")
    yield


@contextlib.contextmanager
def a_file_that_is_no_mailbox(host: Host, path: Path) -> Iterator[None]:
    host.deliver("alice", b"Dear diary,\n")
    yield


@contextlib.contextmanager
def an_unreadable_mailbox(host: Host, path: Path) -> Iterator[None]:
    path.chmod(0)
    yield


@contextlib.contextmanager
def a_locked_mailbox(host: Host, path: Path) -> Iterator[None]:
    with limited(host, LOCK_TIMEOUT_S=1), held("fcntl", path):
        yield


@contextlib.contextmanager
def no_service_file(host: Host, path: Path) -> Iterator[None]:
    (host.pam_d / "popa3d").unlink()
    yield


@contextlib.contextmanager
def a_missing_module(host: Host, path: Path) -> Iterator[None]:
    host.pam_stack(PAM_QUICK + "account required pam_nowhere.so\n")
    yield


State = Callable[[Host, Path], contextlib.AbstractContextManager[None]]
BROKEN = b"-ERR [SYS/PERM] service unavailable: "
CASES: list[tuple[State, Account, int, bytes]] = [
    (a_wrong_password, ALICE, AUTHFAIL, b"-ERR [AUTH] Authentication failed (bad password?)"),
    (an_expired_account, CAROL, AUTHFAIL, b"-ERR [AUTH] your account has expired: "),
    (an_expired_password, ALICE, AUTHFAIL, b"-ERR [AUTH] your password has expired: "),
    (a_closed_account, ALICE, AUTHFAIL, b"-ERR [AUTH] the host does not let this account in now: "),
    (a_file_that_is_no_mailbox, ALICE, SERVBUSY, BROKEN),
    (an_unreadable_mailbox, ALICE, SERVBUSY, BROKEN),
    (a_locked_mailbox, ALICE, LOCKBUSY, b"-ERR [IN-USE] mailbox is locked or in use by another program"),
    (no_service_file, ALICE, SERVBUSY, BROKEN),
    (a_missing_module, ALICE, SERVBUSY, b"-ERR [SYS/TEMP] service temporarily unavailable"),
]


@pytest.mark.parametrize(("state", "account", "status", "reply"), CASES, ids=[case[0].__name__ for case in CASES])
def test_refused(host: Host, home: Home, state: State, account: Account, status: int, reply: bytes) -> None:
    """A host or mailbox that cannot serve is no failed login to fetchmail; mpop prints what was answered."""
    host.pam_stack(PAM_QUICK)
    name, password = account.name, account.password
    home.write(
        ".fetchmailrc",
        f"poll {HOST} protocol pop3 port {PORT} uidl no dns auth password\n"
        f'  user "{name}" password "{password}" is bob here mda "{home.deliver}" sslproto \'\' keep\n',
    )
    home.write(
        ".mpoprc",
        f"account default\nhost {HOST}\nport {PORT}\nuser {name}\npassword {password}\nauth user\ntls off\n"
        f"delivery mda {home.deliver}\n",
    )
    path = host.deliver(name, mbox(MESSAGES[:1]))
    with state(host, path):
        home.run("fetchmail", statuses=(status,))
        assert b"mpop: POP3 server message: " + reply in home.run("mpop", statuses=(NOPERM,))
    assert home.mail() == []
