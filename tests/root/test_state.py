"""The users' state directories: root makes them, and a session that has none serves mail and deletes what needs no journal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import ALICE, BOB, PAM_OPEN, PAM_QUICK, Host, tmpfs, unmount
from tests.session import MAILBOX, ONE, TWO
from tests.talk import POPA3D, Talk


def deleted(*numbers: int, command: list[str] | None = None) -> bytes:
    """Alice logs in and deletes messages; the reply to QUIT."""
    with Talk(command) as talk:
        assert talk.login() == b"+OK\r\n"
        for number in numbers:
            assert talk.ask(b"DELE %d" % number) == b"+OK\r\n"
        return talk.ask(b"QUIT")


def has_mode(path: Path, uid: int, mode: int) -> bool:
    """Whether it is a directory of that user's and group's, with exactly that mode."""
    status = path.lstat()
    return path.is_dir() and (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (uid, uid, mode)


@pytest.mark.parametrize("umask", [0, 0o077])
def test_directories_are_made(host: Host, state: Path, umask: int) -> None:
    """The first login makes STATE (root's, 0711) and STATE/UID (the user's, 0700), whatever the umask; the next uses them."""
    host.pam_stack(PAM_OPEN)
    for _ in range(2):
        mailbox = host.deliver("alice", MAILBOX)
        with Talk(umask=umask) as talk:
            assert talk.login() == b"+OK\r\n"
            assert has_mode(state, 0, 0o711)
            assert has_mode(state / str(ALICE.uid), ALICE.uid, 0o700)
            assert talk.ask(b"DELE 1") == b"+OK\r\n"
            assert talk.ask(b"QUIT") == b"+OK\r\n"
        assert mailbox.read_bytes() == TWO
    assert [path.name for path in state.iterdir()] == [str(ALICE.uid)]
    assert "No state directory" not in host.syslog.text


def test_users_cannot_see_each_other(host: Host, state: Path) -> None:
    """A user can neither list STATE, nor look into another's directory, nor put anything beside their own."""
    host.pam_stack(PAM_OPEN)
    host.deliver("alice", MAILBOX)
    assert deleted() == b"+OK\r\n"
    own, other = f"{state}/{ALICE.uid}", f"{state}/{BOB.uid}"
    for user, command, works in (
        (ALICE.uid, ["touch", f"{own}/x"], True),
        (ALICE.uid, ["ls", str(state)], False),
        (ALICE.uid, ["mkdir", other], False),
        (ALICE.uid, ["mv", own, other], False),
        (BOB.uid, ["ls", own], False),
        (BOB.uid, ["touch", f"{own}/y"], False),
    ):
        done = subprocess.run(command, user=user, group=user, extra_groups=[], capture_output=True, check=False)
        assert (done.returncode == 0) == works, command


def test_a_failed_login_makes_nothing(host: Host, state: Path) -> None:
    """Who has not logged in gets no directory."""
    host.pam_stack(PAM_QUICK)
    host.deliver("alice", MAILBOX)
    with Talk() as talk:
        assert talk.login(password="wrong").startswith(b"-ERR")
        talk.rest()
    assert not state.exists()


def test_directory_that_was_not_finished(host: Host, state: Path) -> None:
    """A user's directory that is still root's, since whoever made it did not come further, becomes the user's."""
    host.pam_stack(PAM_OPEN)
    (state / str(ALICE.uid)).mkdir(parents=True, mode=0o700)
    state.chmod(0o711)
    mailbox = host.deliver("alice", MAILBOX)
    assert deleted(1) == b"+OK\r\n"
    assert has_mode(state / str(ALICE.uid), ALICE.uid, 0o700)
    assert mailbox.read_bytes() == TWO


def test_configured_place(host: Host, state: Path) -> None:
    """mailbox.state in the configuration is another place for the directories."""
    host.pam_stack(PAM_OPEN)
    mailbox = host.deliver("alice", MAILBOX)
    place = host.base / "state"
    configuration = host.configuration(f'[mailbox]\nstate = "{place}"\n')
    assert deleted(1, command=[*POPA3D, "-c", configuration]) == b"+OK\r\n"
    assert mailbox.read_bytes() == TWO
    assert has_mode(place / str(ALICE.uid), ALICE.uid, 0o700) and not state.exists()


def state_is_foreign(state: Path, own: Path) -> None:
    os.chown(state, ALICE.uid, ALICE.uid)


def state_is_writable(state: Path, own: Path) -> None:
    state.chmod(0o1733)


