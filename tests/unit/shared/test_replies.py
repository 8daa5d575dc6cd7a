"""Replies: what clients make of their codes and words."""

from __future__ import annotations

import re

import pytest

from popa3d.shared import replies

ACCOUNT = ("LOGIN_FAILED", "UNUSABLE", "NOT_ANOTHER", "PASSWORD_EXPIRED", "ACCOUNT_EXPIRED", "CLOSED", "NOT_SERVED")
HOST = {"UNAVAILABLE": b"SYS/TEMP", "MISCONFIGURED": b"SYS/PERM", "NOT_LOADED_NOW": b"SYS/TEMP", "NOT_LOADED": b"SYS/PERM"}


def fetchmail(reply: bytes) -> str:
    """How fetchmail 6.4 sorts a refusal while it logs in (pop3_ok in pop3.c)."""
    text = reply.removeprefix(b"-ERR").strip()
    if re.search(rb"lock|Lock|LOCK|wait|Wait|WAIT|\[IN-USE\]", text):
        return "locked or busy"
    if re.search(rb"[Ss]ervice", text) and b"unavailable" in text:
        return "service unavailable"
    return "authentication failed"


@pytest.mark.parametrize("name", [*ACCOUNT, *HOST])
def test_line(name: str) -> None:
    """Each is one line of at most 512 octets (RFC 2449 section 4), with its code where RFC 2449 section 8 has it."""
    reply = getattr(replies, name)
    assert re.fullmatch(rb"-ERR \[%s\] [ -~]+\r\n" % HOST.get(name, b"AUTH"), reply)
    assert len(reply) <= 512


def test_fetchmail() -> None:
    """fetchmail takes refusals of an account for failed logins, and the host's faults for a service to try later."""
    assert {fetchmail(getattr(replies, name)) for name in ACCOUNT} == {"authentication failed"}
    assert {fetchmail(getattr(replies, name)) for name in HOST} == {"service unavailable"}
    assert fetchmail(replies.IN_USE) == "locked or busy"


def test_each_is_its_own() -> None:
    """No two are the same."""
    assert len({getattr(replies, name) for name in (*ACCOUNT, *HOST)}) == len(ACCOUNT) + len(HOST)


def test_response_codes() -> None:
    """With RESP-CODES no text begins with a bracket, but for the codes of RFC 2449 and RFC 3206, which only -ERR has."""
    said = [value for name, value in vars(replies).items() if name.isupper() and isinstance(value, bytes)]
    assert len(said) > 15
    for reply in said:
        first = rb"\+OK( [^\[\r\n][^\r\n]*)?|-ERR (\[(IN-USE|AUTH|SYS/TEMP|SYS/PERM)\] )?[^\[\r\n]+|\+ |\."
        assert re.fullmatch(rb"(%s)\r\n((PLAIN\r\n)?\.\r\n)?" % first, reply)
        assert len(reply) <= 512
