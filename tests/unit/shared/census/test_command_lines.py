"""Which command lines are popa3d's."""

from __future__ import annotations

import pytest

from popa3d.shared.census import command_lines


def parsed(text: str) -> tuple[str, bool, bool] | None:
    """Program, authenticated and daemon of a command line; None if it is not popa3d's."""
    line = command_lines.parse(text.encode().split())
    return None if line is None else (line.program, line.authenticated, line.daemon)


@pytest.mark.parametrize(
    ("text", "program", "authenticated", "daemon"),
    [
        ("/usr/bin/python3 -IBS /usr/sbin/popa3d", "/usr/sbin/popa3d", False, False),
        ("/usr/bin/python3 -IBS ./popa3d -D", "./popa3d", False, True),
        ("python3.11 -SI popa3d -46F -c /etc/x", "popa3d", False, True),
        ("python3 -IBS popa3d -t -D", "popa3d", False, False),
        ("python3 -IBS popa3d -c -D", "popa3d", False, False),
        ("python3 -IBS popa3d -z", "popa3d", False, False),
        ("python3 -IBS /usr/lib/popa3d/popa3d-session", "/usr/lib/popa3d/popa3d-session", True, False),
        ("python3 -IBS popa3d-session -D", "popa3d-session", True, False),
    ],
)
def test_popa3d(text: str, program: str, authenticated: bool, daemon: bool) -> None:
    """A session before and after the login, and a daemon, as their own parser of arguments sees them."""
    assert parsed(text) == (program, authenticated, daemon)


@pytest.mark.parametrize(
    "text",
    ["", "popa3d", "python3 popa3d -D", "python3 -B popa3d", "python3 -IS", "python3 -IBS popa3d-status", "vi -IBS popa3d.py"]
    + ["python3 -ISc popa3d", "python3 -ISW popa3d", "python3 IBS popa3d", "python3 -IBS -D popa3d"],
)
def test_others(text: str) -> None:
    """Programs of other names, and Pythons that are not isolated or have another script, are none of popa3d's."""
    assert parsed(text) is None
