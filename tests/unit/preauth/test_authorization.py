"""The AUTHORIZATION state, without a socket: every command, in every order, however its octets are split."""

from __future__ import annotations

import base64

import pytest

from popa3d.preauth.authorization import GO_ON, LOGIN, NOT_ANOTHER, QUIT, START_TLS, TOO_MANY, Authorization
from popa3d.shared import capabilities, replies
from popa3d.shared.capabilities import Offer
from popa3d.shared.limits import AUTH_LINE_OCTETS, INVALID_COMMANDS, LINE_OCTETS, LOGIN_LINES, NAME_OCTETS
from tests.unit.splits import TRAILING, pieces, talk

OK, NO = replies.OK, replies.INVALID


def conversation(stream: bytes, offer: Offer | None = None) -> tuple[bytes, str, bytes, bytes]:
    """All replies to a stream, the last event, the name and the password: the same however it is split and what follows."""
    outcomes = []
    for trailing in TRAILING:
        for split in pieces(stream + trailing):
            machine = Authorization(offer or Offer())
            said, event, ahead = talk(machine.receive, GO_ON, split)
            outcomes.append((said, event, machine.user, machine.password))
            assert event == GO_ON or ahead == trailing
        if outcomes[0][1] == GO_ON:
            break  # what follows would be lines of this state, too
    assert [outcome for outcome in outcomes if outcome != outcomes[0]] == []
    return outcomes[0]


@pytest.mark.parametrize(
    ("stream", "user", "password"),
    [
        (b"USER alice\r\nPASS sesame-1\r\n", b"alice", b"sesame-1"),
        (b"user alice\npass sesame-1\n", b"alice", b"sesame-1"),
        (b"USER alice \r\nPASS  two  words \r\n", b"alice", b" two  words "),
        (b"USER " + b"a" * 250 + b"\nPASS " + b"p" * 250 + b"\n", b"a" * 250, b"p" * 250),
        (b"USER \xff\r\nPASS \xfe\x80\r\n", b"\xff", b"\xfe\x80"),
        (b"USER alice@mail.example\r\nPASS PASS x\r\n", b"alice@mail.example", b"PASS x"),
    ],
    ids=str,
)
def test_login(stream: bytes, user: bytes, password: bytes) -> None:
    """USER and PASS end in LOGIN with the octets that were sent; PASS has no reply here, since root gives it."""
    assert conversation(stream) == (OK, LOGIN, user, password)


def test_quit() -> None:
    """QUIT is answered and ends the state, before and after USER."""
    assert conversation(b"QUIT\r\n") == (OK, QUIT, b"", b"")
    assert conversation(b"USER alice\r\nQuit \r\n") == (OK + OK, QUIT, b"alice", b"")


def test_orders() -> None:
    """PASS needs a USER before it; a second USER is refused, and the first name stays, as in C popa3d."""
    assert conversation(b"PASS x\r\n") == (NO, GO_ON, b"", b"")
    assert conversation(b"PASS x\r\nUSER alice\r\nPASS y\r\n") == (NO + OK, LOGIN, b"alice", b"y")
    assert conversation(b"USER alice\r\nUSER bob\r\nPASS x\r\n") == (OK + NO, LOGIN, b"alice", b"x")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "line",
    [b"USER", b"USER ", b"USER  a", b"USER a b", b"USER a\0", b"PASS", b"PASS ", b"PASS x\0y", b"QUIT now"] + [b"QUIT  "],
    ids=str,
)
def test_wrong_arguments(line: bytes, named: bool) -> None:
    """A command with other arguments than its own changes nothing."""
    before, name = (b"USER alice\r\n", b"alice") if named else (b"", b"")
    assert conversation(before + line + b"\r\n") == (OK * named + NO, GO_ON, name, b"")


