"""What root hands over to the owner's program, and for which accounts it does."""

from __future__ import annotations

import os

import pytest

from popa3d.root import handover, host_check, locker, state_directories
from popa3d.shared import log, record
from popa3d.shared.settings import Settings
from tests.unit.root.accounts import ALICE, ROOT, account


@pytest.mark.parametrize(
    ("owner", "served"),
    [
        (ALICE, True),
        (ROOT, False),
        (account(uid=0), False),
        (account(gid=0), False),
        (account(name="a/b"), False),
        (account(name=".hidden"), False),
        (account(name="a.b-c"), True),
    ],
)
def test_serves(owner: object, served: bool) -> None:
    """An account of root's, of root's group, or with a name that is no file's has no session."""
    assert handover.serves(owner) is served  # type: ignore[arg-type]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a host where state directories can be had."""
    monkeypatch.setattr(state_directories, "prepare", lambda state, uid, gid: f"{state}/{uid}")
    return Settings()


def sent(settings: Settings, owner: object = ALICE, locker_fd: int = -1) -> record.Handover:
    """What the owner's program will read."""
    data = handover.prepare(owner, "192.0.2.1", settings, b"STAT\r\n", locker_fd >= 0)  # type: ignore[arg-type]
    pipe = handover.pipe(data, owner, locker_fd)  # type: ignore[arg-type]
    with os.fdopen(pipe, "rb") as file:
        result = record.decode_handover(file.read())
    assert result is not None
    return result


def test_send(settings: Settings) -> None:
    """The record says whose mailbox it is, where it is and how it is to be treated."""
    settings.max_messages = 7
    received = sent(settings)
    assert (received.owner, received.uid, received.path) == (b"alice", 1000, b"/var/mail/alice")
    assert (received.state, received.peer, received.ahead) == (b"/var/lib/popa3d-state/1000", b"192.0.2.1", b"STAT\r\n")
    assert (received.max_messages, received.locks, received.timeout_s) == (7, ("fcntl",), 600)
    assert not received.recovery and not received.locker


def test_mailbox_at_home(settings: Settings) -> None:
    """With home_file the mailbox is below the home directory; an account without one has no mailbox."""
    settings.home_file = "Mail/inbox"
    assert sent(settings).path == b"/home/alice/Mail/inbox"
    for home in ("", "relative", "/" + "d" * 16384):
        with pytest.raises(handover.NoMailbox, match="No usable mailbox path for alice"):
            sent(settings, account(home=home))


def test_without_state_directory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session does without a state directory that cannot be had; the log says so."""
    lines: list[str] = []

    def prepare(state: str, uid: int, gid: int) -> str:
        raise PermissionError(1, "not ours", state)

    monkeypatch.setattr(state_directories, "prepare", prepare)
    monkeypatch.setattr(log, "write", lambda _, text: lines.append(text))
    assert sent(settings).state == b""
    assert lines == ["No state directory for alice: /var/lib/popa3d-state: not ours"]


def test_locker(settings: Settings) -> None:
    """The locker learns whose lock it makes, and the owner's program that there is one."""
    reading, writing = os.pipe()
    assert sent(settings, locker_fd=writing).locker
    assert os.read(reading, 100) == b"%d 1000 alice" % os.getpid()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("locks", "group", "started"),
    [(("fcntl",), 8, False), (("fcntl", "dotlock"), 8, True), (("dotlock",), None, False), (("dotlock",), 0, False)],
)
def test_start_locker(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, locks: tuple[str, ...], group: int | None, started: bool
) -> None:
    """There is a locker only if dot-locks are wanted, sessions cannot make them, and a group can."""
    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(host_check, "locker_group", lambda _: group)

    def start(spool: str, group: int) -> int:
        calls.append((spool, group))
        return 5

    monkeypatch.setattr(locker, "start", start)
    settings.locks = locks
    assert handover.start_locker(settings) == (5 if started else -1)
    assert calls == ([("/var/mail", 8)] if started else [])
