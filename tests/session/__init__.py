"""The mailbox owner's program alone, as root would start it: as the owner, confined, with the record on descriptor 3."""

from __future__ import annotations

import os
import pwd
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from popa3d.root import handover as root_handover
from popa3d.root import privileges, sandbox
from popa3d.shared import record
from popa3d.shared.limits import STATE
from popa3d.shared.settings import Settings
from tests.host import ACCOUNTS, ALICE, HOME
from tests.talk import Talk, state, wait_until

WORKER = [str(HOME / "bin/popa3d-session")]


def state_directory(uid: int) -> bytes:
    """A user's state directory, as root would have made it."""
    path = Path(STATE) / str(uid)
    path.parent.mkdir(mode=0o711, exist_ok=True)
    if not path.exists():
        path.mkdir(0o700)
        os.chown(path, uid, uid)
    return bytes(path)


def handover(name: str = "alice", ahead: bytes = b"", timeout_s: int = 600, **changes: Any) -> record.Handover:
    """A record for an account's mailbox in /var/mail. state: its state directory, which is made if that is not given."""
    uid = next((account.uid for account in ACCOUNTS if account.name == name), 0) or pwd.getpwnam(name).pw_uid
    settings = Settings()
    settings.timeout_s = timeout_s
    settings.locks = tuple(str(changes.get("locks", "fcntl")).split(","))
    settings.max_messages, settings.max_octets = changes.get("max_messages", 2**21), changes.get("max_octets", 2**40)
    path = b"/var/mail/" + name.encode()
    state = changes["state"] if "state" in changes else state_directory(uid)
    return record.Handover(name.encode(), changes.get("uid", uid), path, state, b"127.0.0.1", ahead, settings)


def confined(told: bytes) -> Callable[[], None]:
    """What root does last: let the process reach no more than the session needs that this record is for."""
    handed_over = record.decode_handover(told) or handover(state=b"")

    def confine() -> None:
        sys.executable = "/usr/bin/python3"  # the user may not reach the one of the tests
        sandbox._HERE = str(HOME / "lib/popa3d/root/sandbox")  # in this process only: its library is the private host's
        privileges.no_new_privileges()
        root_handover.confine(handed_over, WORKER[0])

    return confine


def worker(
    told: bytes,
    uid: int = ALICE.uid,
    ends: tuple[socket.socket, socket.socket] | None = None,
    before: Callable[[], None] = lambda: None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Talk:
    """A Talk with the worker, with `told` on descriptor 3.

    before: what its process does first. meanwhile: what happens when that is confined, and has no record yet.
    """
    reading, writing = os.pipe()

    confine = confined(told)

    def become() -> None:
        before()
        os.dup2(reading, 3)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        confine()

    talk = Talk(WORKER, ends, preexec_fn=become, close_fds=False)
    meanwhile()
    os.write(writing, told)
    os.close(writing)
    os.close(reading)
    return talk


ONE = b"From a@b Mon Jan  5 10:00:00 2026\nSubject: one\n\nbody 1\n\n"
TWO = b"From a@b Mon Jan  5 10:00:00 2026\nSubject: two\n\nbody 2\n\n"
THREE = b"From c@d Mon Jan  5 10:01:00 2026\nSubject: three\n\nnew\n\n"
MAILBOX = ONE + TWO


def open_session(name: str = "alice") -> Talk:
    """A worker that has loaded the mailbox of `name`, its greeting read."""
    talk = worker(handover(name).encode())
    assert talk.line() == b"+OK\r\n"
    return talk


def waiting(talk: Talk) -> None:
    """Wait until the session has nothing to do."""
    wait_until(lambda: state(talk.process.pid) == "S")
