"""A host on which there is something to get at."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import ALICE, Host
from tests.session import MAILBOX, state_directory

OUTSIDE = Path("/var/lib/outside")  # a directory in which everybody may do anything


class Targets:
    """What an attempt needs to know, as Python text."""

    def __init__(self, sibling: int, port: int) -> None:
        self.text = (
            f"sibling, port, abstract = {sibling}, {port}, '\\0popa3d-test'\n"
            f"outside = {str(OUTSIDE)!r}\n"
            f"mailbox, state = '/var/mail/alice', '/var/lib/popa3d-state/{ALICE.uid}'\n"
        )


@pytest.fixture
def targets(host: Host) -> Iterator[Targets]:
    """Alice's mailbox and state directory, others' that everybody may write, her other process, and sockets that listen."""
    host.deliver("alice", MAILBOX)
    OUTSIDE.mkdir()
    OUTSIDE.chmod(0o777)
    state_directory(ALICE.uid)
    for path in (host.spool / "open", Path(os.fsdecode(state_directory(20002)))):
        if not path.exists():
            path.write_bytes(MAILBOX)
        path.chmod(0o777)
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        abstract.bind("\0popa3d-test")
        sleep = ["/usr/bin/python3", "-IBSc", "import signal, time; signal.signal(10, lambda *_: None)\nwhile 1: time.sleep(60)"]
        with subprocess.Popen(sleep, user=ALICE.uid, group=ALICE.uid, extra_groups=[]) as sibling:
            try:
                yield Targets(sibling.pid, tcp.getsockname()[1])
            finally:
                sibling.kill()
                shutil.rmtree(OUTSIDE)
                Path("/dev/shm/taken").unlink(missing_ok=True)
