"""Interrupted updates in the mailboxes of a machine."""

from __future__ import annotations

import os
from pathlib import Path

from tests.host import ALICE, Host, bind, unmount
from tests.package.machine import Machine
from tests.package.sessions import STATE
from tests.root.interrupted import AFTER, BEFORE, interrupt


def interrupted(host: Host, machine: Machine) -> tuple[Path, list[Path]]:
    """A mailbox in the machine that a killed session has left in pieces, and its journals."""
    state = machine.root / STATE
    (state / str(ALICE.uid)).mkdir(mode=0o700, exist_ok=True)
    os.chown(state / str(ALICE.uid), ALICE.uid, ALICE.uid)
    Path("/", STATE).mkdir(mode=0o711)
    bind(state, f"/{STATE}")
    bind(machine.root / "var/mail", "/var/mail")
    try:
        interrupt(host)
    finally:
        unmount("/var/mail")
        unmount(f"/{STATE}")
        Path("/", STATE).rmdir()
    mailbox = machine.root / "var/mail/alice"
    journals = list((state / str(ALICE.uid)).glob("*.journal*"))
    assert journals and mailbox.read_bytes() not in (BEFORE, AFTER)
    return mailbox, journals
