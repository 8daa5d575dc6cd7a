"""The program popa3d-check: its command line and its output."""

from __future__ import annotations

import subprocess

from tests.host import Host
from tests.root.check import CHECK, faults, run


def test_a_good_host(host: Host) -> None:
    """Where nothing is wrong there is no fault, and people read one line about each thing."""
    assert faults() == {}
    done = run()
    assert done.returncode == 0 and "FAULT" not in done.stdout
    assert "user popa3d has uid 20100" in done.stdout and "/etc/pam.d/popa3d decides" in done.stdout


def test_usage(host: Host) -> None:
    """Wrong usage exits 2 and names what is wrong; -h says where the manual is; others than root are sent away."""
    done = run("--frobnicate")
    assert done.returncode == 2 and "--frobnicate" in done.stderr
    assert "popa3d-check(8)" in run("-h").stdout and run("-h").returncode == 0
    done = subprocess.run([CHECK], capture_output=True, text=True, env={}, check=False, user=20001, group=20001)
    assert (done.returncode, done.stderr) == (2, "popa3d-check: must be started by root\n")


def test_output_fits_a_terminal(host: Host) -> None:
    """Lines are at most 100 characters, printable ASCII, whatever the mailbox has."""
    host.deliver("alice", b"\x1b[2J\xff" * 100)
    output = run("alice").stdout
    assert output.isascii() and output.replace("\n", "").isprintable()
    assert max(map(len, output.splitlines())) <= 100
