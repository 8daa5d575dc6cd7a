"""JavaMail (Jakarta Mail), in one process for several sessions, since a Java machine takes a second to start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tests.clients import (
    CAPABILITIES,
    FAILED,
    GREETING,
    LOCAL,
    MESSAGES,
    NAME,
    NUL,
    PASSWORD,
    VERY_LONG,
    Home,
    mbox,
    plain,
    received,
)
from tests.clients.recorder import CLIENT, Conversation, Recorder
from tests.host import HOME, PAM_QUICK, Host

MAIL = (*MESSAGES[:8], VERY_LONG, NUL, MESSAGES[8])
CLASSES = ":".join(f"/usr/share/java/{name}.jar" for name in ("bsh", "jakarta-mail", "jakarta-activation"))


class Session(NamedTuple):
    """What JavaMail is to do.

    how: "PLAIN", or "-" if JavaMail is to choose, or "pipelining" if it also need not wait for replies.
    """

    how: str
    password: str
    folder: str  # for the mail
    then: str  # "keep" or "delete"
    name: str = NAME
    way: str = "clear"  # or "stls" or "pop3s"
    trusted: str = ""  # for these, a file with the certificate to trust


def javamail(home: Home, port: int, *sessions: Session, options: tuple[str, ...] = ()) -> list[bytes]:
    """One Java process, with options, that fetches all mail in each of the sessions; how each went."""
    for session in sessions:
        folder = home.path / session.folder
        folder.mkdir()
        os.chown(folder, LOCAL, LOCAL)
    words = [
        (str(port), each.how, each.name, each.password, str(home.path / each.folder), each.then, each.way, each.trusted)
        for each in sessions
    ]
    # Java compiles less, and starts sooner.
    java: tuple[str | Path, ...] = ("java", "-XX:TieredStopAtLevel=1", *options, "-cp", CLASSES)
    java += ("bsh.Interpreter", HOME / "tests/clients/javamail.bsh")
    return home.run(*java, types="".join("\t".join(each) + "\n" for each in words).encode()).splitlines()


def got(home: Home, folder: str) -> list[bytes]:
    """The messages that JavaMail wrote there."""
    return [path.read_bytes() for path in sorted((home.path / folder).iterdir())]


def login(conversation: Conversation) -> list[bytes]:
    """The conversation up to STAT, with which JavaMail opens a folder, or up to its end."""
    lines = conversation.lines()
    return lines[: lines.index(b"C: STAT") if b"C: STAT" in lines else None]


def test_sessions(host: Host, home: Home, recorder: Recorder) -> None:
    """JavaMail logs in in each of its ways, gets each octet of each message, deletes when told to, and knows why it could not.

    Said octet for octet: CAPA, and USER and PASS, together if pipelining was allowed, or AUTH PLAIN with initial response.
    """
    host.pam_stack(PAM_QUICK)
    path = host.deliver(NAME, mbox(MAIL))
    outcomes = javamail(
        home,
        recorder.port,
        Session("-", PASSWORD, "user", "keep"),
        Session("pipelining", PASSWORD, "pipelining", "keep"),
        Session("-", "wrong", "refused", "keep"),
        Session("PLAIN", "wrong", "refused-too", "keep"),
        Session("PLAIN", PASSWORD, "plain", "delete"),
    )
    refused = b"AuthenticationFailedException: [AUTH] Authentication failed (bad password?)"
    assert outcomes == [b"well", b"well", refused, refused, b"well"]
    wire = [message.replace(b"\n", b"\r\n") for message in received(MAIL)]
    for folder in ("user", "pipelining", "plain"):
        assert got(home, folder) == wire
    assert path.read_bytes() == b""
    start = [GREETING, b"C: CAPA", *CAPABILITIES]
    user, pipelining, refused_user, refused_plain, plainly = recorder.conversations()
    assert login(user) == [*start, b"C: USER alice", b"S: +OK", b"C: PASS sesame-1", b"S: +OK"]
    assert pipelining.said(CLIENT).startswith(b"CAPA\r\nUSER alice\r\nPASS sesame-1\r\n")
    assert login(refused_user)[: len(start) + 4] == [*start, b"C: USER alice", b"S: +OK", b"C: PASS wrong", FAILED]
    name = NAME.encode()
    assert login(refused_plain)[: len(start) + 2] == [*start, b"C: AUTH PLAIN " + plain("wrong", name), FAILED]
    assert login(plainly) == [*start, b"C: AUTH PLAIN " + plain(PASSWORD, name), b"S: +OK"]
    commands = [line for line in plainly.lines() if line.startswith(CLIENT)]
    numbers = range(1, len(MAIL) + 1)
    assert commands[2:] == [
        b"C: STAT",
        *(b"C: RETR %d" % number for number in numbers),
        *(b"C: DELE %d" % number for number in numbers),
        b"C: QUIT",
    ]


def test_passwords(host: Host, home: Home, recorder: Recorder) -> None:
    """Blanks, also at the end, and octets above 127, which JavaMail writes in UTF-8 for AUTH, and in ISO-8859-1 for PASS."""
    password = "Käse und Wein "
    host.password("alice", password.encode())
    host.password("bob", password.encode("latin-1"))
    sessions = [Session("PLAIN", password, "plain", "keep"), Session("-", password, "user", "keep", "bob")]
    assert javamail(home, recorder.port, *sessions) == [b"well"] * len(sessions)
