"""The same clients over TLS, which they verify: on the port of POP3S, and after STLS, where nothing else may log in."""

from __future__ import annotations

import re

from tests.clients import GREETING, HOST, NAME, PASSWORD, Home, plain
from tests.clients.recorder import CLIENT, SERVER, Recorder
from tests.host import Host
from tests.tls import pair

PORTS = {"pop3s": 995, "stls": 110}
# What CAPA answers before STLS, where that is needed to log in; and after it, and in POP3S.
BEFORE = [b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"STLS"]
AFTER = [b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"USER", b"SASL PLAIN"]
HANDSHAKE = b"\x16\x03"  # how a TLS record with a part of the handshake begins
_SECRETS = (NAME.encode(), PASSWORD.encode(), plain(), plain(authorize_as=NAME.encode()))


def trusted(home: Home, number: int = 0) -> str:
    """A file with the certificate that the client is to trust: the server's, or another one for the same name; its path."""
    return str(home.write(f"trusted-{number}.pem", pair(number=number).certificate))


def cipher(host: Host) -> str:
    """ "VERSION CIPHER" of alice's login, from the log; AssertionError if that names another address, or none."""
    line = host.syslog.wait(f"Authentication passed for {NAME} from ")
    found = re.search(rf" from {HOST} with (TLSv1\.[23] [-A-Z0-9_]+)$", line)
    assert found, line
    return found[1]


def check_secrecy(recorder: Recorder, way: str) -> None:
    """AssertionError unless both sides went over to TLS at once and nothing of a login or of mail could be read on the way."""
    for conversation in recorder.conversations():
        said, replied = conversation.said(CLIENT), conversation.said(SERVER)
        if way == "stls":
            commands, _, said = said.partition(b"STLS\r\n")
            assert commands in (b"", b"CAPA\r\n"), commands
            capabilities = [b"+OK capability list follows", *BEFORE, b"."] if commands else []
            start = b"".join(line + b"\r\n" for line in (GREETING[3:], *capabilities, b"+OK begin TLS negotiation"))
            assert replied.startswith(start)
            replied = replied.removeprefix(start)
        assert said.startswith(HANDSHAKE)
        assert not replied or replied.startswith(HANDSHAKE)
        for secret in _SECRETS:
            assert secret not in said
        assert b"grace@" not in replied and b"+OK\r\n" not in replied  # shorter ones are there by chance, now and then
