"""Mail clients as Debian ships them, against popa3d behind the real inetd: what was put in the mailbox, and what they got.

Messages are written as they are in a mailbox, with LF.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.host import BOB, PASSWORDS, Host

HOST, PORT, NAME = "127.0.0.1", 110, "alice"
PASSWORD = PASSWORDS[NAME]
LOCAL = BOB.uid  # bob's uid: the client runs as bob, who has an account of his own on the same host
SECONDS = 60

GREETING = b"S: +OK popa3d ready"
# What CAPA answers before a login, as tests/clients/recorder.py writes conversations.
CAPABILITIES = [
    b"S: +OK capability list follows",
    b"S: TOP",
    b"S: UIDL",
    b"S: RESP-CODES",
    b"S: AUTH-RESP-CODE",
    b"S: PIPELINING",
    b"S: USER",
    b"S: SASL PLAIN",
    b"S: .",
]
FAILED = b"S: -ERR [AUTH] Authentication failed (bad password?)"


def plain(password: str | bytes = PASSWORD, authorize_as: bytes = b"") -> bytes:
    """What AUTH PLAIN sends (RFC 4616) to log in as alice, in base64."""
    octets = password if isinstance(password, bytes) else password.encode()
    return base64.b64encode(b"%s\0%s\0%s" % (authorize_as, NAME.encode(), octets))


def _message(number: int, subject: bytes, body: bytes, more: bytes = b"") -> bytes:
    return (
        b"Return-Path: <grace@shipyard.example>\n"
        b"Received: from mx.shipyard.example (mx.shipyard.example [192.0.2.25])\n"
        b"\tby mail.example (Postfix) with ESMTPS id 4Xv1kq2J%02d\n"
        b"\tfor <alice@mail.example>; Mon, 17 Nov 2025 08:12:%02d +0000 (UTC)\n"
        b"From: Grace <grace@shipyard.example>\n"
        b"To: alice@mail.example\n"
        b"Subject: %s\n"
        b"Date: Mon, 17 Nov 2025 08:12:%02d +0000\n"
        b"Message-ID: <20251117.%d@shipyard.example>\n"
        b"%s\n%s" % (number, number, subject, number, number, more, body)
    )


MESSAGES = (
    _message(1, b"plain", b"Hello,\n\nshall I take the table by the window?\n\nGrace\n-- \nShipyard, dock 3\n"),
    _message(2, b"dots", b".\n..\n...\n.leading\n\n.\n. \n.\n"),
    _message(3, b"long lines", b"x" * 998 + b"\n" + b"word " * 380 + b"\n" + b"." * 1500 + b"\n"),
    _message(
        4,
        b"=?ISO-8859-1?Q?K=E4se?=",
        b"".join(b"%02x " % i + bytes([i]) + b"\n" for i in range(128, 256)) + "Käse für 3,50 €\n".encode(),
        b"MIME-Version: 1.0\nContent-Type: text/plain; charset=ISO-8859-1\nContent-Transfer-Encoding: 8bit\n",
    ),
    _message(5, b"no body", b""),
    _message(6, b"From lines", b"A line\nFrom the middle of a paragraph,\n\n>From a quoting agent,\n\n from and FROM others.\n"),
    _message(
        7,
        b"folded\n and folded\n\tagain",
        b"\n\n--=_1\nContent-Type: text/html\n\n<p>.</p>  \t\n--=_1--\n\n\n",
        b'MIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary="=_1"\n',
    ),
    _message(8, b"a larger one", b"".join(b"%06d %s\n" % (i, b"abcdefghij" * (i % 7)) for i in range(6000))),
    _message(9, b"no line end", b"The file ends\n\nright here"),
)
# Not for all clients: Python's poplib (and getmail, which uses it) refuses lines beyond 2048 octets, and fetchmail 6.4 puts
# octets of its own into lines that exceed its buffer of 8192.
LONG = _message(12, b"longer lines", b"z" * 8000 + b"\n" + b"." * 5000 + b"\n")
VERY_LONG = _message(10, b"very long lines", b"y" * 100_000 + b"\n" + b"." * 5000 + b"\n")
NUL = _message(11, b"NUL", b"before\0after\n\0\n")


def mbox(messages: tuple[bytes, ...]) -> bytes:
    """A mailbox as a delivery agent writes it; the last message may lack its line end, and then ends the file."""
    parts = []
    for message in messages:
        parts.append(b"From grace@shipyard.example Mon Nov 17 08:12:44 2025\n" + message)
        if message.endswith(b"\n"):
            parts.append(b"\n")
    return b"".join(parts)


def received(messages: tuple[bytes, ...]) -> list[bytes]:
    """The messages as a client has them: POP3 can only send whole lines."""
    return [message if message.endswith(b"\n") else message + b"\n" for message in messages]


def size(message: bytes) -> int:
    """The octets that LIST announces: those of the message with CRLF."""
    (complete,) = received((message,))
    return len(complete) + complete.count(b"\n")


def shown(message: bytes) -> list[bytes]:
    """A message's lines as the protocol sends them, up to the final dot, as a recorder shows them."""
    lines = message.removesuffix(b"\n").split(b"\n")
    return [b"S: " + (b"." if line.startswith(b".") else b"") + line for line in lines] + [b"S: ."]


