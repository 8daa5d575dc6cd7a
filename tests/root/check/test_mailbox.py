"""A mailbox: why it is refused, what is in it, and where it is none any more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.host import STATE, Host
from tests.moving import migrate
from tests.root.check import MBOX, faults, found, run


def test_a_good_user(host: Host) -> None:
    """Her account, PAM's word, her mailbox and what is in it; nothing is changed, nor written."""
    path = host.deliver("alice", MBOX + MBOX)
    before = path.stat()
    told = found("alice")
    assert not faults("alice")
    (messages,) = told["messages"]
    assert (messages["messages"], messages["equal_ids"]) == (2, 1)
    assert told["mailbox"][0]["octets"] == 2 * len(MBOX) and told["mailbox"][0]["mode"] == 0o660
    assert told["pam"][0]["level"] == "ok"
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns, path.read_bytes()) == (before.st_mtime_ns, before.st_ctime_ns, MBOX + MBOX)
    assert not STATE.exists()


def test_no_mailbox(host: Host) -> None:
    """A user without mail has none, and that is all."""
    assert found("alice")["mailbox"][0]["text"] == "/var/mail/alice does not exist: the user has no mail"
    assert faults("alice") == {}


@pytest.mark.parametrize("kind", ["link", "directory", "of root", "of a group"])
def test_mailboxes_that_are_refused(host: Host, kind: str) -> None:
    """Why a session would refuse the mailbox, in the words of its log line, and what to do."""
    path = host.deliver("alice", MBOX)
    if kind == "of root":
        os.chown(path, 0, 0)
        path.chmod(0o600)
    elif kind == "of a group":
        os.chown(path, 0, 8)
    else:
        path.rename(host.spool / "other")
        path.symlink_to("other") if kind == "link" else path.mkdir()
    expected = {
        "link": "not a regular file but a symbolic link",
        "directory": "not a regular file but a directory",
        "of root": "Permission denied",
        "of a group": "only its group, 8, may read it, which is not the user's primary one",
    }
    assert faults("alice") == {"mailbox": f"/var/mail/alice: {expected[kind]}"}


def test_what_root_may_read_and_the_owner_not(host: Host, tmp_path: Path) -> None:
    """The mailbox is opened by its owner: a link to a file of root's shows nothing of that."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"sesame-of-root")
    (host.spool / "alice").symlink_to(secret)
    done = run("alice")
    assert done.returncode == 1 and "sesame" not in done.stdout


@pytest.mark.parametrize(
    ("mbox", "reason", "offset", "line"),
    [
        (b"hello\n", 'does not start with "From "', 0, 1),
        (b"\n\n\nhello\n", 'does not start with "From "', 3, 4),
        (MBOX + b"From x\nFrom y\n\nz\n", "has a message without content", len(MBOX) + 7, 7),
        (MBOX + b"From x\n", "has a message without content", len(MBOX) + 7, 7),
        (MBOX * 30_000 + b"From \xff\x1b[2J\nFrom y\n\nz\n", "has a message without content", len(MBOX) * 30_000 + 11, 150_002),
    ],
    ids=["no mailbox", "empty lines first", "two From lines", "nothing behind one", "large"],
)
def test_mailboxes_that_are_none(host: Host, mbox: bytes, reason: str, offset: int, line: int) -> None:
    """Where the file is no mailbox any more: the octet, the line, and 80 octets around it in printable form."""
    host.deliver("alice", mbox)
    (told,) = found("alice")["messages"]
    assert (told["level"], told["offset"], told["line"]) == ("fault", offset, line)
    assert told["advice"].startswith("remove what is before" if "start" in reason else 'the "From " line before that place')
    assert told["text"].startswith(f"{reason}, at octet {offset}, line {line}: ")
    before, after = mbox[max(0, offset - 40) : offset], mbox[offset:][:80]
    shown = told["text"].partition(f"line {line}: ")[2]
    letters = {10: "\\n", 13: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
    quoted = [
        "".join(letters.get(octet) or (chr(octet) if 32 <= octet <= 126 else f"\\x{octet:02x}") for octet in part)
        for part in (before, after[: 80 - len(before)])
    ]
    assert shown == f'"{quoted[0]}" | "{quoted[1]}"'


def test_limits(host: Host) -> None:
    """A mailbox with too many messages, or too large."""
    host.deliver("alice", MBOX * 3)
    many = host.configuration("[mailbox]\nmax_messages = 2\n")
    (told,) = found("-c", many, "alice")["messages"]
    assert told["text"].startswith(f"has more than 2 messages, at octet {2 * len(MBOX)}, line 11")
    assert "max_messages" in told["advice"]
    large = host.configuration(f"[mailbox]\nmax_octets = {2 * len(MBOX)}\n")
    assert faults("-c", large, "alice") == {"messages": f"larger than {2 * len(MBOX)} octets"}


def test_map(host: Host) -> None:
    """The map of another server's unique-ids: for how many messages, whether it is this mailbox's, and whether it can be used."""
    mailbox = host.deliver("alice", MBOX.replace(b"hello", b"one") + MBOX)
    assert "map" not in found("alice")
    file = host.base / "list"
    file.write_text("1 first\n2 second\n")
    migrate("--from-list", str(file), "alice")
    with mailbox.open("ab") as more:
        more.write(MBOX.replace(b"hello", b"three"))
    (told,) = found("alice")["map"]
    assert (told["level"], told["old_ids"]) == ("ok", 2)
    assert told["text"] == "another server's unique-ids are shown for 2 of the messages; the map has 2"
    mailbox.write_bytes(MBOX)
    (told,) = found("alice")["map"]
    assert (told["level"], told["old_ids"]) == ("ok", 1) and told["text"].endswith("the map has 2")
    mailbox.write_bytes(MBOX.replace(b"hello", b"four"))
    (told,) = found("alice")["map"]
    assert (told["level"], told["old_ids"]) == ("note", 0) and "other mail" in told["advice"]
    (kept,) = (STATE / "20001").glob("*.ids")
    kept.write_bytes(kept.read_bytes()[:-1])
    before = sorted((STATE / "20001").iterdir())
    assert faults("alice") == {"map": "the map of another server's unique-ids cannot be used: damaged"}
    assert sorted((STATE / "20001").iterdir()) == before
    kept.rename(f"{kept}-rejected")
    (told,) = found("alice")["map"]
    assert told["level"] == "note" and "put aside" in told["text"]
