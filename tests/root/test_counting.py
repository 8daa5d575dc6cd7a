"""How root counts the host's sessions, where the administrator limits them."""

from __future__ import annotations

import os
import subprocess

import pytest

from popa3d.shared.census import command_lines, counts
from tests.host import HOME, Host
from tests.talk import Talk, connection

MAILBOX = b"From a\nSubject: x\n\nbody\n\n"


def test_counts(host: Host) -> None:
    """Sessions are counted in all and by source, authenticating or not, and the pre-auth children are not counted."""
    address = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    host.deliver("alice", MAILBOX)
    assert counts.count_sessions(address).of_source == 0
    with Talk(ends=connection(of=address)) as one, Talk(ends=connection(of=address)) as two, Talk() as three:
        assert one.login() == b"+OK\r\n"
        two.line(), three.line()
        counted = counts.count_sessions(f"::ffff:{address}")
        assert counted.of_source == 2 and counted.total >= 3 and counted.unseen == 0


def test_counting_is_cheap_to_load() -> None:
    """Root's process counts without psutil, argparse or typing."""
    code = "import sys; sys.path.insert(0, sys.argv[1])\nfrom popa3d.shared.census import counts\n"
    code += "counts.count_sessions('')\nprint(*sys.modules)"
    done = subprocess.run(["/usr/bin/python3", "-IBS", "-c", code, str(HOME / "lib")], capture_output=True, text=True, check=True)
    assert not {"psutil", "argparse", "typing", "json", "re"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "listens"),
    [
        ([], False),
        ([b"-D"], True),
        ([b"-46FD"], True),
        ([b"-c", b"-D"], False),
        ([b"-cD"], False),
        ([b"-c", b"/etc/D", b"-D"], True),
        ([b"-c/etc/x", b"-D"], True),
        ([b"-Dc", b"/etc/x"], True),
        ([b"-F"], True),
        ([b"-c", b"/etc/x", b"-4F"], True),
        ([b"-t", b"-D"], False),
        ([b"-z", b"-D"], False),
    ],
)
def test_listening_arguments(arguments: list[bytes], listens: bool) -> None:
    """-D or -F is found wherever it may stand, and the name of a file is not taken for it."""
    assert command_lines._listens(arguments) is listens
