"""The command line of popa3d-recover."""

from __future__ import annotations

import pytest

from popa3d import VERSION
from popa3d.root import recover_command


@pytest.mark.parametrize(
    ("words", "users", "file"),
    [
        (["--all"], [], ""),
        (["alice"], ["alice"], ""),
        (["bob", "alice", "bob"], ["bob", "alice"], ""),
        (["-c", "x", "--all"], [], "x"),
        (["-cx", "alice"], ["alice"], "x"),
        (["--all", "-c", "x"], [], "x"),
    ],
)
def test_users(words: list[str], users: list[str], file: str) -> None:
    """All users or some, each once, and perhaps a file."""
    options = recover_command._parse(words)
    assert (options.users, options.file, options.output) == (users, file, "")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], ""),
        (["--all", "alice"], ""),
        (["alice", "-x"], ""),
        (["-c"], "option -c needs a file"),
        (["-xy"], "unknown option -x"),
        (["--everybody"], "unknown option --everybody"),
    ],
)
def test_misused(words: list[str], reason: str) -> None:
    """Anything else is refused."""
    with pytest.raises(recover_command._Misused) as misused:
        recover_command._parse(words)
    assert misused.value.reason == reason


def test_output() -> None:
    """-h and -V hold whatever follows."""
    assert recover_command._parse(["-h", "-x"]).output.startswith("usage: popa3d-recover ")
    assert recover_command._parse(["-V"]).output.startswith(f"popa3d version {VERSION} (")
