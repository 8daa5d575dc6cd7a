"""Who has logged in: each record and each answer of PAM's, without either of them."""

from __future__ import annotations

import pwd

import pytest

from popa3d.root import accounts, authentication
from popa3d.root.ending import End
from popa3d.root.pam import answer, service_file
from popa3d.root.peer import Peer
from popa3d.shared import log, record, replies
from popa3d.shared.limits import NO_ACCOUNT, PAM_TIMEOUT_S
from popa3d.shared.settings import Settings
from tests.unit.root.accounts import ALICE, ROOT, account

PEER = Peer.accepted("192.0.2.1")
REASON = "pam_acct_mgmt returned PAM_PERM_DENIED"
LOGIN = record.Login(b"alice", b"sesame-1", b"STAT\r\n").encode()


class Pam:
    """PAM with one answer, which notes what it is asked. None: the password is wrong."""

    def __init__(self, user: bytes | None, verdict: int = answer.PASSED) -> None:
        self.answer = answer.Answer(answer.FAILED if user is None and verdict == answer.PASSED else verdict, user, REASON)
        self.asked: list[tuple[bytes, bytes, bytes]] = []

    def authenticate(self, user: bytes, password: bytes, address: bytes) -> answer.Answer:
        """The answer."""
        self.asked.append((user, password, address))
        return self.answer


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The alarms that are set, on a host with a PAM service file and the accounts alice, root, staff (group 0) and boss."""
    known = {b"alice": ALICE, b"root": ROOT, b"staff": account("staff", 1001, 0), b"boss": account("boss", 0, 1000)}
    known[b"Alice"] = ALICE  # as name services that do not tell upper from lower case have it
    seconds: list[int] = []
    monkeypatch.setattr("popa3d.root.authentication._signal.alarm", seconds.append)
    monkeypatch.setattr(accounts, "find", known.get)
    monkeypatch.setattr(service_file, "check", lambda: None)
    return seconds


def log_in(pam: Pam | None, data: bytes) -> tuple[pwd.struct_passwd, bytes]:
    """authentication.log_in, with that PAM, where names may be e-mail addresses."""
    settings = Settings()
    settings.domains = ("example.org",)
    return authentication.log_in(pam, data, PEER, settings, True)  # type: ignore[arg-type]


def ending(pam: Pam | None, data: bytes) -> tuple[str, bytes, int]:
    """How it ends otherwise: the log's text, the reply, the priority."""
    with pytest.raises(End) as raised:
        log_in(pam, data)
    return raised.value.reason, raised.value.reply, raised.value.priority


def test_login(alarms: list[int]) -> None:
    """The account is the one that PAM names, and what was sent ahead is kept; an alarm bounds the time."""
    pam = Pam(b"alice")
    assert log_in(pam, LOGIN) == (ALICE, b"STAT\r\n")
    assert pam.asked == [(b"alice", b"sesame-1", b"192.0.2.1")]
    assert alarms == [PAM_TIMEOUT_S]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (b"alice@example.org", b"alice"),
        (b"Alice", b"alice"),
        (b"alice@example.net", b"alice@example.net"),
        (b"nobody-here@example.org", b"nobody-here@example.org"),
        (b"+sesame-1", NO_ACCOUNT.encode()),
        (b"-sesame-1", NO_ACCOUNT.encode()),
    ],
)
def test_pam_is_asked_for_the_account(alarms: list[int], typed: bytes, asked: bytes) -> None:
    """Where there is an account, PAM gets its name in the name services' spelling, and else what was typed, if it may."""
    pam = Pam(None)
    shown = "alice" if asked == b"alice" else "UNKNOWN USER"
    assert ending(pam, record.Login(typed, b"x", b"").encode())[0] == f"Authentication failed for {shown} from 192.0.2.1"
    assert pam.asked == [(asked, b"x", b"192.0.2.1")]


@pytest.mark.parametrize(("name", "octets"), [("\udce4", b"\xe4"), ("+alice", b"+alice")])
def test_names_of_odd_octets(alarms: list[int], monkeypatch: pytest.MonkeyPatch, name: str, octets: bytes) -> None:
    """A name of an account reaches PAM in the octets that the password file has, whatever they are."""
    monkeypatch.setattr(accounts, "find", {octets: account(name)}.get)
    pam = Pam(octets)
    assert log_in(pam, record.Login(octets + b"@example.org", b"x", b"").encode())[0] == account(name)
    assert pam.asked[0][0] == octets


@pytest.mark.parametrize(
    ("data", "reason", "priority"),
    [
        (record.LEFT, "Didn't attempt authentication", log.INFO),
        (record.EXPIRED, "Connection timed out", log.INFO),
        (record.TOO_MANY, "Too many commands without a login from 192.0.2.1", log.NOTICE),
        (record.INJECTED, "Octets behind STLS from 192.0.2.1", log.NOTICE),
        (record.START_TLS, "The pre-auth child wrote a malformed record", log.ERROR),
        (record.NOT_ANOTHER, "Login as another user refused from 192.0.2.1", log.NOTICE),
        (LOGIN[:-1], "The pre-auth child wrote a malformed record", log.ERROR),
        (b"Q" + LOGIN[1:], "The pre-auth child wrote a malformed record", log.ERROR),
    ],
)
def test_no_login(alarms: list[int], data: bytes, reason: str, priority: int) -> None:
    """Other records end the session without a reply, and PAM is not asked."""
    pam = Pam(b"alice")
    assert ending(pam, data) == (reason, b"", priority)
    assert not pam.asked and not alarms


