"""Directories that a user has made where popa3d has its files: they hold up neither that user's sessions nor popa3d-recover."""

from __future__ import annotations

import binascii
import hashlib
import os
from pathlib import Path

import pytest

from popa3d.owner.update.records import Record
from tests.host import ALICE, PAM_OPEN, Host
from tests.root.interrupted import AFTER, BEFORE, MESSAGES, interrupt
from tests.root.recovering import recover
from tests.talk import Talk, wait_until

NAME = f"alice-{hashlib.md5(b'/var/mail/alice').hexdigest()[:16]}"
NAMES = [
    ".rejected",
    ".rejected.at.x",
    ".journal",
    ".journal.at.x",
    ".journal.000.x",
    ".journalx",
    ".new",
    ".index",
    ".index-new",
]
NO_JOURNALS = [name for name in NAMES if not name.startswith(".journal")]
both = pytest.mark.parametrize("full", [False, True], ids=["empty", "not empty"])


def make(own: Path, suffix: str, full: bool, outside: Path) -> None:
    """A directory of alice's with that name, with a link to a file elsewhere and a directory in it, or nothing."""
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    own.parent.chmod(0o711)
    place = own / (NAME + suffix)
    place.mkdir()
    if full:
        (place / "file").write_bytes(b"kept")
        (place / "link").symlink_to(outside)
        (place / "deep/er").mkdir(parents=True)
    for path in (own, place, *place.rglob("*")):
        os.chown(path, ALICE.uid, ALICE.uid, follow_symlinks=False)


def kept(own: Path) -> list[str]:
    """The directories that are left, under other names, with all that was in them."""
    found = [path for path in own.iterdir() if path.is_dir()]
    for path in found:
        assert sorted(str(each.relative_to(path)) for each in path.rglob("*")) == ["deep", "deep/er", "file", "link"]
        assert (path / "file").read_bytes() == b"kept"
    return [path.name.removeprefix(NAME).partition("-")[0] for path in found]


@both
@pytest.mark.parametrize("suffix", NAMES)
def test_sessions(host: Host, state: Path, suffix: str, full: bool, tmp_path: Path) -> None:
    """Users log in, read and delete, and what is in such a directory stays, be it under another name."""
    host.pam_stack(PAM_OPEN)
    outside = tmp_path / "outside"
    outside.write_bytes(b"somebody's")
    own = state / str(ALICE.uid)
    make(own, suffix, full, outside)
    left = list(MESSAGES)
    path = host.deliver("alice", BEFORE)
    for _ in range(3):
        with Talk() as talk:
            assert talk.login() == b"+OK\r\n"
            assert talk.ask(b"STAT").startswith(b"+OK %d " % len(left))
            assert talk.ask(b"DELE 1") == b"+OK\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        del left[0]
        assert path.read_bytes() == b"".join(left)
    assert outside.read_bytes() == b"somebody's"
    wait_until((own / f"{NAME}.index").is_file)
    if full:
        (name,) = kept(own)
        assert name in (".rejected", ".rejected.at.x", ".aside")
        assert name == ".aside" or suffix.startswith((".journal", ".rejected"))
    elif not suffix.startswith((".journal", ".rejected")):
        assert kept(own) == []


@both
@pytest.mark.parametrize("suffix", NO_JOURNALS)
def test_recovery(host: Host, state: Path, suffix: str, full: bool, tmp_path: Path) -> None:
    """popa3d-recover finishes an update, whatever is beside its journal."""
    mailbox = interrupt(host)
    make(state / str(ALICE.uid), suffix, full, tmp_path)
    assert recover("--all") == (0, "")
    assert mailbox.read_bytes() == AFTER
    assert len(kept(state / str(ALICE.uid)) if full else []) == full


@both
@pytest.mark.parametrize("suffix", ["", ".at.x", ".000.x"])
@pytest.mark.parametrize("rejected", [False, True], ids=["first", "again"])
def test_a_journal_that_is_a_directory(host: Host, state: Path, suffix: str, full: bool, rejected: bool, tmp_path: Path) -> None:
    """It is put aside once, also where what was put aside before is a directory; then there is nothing to do any more."""
    own = state / str(ALICE.uid)
    mailbox = host.deliver("alice", BEFORE)
    make(own, f".journal{suffix}", full, tmp_path)
    if rejected:
        make(own, f".rejected{suffix}", full, tmp_path)
    without_meaning = suffix == ".000.x"  # no record says that an update was begun
    failed = "popa3d-recover: alice: not finished; the system log says why\n"
    assert recover("--all") == ((0, "") if without_meaning else (1, failed))
    if not without_meaning:
        host.syslog.wait("/var/mail/alice: A journal that does not fit the mailbox was put aside: ")
    assert recover("--all") == (0, "")
    assert mailbox.read_bytes() == BEFORE
    assert not [path for path in own.iterdir() if ".journal" in path.name]


@both
def test_a_journal_that_does_not_fit(host: Host, state: Path, full: bool, tmp_path: Path) -> None:
    """A file is put aside in the place of a directory that is full, as well as of one that is empty."""
    own = state / str(ALICE.uid)
    mailbox = host.deliver("alice", BEFORE)
    journal = own / f"{NAME}.journal"
    for count, octets in enumerate((b"no journal", b"another"), 1):
        (own / f"{NAME}.rejected").unlink(missing_ok=True)
        make(own, ".rejected", full, tmp_path)
        journal.write_bytes(octets)
        journal.chmod(0o600)
        os.chown(journal, ALICE.uid, ALICE.uid)
        assert recover("alice")[0] == 1
        assert (own / f"{NAME}.rejected").read_bytes() == octets
        assert recover("alice") == (0, "")
        assert kept(own) == [".aside"] * count * full
    assert mailbox.read_bytes() == BEFORE


def test_a_record_in_the_name_of_a_directory(host: Host, state: Path) -> None:
    """A name that says that an update was begun is put aside when nothing else says so, whatever has it."""
    record = Record(5)
    record.number = 1
    text = binascii.b2a_base64(record.encode(), newline=False).replace(b"/", b"_").decode()
    mailbox = host.deliver("alice", BEFORE)
    make(state / str(ALICE.uid), f".journal.at.{text}", False, state)
    assert recover("alice")[0] == 1
    host.syslog.wait("put aside: damaged")
    assert mailbox.read_bytes() == BEFORE