@pytest.mark.parametrize("octet", [b"\t", b"\r", b"\x01", b"\x1f", b"\x7f"])
def test_control_characters(octet: bytes) -> None:
    """Names and passwords have none: the client is told so, and may go on."""
    for value in (octet, octet + b"a", b"a" + octet + b"b"):
        said = replies.UNUSABLE
        assert conversation(b"USER " + value + b"\r\nUSER alice\r\n") == (said + OK, GO_ON, b"alice", b"")
        assert conversation(b"USER alice\r\nPASS " + value + b"\r\nPASS x\r\n") == (OK + said, LOGIN, b"alice", b"x")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "line",
    [b"", b" ", b" USER a", b"STAT", b"RETR 1", b"DELE 1", b"NOOP", b"STLS", b"APOP a b", b"CAPA x", b"CAPA  "]
    + [b"USERS a", b"x" * LINE_OCTETS, b"\xff", b"\0", b"GET / HTTP/1.0", b"*", b"AHRlc3QAdGVzdA=="],
    ids=lambda line: str(line[:20]),
)
def test_what_is_no_command_here(line: bytes, named: bool) -> None:
    """Whatever has no row in the table is refused, and the client may go on to log in."""
    before, answers = (b"USER alice\r\n", OK + NO) if named else (b"", NO + OK)
    after = b"" if named else b"USER alice\r\n"
    assert conversation(before + line + b"\r\n" + after + b"PASS x\r\n") == (answers, LOGIN, b"alice", b"x")


@pytest.mark.parametrize(
    "line",
    [
        b"x" * 256,
        b"x" * 5000,
        b"USER " + b"a" * (NAME_OCTETS + 1),
        b"PASS " + b"p" * 251,
        b"QUIT" + b" " * 252,
        b"AUTH PLAIN " + b"A" * 1353,
    ],
    ids=lambda line: f"{line[:5]!r}{len(line)}",
)
def test_a_line_that_is_too_long(line: bytes) -> None:
    """It is refused as such, and no part of it is used: a name or a password that is cut would be another one."""
    stream = b"USER alice\r\n" + line + b"\r\nPASS x\r\n"
    assert conversation(stream) == (OK + replies.TOO_LONG, LOGIN, b"alice", b"x")
    assert conversation(line + b"\r\nUSER bob\r\n") == (replies.TOO_LONG + OK, GO_ON, b"bob", b"")


def test_capabilities() -> None:
    """CAPA is answered before and after USER, and changes nothing."""
    said = capabilities.LIST
    assert conversation(b"CAPA\r\nUSER alice\r\ncapa\r\nPASS x\r\n") == (said + OK + said, LOGIN, b"alice", b"x")


# AUTH: RFC 5034, with PLAIN of RFC 4616.

CHALLENGE, MALFORMED, CANCELLED = replies.CHALLENGE, replies.MALFORMED, replies.CANCELLED
LONGEST = base64.b64encode(b"u" * NAME_OCTETS + b"\0" + b"u" * NAME_OCTETS + b"\0" + b"p" * 512)


