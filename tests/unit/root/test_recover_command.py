"""The command line of popa3d-recover, and whose journals it acts for."""

from __future__ import annotations

import pwd
from types import SimpleNamespace
from unittest import mock

import pytest

from popa3d import VERSION
from popa3d.root import accounts, errand_command, recover_command


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
    with pytest.raises(errand_command.Misused) as misused:
        recover_command._parse(words)
    assert misused.value.reason == reason


def test_output() -> None:
    """-h and -V hold whatever follows."""
    assert recover_command._parse(["-h", "-x"]).output.startswith("usage: popa3d-recover ")
    assert recover_command._parse(["-V"]).output.startswith(f"popa3d version {VERSION} (")


@pytest.mark.parametrize(
    ("name", "uid", "found"),
    [
        ("alice", 1, "alice"),
        ("twin", 1, "twin"),
        ("alice", 2, ""),
        ("root", 2, ""),
        ("nobody-here", 2, ""),
        ("BOB", 2, ""),
        ("alice", 9, ""),
        ("l" * 40, 3, "l" * 50),
        ("l" * 39, 3, ""),
        ("l" * 50, 3, ""),
        ("l" * 40, 2, ""),
    ],
)
def test_accounts_of_journals(name: str, uid: int, found: str) -> None:
    """Whose journals these are that begin with `name` in the directory of `uid`: an account of that uid and name, or nobody's."""
    names = [("alice", 1), ("twin", 1), ("bob", 2), ("l" * 50, 3), ("root", 0)]
    entries = [SimpleNamespace(pw_name=account, pw_uid=number) for account, number in names]
    by_name = {entry.pw_name: entry for entry in entries} | {"BOB": entries[2]}  # some name services ignore upper case
    by_uid = {entry.pw_uid: entry for entry in reversed(entries)}
    with (
        mock.patch.object(accounts, "find", lambda octets: by_name.get(octets.decode())),
        mock.patch.object(pwd, "getpwuid", by_uid.__getitem__),
    ):
        assert recover_command._account(name, uid) == found