def state_is_a_link(state: Path, own: Path) -> None:
    state.rename(f"{state}.real")
    state.symlink_to(f"{state}.real")


def state_is_a_file(state: Path, own: Path) -> None:
    own.rmdir()
    state.rmdir()
    state.touch()


def own_is_foreign(state: Path, own: Path) -> None:
    os.chown(own, BOB.uid, BOB.uid)


def own_is_writable(state: Path, own: Path) -> None:
    own.chmod(0o770)


def own_is_a_link(state: Path, own: Path) -> None:
    own.rename(state / "real")
    own.symlink_to("real")
    os.chown(own, ALICE.uid, ALICE.uid, follow_symlinks=False)


def own_is_a_file(state: Path, own: Path) -> None:
    own.rmdir()
    own.touch(mode=0o600)
    os.chown(own, ALICE.uid, ALICE.uid)


SPOILT: list[tuple[Callable[[Path, Path], None], str]] = [
    (state_is_foreign, ""),
    (state_is_writable, ""),
    (state_is_a_link, ""),
    (state_is_a_file, ""),
    (own_is_foreign, f"/{ALICE.uid}"),
    (own_is_writable, f"/{ALICE.uid}"),
    (own_is_a_link, f"/{ALICE.uid}"),
    (own_is_a_file, f"/{ALICE.uid}"),
]


def serves_without(host: Host, state: Path) -> None:
    """Claim that mail is read and the last messages are deleted without a state directory, and that the first are not."""
    mailbox = host.deliver("alice", MAILBOX)
    assert deleted(1).startswith(b"-ERR")
    assert mailbox.read_bytes() == MAILBOX
    host.syslog.wait("Failed to update /var/mail/alice: ")
    assert deleted(2) == b"+OK\r\n"
    assert mailbox.read_bytes() == ONE
    assert deleted(1) == b"+OK\r\n"
    assert mailbox.read_bytes() == b""
    assert "nternal error" not in host.syslog.text


@pytest.mark.parametrize(("spoil", "where"), SPOILT, ids=lambda value: getattr(value, "__name__", ""))
def test_unsafe_directories_are_not_used(host: Host, state: Path, spoil: Callable[[Path, Path], None], where: str) -> None:
    """A directory that somebody else has or could write, or that is none, is left alone: one line, and mail is served."""
    host.pam_stack(PAM_OPEN)
    own = state / str(ALICE.uid)
    own.mkdir(parents=True, mode=0o700)
    state.chmod(0o711)
    os.chown(own, ALICE.uid, ALICE.uid)
    spoil(state, own)
    before = own.lstat() if where else state.lstat()
    try:
        serves_without(host, state)
        after = own.lstat() if where else state.lstat()
        assert (before.st_mode, before.st_uid, before.st_ino) == (after.st_mode, after.st_uid, after.st_ino)
        host.syslog.wait(f"No state directory for alice: {state}{where}: ")
        assert not own.is_dir() or not os.listdir(own)
    finally:
        real = Path(f"{state}.real")
        if real.is_dir():
            (real / str(ALICE.uid)).rmdir()
            real.rmdir()


@pytest.mark.parametrize("there", [False, True], ids=["not yet made", "made before"])
def test_read_only_file_system(host: Host, state: Path, there: bool) -> None:
    """On a file system that was mounted read-only mail is served the same, and a line says what is wrong."""
    host.pam_stack(PAM_OPEN)
    state.mkdir()
    tmpfs(state, "mode=0711")
    try:
        if there:
            (state / str(ALICE.uid)).mkdir(mode=0o700)
            os.chown(state / str(ALICE.uid), ALICE.uid, ALICE.uid)
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        serves_without(host, state)
        if there:
            host.syslog.wait("Failed to update /var/mail/alice: Read-only file system")
        else:
            host.syslog.wait(f"No state directory for alice: {state}/{ALICE.uid}: Read-only file system")
    finally:
        unmount(state)


def test_own_directory_that_others_may_read(host: Host, state: Path) -> None:
    """A directory that others may read is as good: its files are the owner's alone."""
    host.pam_stack(PAM_OPEN)
    mailbox = host.deliver("alice", MAILBOX)
    own = state / str(ALICE.uid)
    own.mkdir(parents=True)
    own.chmod(0o755)
    state.chmod(0o711)
    os.chown(own, ALICE.uid, ALICE.uid)
    assert deleted(1) == b"+OK\r\n"
    assert mailbox.read_bytes() == TWO and os.listdir(own) == []