@contextlib.contextmanager
def nobody_else_touched(host: Host) -> Iterator[None]:
    """AssertionError if a session in the block ended in an internal error or touched bob's mailbox."""
    text = b"From x Mon Nov 17 08:12:44 2025\nSubject: bob's\n\nnot for alice\n\n"
    others = host.deliver("bob", text)
    before = others.stat()
    yield
    assert others.read_bytes() == text
    assert others.stat().st_mtime_ns == before.st_mtime_ns
    for bad in ("Internal error", "Premature disconnect", "limit reached", "refused to start"):
        assert bad not in host.syslog.text


class Home:
    """The home directory of the person at the client, with a delivery agent that numbers what it is given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.box = path / "box"
        self.deliver = path / "deliver"
        self.box.mkdir()
        self.deliver_for_getmail = path / "deliver-for-getmail"
        numbered = f'set -- {self.box}/*; test -e "$1" || shift; exec cat > {self.box}/$(printf %04d $#)'
        self.write("deliver", f"#!/bin/sh\n{numbered}\n", 0o700)
        # getmail misses the end of a child that ends before it waits for that (SIGCHLD, 0x10000, is caught; then it sleeps).
        waits = "".join(
            f"until grep -q '{line}' /proc/$PPID/status; do test -e /proc/$PPID || exit 1; done\n"
            for line in ("^SigCgt:.*[13579bdf]....$", "^State:.S")
        )
        self.write("deliver-for-getmail", f"#!/bin/sh\n{waits}{numbered}\n", 0o700)
        for place in (path, self.box):
            os.chown(place, LOCAL, LOCAL)
            place.chmod(0o700)

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        """A file of this person's; its path."""
        path = self.path / name
        path.write_text(text)
        os.chown(path, LOCAL, LOCAL)
        path.chmod(mode)
        return path

    def run(self, *command: str | Path, statuses: tuple[int, ...] = (0,), types: bytes = b"") -> bytes:
        """Run a client as this person, who types something; what it says.

        AssertionError if its exit status is none of `statuses`.
        """
        done = subprocess.run(
            command,
            cwd=self.path,
            env={"HOME": str(self.path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "USER": "bob", "LOGNAME": "bob"},
            user=LOCAL,
            group=LOCAL,
            extra_groups=[],
            input=types,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode in statuses, f"exit status {done.returncode}: {done.stdout.decode(errors='replace')}"
        return done.stdout

    def mail(self) -> list[bytes]:
        """What was delivered, in its order."""
        return [path.read_bytes() for path in sorted(self.box.iterdir())]