@pytest.mark.parametrize(
    ("response", "user", "password"),
    [
        (b"dGVzdAB0ZXN0AHRlc3Q=", b"test", b"test"),  # the example of RFC 5034: who one becomes is who one is
        (b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm", b"tim", b"tanstaaftanstaaf"),  # RFC 4616's, which has them in the clear
        (base64.b64encode("\0k\u00e4the\0\u00fcber all".encode("latin-1")), b"k\xe4the", b"\xfcber all"),
        (base64.b64encode(b"\0alice\0 "), b"alice", b" "),
        (base64.b64encode(b"\0alice@mail.example\0*"), b"alice@mail.example", b"*"),
        (LONGEST, b"u" * 250, b"p" * 512),
    ],
    ids=lambda value: str(value[:12]),
)
@pytest.mark.parametrize("named", [False, True])
def test_plain(response: bytes, user: bytes, password: bytes, named: bool) -> None:
    """A login by PLAIN, with the response on AUTH's line or behind the challenge, also when USER came before."""
    before, said = (b"USER other\r\n", OK) if named else (b"", b"")
    assert conversation(before + b"AUTH PLAIN " + response + b"\r\n") == (said, LOGIN, user, password)
    assert conversation(before + b"auth plain\r\n" + response + b"\r\n") == (said + CHALLENGE, LOGIN, user, password)
    assert conversation(before + b"AUTH PLAIN \r\n" + response + b"\n") == (said + CHALLENGE, LOGIN, user, password)


BAD = {
    "empty": b"",
    "an empty message": b"=",
    "no base64": b"not base64!",
    "no padding": b"dGVzdAB0ZXN0AHRlc3Q",
    "too much padding": b"dGVzdAB0ZXN0AHRlc3Q==",
    "padding inside": b"dGVzdA==AHRlc3QAdGVzdA==",
    "padding first": b"=dGVzdAB0ZXN0AHRlc3Q",
    "a blank inside": b"dGVzdAB0 ZXN0AHRlc3Q=",
    "a blank first": b" dGVzdAB0ZXN0AHRlc3Q=",
    "a blank behind": b"dGVzdAB0ZXN0AHRlc3Q= ",
    "a tab behind": b"dGVzdAB0ZXN0AHRlc3Q=\t",
    "a CR behind": b"dGVzdAB0ZXN0AHRlc3Q=\r",
    "a NUL inside": b"dGVzdAB0\0ZXN0AHRlc3Q=",
    "bits left over": b"dGVzdAB0ZXN0AHRlc3R=",
    "URL's alphabet": base64.urlsafe_b64encode(b"\0\xff\xfb\0\xff\xfe"),
    "one part": base64.b64encode(b"alice"),
    "two parts": base64.b64encode(b"alice\0x"),
    "four parts": base64.b64encode(b"\0alice\0x\0"),
    "no name": base64.b64encode(b"\0\0x"),
    "no password": base64.b64encode(b"\0alice\0"),
    "neither": base64.b64encode(b"\0\0"),
}
UNUSABLE = {
    "a blank in the name": base64.b64encode(b"\0al ice\0x"),
    "a line end in the name": base64.b64encode(b"\0al\nice\0x"),
    "a line end in the password": base64.b64encode(b"\0alice\0x\n"),
    "a control character": base64.b64encode(b"\0alice\0x\x1b"),
    "DEL": base64.b64encode(b"\0alice\x7f\0x"),
    "a long name": base64.b64encode(b"\0" + b"u" * 251 + b"\0x"),
    "a long password": base64.b64encode(b"\0u\0" + b"p" * 513),
}


@pytest.mark.parametrize("response", BAD.values(), ids=BAD)
def test_malformed(response: bytes) -> None:
    """A response that is none is refused, and the client may log in otherwise; nothing of it is kept."""
    login = b"\r\nUSER alice\r\nPASS x\r\n"
    if response != b"=":
        assert conversation(b"AUTH PLAIN\r\n" + response + login) == (CHALLENGE + MALFORMED + OK, LOGIN, b"alice", b"x")
    if response and b"\0" not in response:
        said, event, user, password = conversation(b"AUTH PLAIN " + response + login)
        assert (event, user, password) == (LOGIN, b"alice", b"x")
        assert said == MALFORMED + OK


@pytest.mark.parametrize("response", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable(response: bytes) -> None:
    """A name or a password that is none is refused as such, and the client may log in otherwise; nothing of it is kept."""
    login = b"\r\nUSER alice\r\nPASS x\r\n"
    said = replies.UNUSABLE
    assert conversation(b"AUTH PLAIN\r\n" + response + login) == (CHALLENGE + said + OK, LOGIN, b"alice", b"x")
    assert conversation(b"AUTH PLAIN " + response + login) == (said + OK, LOGIN, b"alice", b"x")


def test_longer_than_a_response() -> None:
    """A line of more octets than a response has is none, whatever is in it or behind them."""
    identity = base64.b64encode(b"b" * 256 + b"\0" + b"u" * NAME_OCTETS + b"\0" + b"p" * 512)
    assert len(LONGEST) < len(identity) < AUTH_LINE_OCTETS
    assert conversation(b"AUTH PLAIN\r\n" + identity + b"\r\n") == (CHALLENGE + MALFORMED, GO_ON, b"", b"")
    for more in (b"=", b"A" * 4, b"A" * 5000):
        assert conversation(b"AUTH PLAIN\r\n" + LONGEST + more + b"\r\n") == (CHALLENGE + MALFORMED, GO_ON, b"", b"")


def test_as_another_user() -> None:
    """Nobody logs in as somebody else, and trying ends the connection: no password was looked at."""
    for identity in (b"bob", b"alic", b"alicex", b"Alice", b" ", b"\n"):
        response = base64.b64encode(identity + b"\0alice\0sesame-1")
        assert conversation(b"AUTH PLAIN " + response + b"\r\n") == (replies.NOT_ANOTHER, NOT_ANOTHER, b"", b"")
        assert conversation(b"AUTH PLAIN\r\n" + response + b"\r\n") == (CHALLENGE + replies.NOT_ANOTHER, NOT_ANOTHER, b"", b"")


def test_cancelled() -> None:
    """A client that has thought better of it may go on, with USER or with AUTH."""
    assert conversation(b"AUTH PLAIN\r\n*\r\nUSER alice\r\nPASS x\r\n") == (CHALLENGE + CANCELLED + OK, LOGIN, b"alice", b"x")
    said = CHALLENGE + CANCELLED + CHALLENGE
    assert conversation(b"AUTH PLAIN\r\n*\r\nAUTH PLAIN\r\nAHRlc3QAdGVzdA==\r\n") == (said, LOGIN, b"test", b"test")


def test_a_command_is_no_response() -> None:
    """What looks like a command behind the challenge is not executed."""
    for line in (b"QUIT", b"USER bob", b"CAPA", b"AUTH PLAIN AHRlc3QAdGVzdA==", b"**"):
        assert conversation(b"AUTH PLAIN\r\n" + line + b"\r\n") == (CHALLENGE + MALFORMED, GO_ON, b"", b"")


def test_mechanisms() -> None:
    """AUTH alone lists the mechanisms, which old clients ask for; any other one than PLAIN is refused."""
    assert replies.MECHANISMS.split(b"\r\n")[1:] == [b"PLAIN", b".", b""]
    assert conversation(b"AUTH\r\nauth \r\n") == (replies.MECHANISMS * 2, GO_ON, b"", b"")
    for line in (b"AUTH LOGIN", b"AUTH CRAM-MD5", b"AUTH PLAINER", b"AUTH LOGIN dXNlcg==", b"AUTH XOAUTH2 dXNlcg=="):
        assert conversation(line + b"\r\n") == (replies.NO_SUCH_MECHANISM, GO_ON, b"", b"")
    assert conversation(b"AUTH  PLAIN\r\n") == (replies.NO_SUCH_MECHANISM, GO_ON, b"", b"")


@pytest.mark.parametrize("line", [b"", b"XYZZY", b"PASS x", b"USER", b"\0", b"QUIT now"], ids=str)
def test_too_many_invalid(line: bytes) -> None:
    """So many lines that are no valid commands end the state, whatever valid ones are between; one fewer does not."""
    wrong = (line + b"\r\n") * (INVALID_COMMANDS - 1)
    assert conversation(wrong + b"USER alice\r\nPASS x\r\n") == (NO * (INVALID_COMMANDS - 1) + OK, LOGIN, b"alice", b"x")
    said, event, user, _ = conversation(wrong + b"USER alice\r\nUSER alice\r\n")
    assert (event, user) == (TOO_MANY, b"alice")
    assert said == NO * (INVALID_COMMANDS - 1) + OK + NO + replies.TOO_MANY


def test_too_many_attempts() -> None:
    """AUTH that comes to nothing is an invalid command: cancelled, malformed or of another mechanism."""
    attempts = b"AUTH PLAIN\r\n*\r\nAUTH PLAIN x\r\nAUTH LOGIN\r\n" + b"x" * 300 + b"\r\n"
    said = CHALLENGE + CANCELLED + MALFORMED + replies.NO_SUCH_MECHANISM + replies.TOO_LONG
    assert INVALID_COMMANDS % 4 == 0
    times = INVALID_COMMANDS // 4
    assert conversation(attempts * times) == (said * times + replies.TOO_MANY, TOO_MANY, b"", b"")


def test_too_many_lines() -> None:
    """A client that goes on asking what it may ask is sent away, too."""
    asked = b"CAPA\r\n" * (LOGIN_LINES - 1)
    said = capabilities.LIST * (LOGIN_LINES - 1)
    assert conversation(asked + b"QUIT\r\n") == (said + OK, QUIT, b"", b"")
    assert conversation(asked + b"AUTH PLAIN\r\nAHRlc3QAdGVzdA==\r\n") == (
        said + CHALLENGE + replies.TOO_MANY,
        TOO_MANY,
        b"",
        b"",
    )


# TLS: RFC 2595 section 4. PLAINTEXT: without TLS so far, which may be had and must be used before a login; and so on.

PLAINTEXT, OPTIONAL, SECURE = Offer(stls=True, logins=False), Offer(stls=True), Offer(tls=True)


def test_start_tls() -> None:
    """STLS ends the state, before and after USER; the TLS process replies to it."""
    for offer in (PLAINTEXT, OPTIONAL):
        assert conversation(b"STLS\r\n", offer) == (b"", START_TLS, b"", b"")
        assert conversation(b"CAPA\r\nstls \r\n", offer) == (capabilities.listing(offer), START_TLS, b"", b"")
    assert conversation(b"USER alice\r\nSTLS\r\n", OPTIONAL) == (OK, START_TLS, b"alice", b"")


def test_no_tls_to_start() -> None:
    """With an argument, where there is no TLS, and where it is active already, STLS is refused and the client may go on."""
    login = b"USER alice\r\nPASS x\r\n"
    assert conversation(b"STLS\r\n" + login) == (NO + OK, LOGIN, b"alice", b"x")
    assert conversation(b"STLS now\r\n" + login, OPTIONAL) == (NO + OK, LOGIN, b"alice", b"x")
    assert conversation(b"STLS\r\n" + login, SECURE) == (replies.TLS_IS_ACTIVE + OK, LOGIN, b"alice", b"x")
    assert conversation(b"AUTH PLAIN\r\nSTLS\r\n", OPTIONAL) == (CHALLENGE + MALFORMED, GO_ON, b"", b"")


@pytest.mark.parametrize(
    "line", [b"USER alice", b"USER nobody", b"USER", b"AUTH PLAIN", b"AUTH PLAIN AHRlc3QAdGVzdA==", b"AUTH x"], ids=str
)
def test_tls_is_needed(line: bytes) -> None:
    """Where logins need TLS they are refused before there is a password, whoever it is, in words that say what is missing."""
    assert conversation(line + b"\r\nPASS x\r\n", PLAINTEXT) == (replies.TLS_IS_NEEDED + NO, GO_ON, b"", b"")


def test_what_is_offered() -> None:
    """CAPA and AUTH list only what can be done now."""
    said = {offer: conversation(b"CAPA\r\n", offer)[0].split(b"\r\n")[1:-2] for offer in (PLAINTEXT, OPTIONAL, SECURE)}
    assert said[SECURE] == capabilities.LIST.split(b"\r\n")[1:-2]
    assert said[OPTIONAL] == [*said[SECURE], b"STLS"]
    assert said[PLAINTEXT] == [tag for tag in said[OPTIONAL] if tag not in (b"USER", b"SASL PLAIN")]
    assert conversation(b"AUTH\r\n", PLAINTEXT)[0] == b"+OK mechanisms follow\r\n.\r\n"
    assert conversation(b"AUTH\r\n", SECURE)[0] == replies.MECHANISMS


def test_an_unfinished_line() -> None:
    """A line without its end is none, whatever it says."""
    assert conversation(b"USER alice\r\nPASS x") == (OK, GO_ON, b"alice", b"")
    assert conversation(b"QUIT") == (b"", GO_ON, b"", b"")