def test_a_login_that_needs_tls() -> None:
    """PAM is not asked about a login that the pre-auth child had no leave to take; other records mean what they always do."""
    pam = Pam(b"alice")
    for data, reason, reply in (
        (LOGIN, "The pre-auth child wrote a login that needs TLS", replies.TLS_IS_NEEDED),
        (record.LEFT, "Didn't attempt authentication", b""),
    ):
        with pytest.raises(End) as raised:
            authentication.log_in(pam, data, PEER, Settings(), False)  # type: ignore[arg-type]
        assert (raised.value.reason, raised.value.reply) == (reason, reply)
    assert not pam.asked


def test_without_pam(alarms: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody logs in where PAM cannot be loaded, or has no service file for popa3d."""
    assert ending(None, LOGIN) == ("Authentication is impossible without PAM", replies.MISCONFIGURED, log.ERROR)

    def check() -> None:
        raise service_file.Insufficient("No PAM service file x")

    monkeypatch.setattr(service_file, "check", check)
    assert ending(Pam(b"alice"), LOGIN) == ("No PAM service file x", replies.MISCONFIGURED, log.ERROR)


@pytest.mark.parametrize(
    ("claimed", "answer", "shown"),
    [
        (b"alice", None, "alice"),
        (b"nobody-here", None, "UNKNOWN USER"),
        (b"nobody-here", b"nobody-here", "UNKNOWN USER"),
        (b"alice", b"root", "alice"),
        (b"alice", b"boss", "alice"),
        (b"root", b"root", "root"),
        (b"root@example.org", b"root", "root"),
        (b"alice@example.org", b"root", "alice"),
        (b"nobody-here@example.org", None, "UNKNOWN USER"),
    ],
)
def test_failed(alarms: list[int], claimed: bytes, answer: bytes | None, shown: str) -> None:
    """PAM's no, a name that is no account, and root whatever PAM says: one reply, and only names of accounts in the log."""
    reason = f"Authentication failed for {shown} from 192.0.2.1"
    assert ending(Pam(answer), record.Login(claimed, b"x", b"").encode()) == (reason, replies.LOGIN_FAILED, log.NOTICE)


def test_password_of_root(alarms: list[int]) -> None:
    """Whoever claims to be root has another password asked for than theirs: time must not tell whether it was right."""
    pam = Pam(None)
    for name in (b"root", b"boss", b"root@example.org"):
        ending(pam, record.Login(name, b"sesame-1", b"").encode())
    assert len(pam.asked) == 3
    assert all(password != b"sesame-1" and password for _, password, _ in pam.asked)


def test_accounts_without_sessions(alarms: list[int]) -> None:
    """An account with root's group may not log in: its user is told so, and the log says why."""
    reason = "Login refused for staff from 192.0.2.1: the account has group 0 or a name that is no file name"
    assert ending(Pam(b"staff"), LOGIN) == (reason, replies.NOT_SERVED, log.NOTICE)


REFUSED = [
    (answer.PASSWORD_EXPIRED, "the password has expired", replies.PASSWORD_EXPIRED),
    (answer.ACCOUNT_EXPIRED, "the account has expired", replies.ACCOUNT_EXPIRED),
    (answer.CLOSED, REASON, replies.CLOSED),
]


@pytest.mark.parametrize(("verdict", "reason", "reply"), REFUSED)
@pytest.mark.parametrize("claimed", [b"alice", b"nobody-here", b"staff"])
def test_refused_after_the_right_password(alarms: list[int], verdict: int, reason: str, reply: bytes, claimed: bytes) -> None:
    """Account management's no has a reply and a line of its own; the account is PAM's, whatever was claimed."""
    login = record.Login(claimed, b"sesame-1", b"").encode()
    assert ending(Pam(b"alice", verdict), login) == (f"Login refused for alice from 192.0.2.1: {reason}", reply, log.NOTICE)


@pytest.mark.parametrize("verdict", [verdict for verdict, *_ in REFUSED] + [answer.UNAVAILABLE])
@pytest.mark.parametrize("user", [b"root", b"boss", b"nobody-here", b""])
def test_root_is_told_nothing_more(alarms: list[int], verdict: int, user: bytes) -> None:
    """Whatever account management says of root, or of a name that is no account, it is as a wrong password."""
    expected = ("Authentication failed for alice from 192.0.2.1", replies.LOGIN_FAILED, log.NOTICE)
    assert ending(Pam(user, verdict), LOGIN) == expected


@pytest.mark.parametrize(
    ("verdict", "user", "reply"),
    [
        (answer.UNAVAILABLE, None, replies.UNAVAILABLE),
        (answer.UNAVAILABLE, b"alice", replies.UNAVAILABLE),
        (answer.UNDECIDED, None, replies.LOGIN_FAILED),
    ],
)
@pytest.mark.parametrize(("claimed", "shown"), [(b"alice", "alice"), (b"root", "root"), (b"nobody-here", "UNKNOWN USER")])
def test_undecided(alarms: list[int], verdict: int, user: bytes | None, reply: bytes, claimed: bytes, shown: str) -> None:
    """Where PAM cannot decide, the log has an error with its code. The client learns it unless that depends on the password."""
    login = record.Login(claimed, b"sesame-1", b"").encode()
    text = f"PAM cannot decide about {'alice' if user else shown} from 192.0.2.1: {REASON}"
    assert ending(Pam(user, verdict), login) == (text, reply, log.ERROR)


def test_login_without_account(alarms: list[int]) -> None:
    """A login that names no account is none, even if PAM were said to have passed it."""
    assert ending(Pam(None, answer.UNAVAILABLE), LOGIN)[1] == replies.UNAVAILABLE
    pam = Pam(b"alice")
    pam.answer.user = None
    assert ending(pam, LOGIN)[1] == replies.LOGIN_FAILED
