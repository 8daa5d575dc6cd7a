"""JavaMail (Jakarta Mail), in one process for several sessions, since a Java machine takes a second to start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tests.clients import LOCAL, MESSAGES, NAME, NUL, PASSWORD, VERY_LONG, Home, mbox, received
from tests.clients.recorder import Recorder
from tests.host import HOME, PAM_QUICK, Host

MAIL = (*MESSAGES[:8], VERY_LONG, NUL, MESSAGES[8])
CLASSES = ":".join(f"/usr/share/java/{name}.jar" for name in ("bsh", "jakarta-mail", "jakarta-activation"))


class Session(NamedTuple):
    """What JavaMail is to do: with which mechanisms ("-": it chooses), with which password, and with the mail that it got."""

    mechanisms: str
    password: str
    folder: str
    then: str


def javamail(home: Home, port: int, *sessions: Session) -> list[bytes]:
    """One Java process that fetches all mail in each of the sessions; how each went."""
    for session in sessions:
        folder = home.path / session.folder
        folder.mkdir()
        os.chown(folder, LOCAL, LOCAL)
    words = [(str(port), each.mechanisms, NAME, each.password, str(home.path / each.folder), each.then) for each in sessions]
    # Java compiles less, and starts sooner.
    java: tuple[str | Path, ...] = ("java", "-XX:TieredStopAtLevel=1", "-cp", CLASSES)
    java += ("bsh.Interpreter", HOME / "tests/clients/javamail.bsh")
    return home.run(*java, types="".join("\t".join(each) + "\n" for each in words).encode()).splitlines()


def got(home: Home, folder: str) -> list[bytes]:
    """The messages that JavaMail wrote there."""
    return [path.read_bytes() for path in sorted((home.path / folder).iterdir())]


def test_sessions(host: Host, home: Home, recorder: Recorder) -> None:
    """JavaMail gets each octet of each message, deletes when told to, and tells what a refused login was answered."""
    host.pam_stack(PAM_QUICK)
    path = host.deliver(NAME, mbox(MAIL))
    outcomes = javamail(
        home,
        recorder.port,
        Session("-", PASSWORD, "first", "keep"),
        Session("-", "wrong", "second", "keep"),
        Session("-", PASSWORD, "third", "delete"),
    )
    refused = b"AuthenticationFailedException: Authentication failed (bad password?)"
    assert outcomes == [b"well", refused, b"well"]
    wire = [message.replace(b"\n", b"\r\n") for message in received(MAIL)]
    assert got(home, "first") == got(home, "third") == wire
    assert path.read_bytes() == b""
