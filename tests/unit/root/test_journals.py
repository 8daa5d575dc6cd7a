"""Whose updates were interrupted, by names of files that users can choose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from popa3d.root.journals import stems_of_journals
from popa3d.shared.limits import RECOVERY_ACCOUNTS, RECOVERY_FILES

MARK = "0123456789abcdef"


def make(directory: Path, *names: str) -> None:
    """Empty files."""
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).touch()


def test_names(tmp_path: Path) -> None:
    """The name of an account is what stands before the mailbox's mark; other files are nobody's."""
    make(tmp_path / "7", f"al-ice-{MARK}.journal", f"bob-{MARK}.journal.12", f"bob-{MARK}.index", f"{MARK}.journal", "journal")
    make(tmp_path / "7", f"eve-{MARK[:-1]}.journal", f"eve-{MARK[:-1]}X.journal", f"eve-{MARK}.journals")
    assert stems_of_journals(str(tmp_path), 7) == {"al-ice", "bob"}


def test_too_many(tmp_path: Path) -> None:
    """More accounts or files than a user can have are an error with the directory's name; as many as that are none."""
    make(tmp_path / "1", *(f"a{i}-{MARK}.journal" for i in range(RECOVERY_ACCOUNTS)))
    assert len(stems_of_journals(str(tmp_path), 1)) == RECOVERY_ACCOUNTS
    make(tmp_path / "1", f"b-{MARK}.journal")
    make(tmp_path / "2", *(f"x{i}" for i in range(RECOVERY_FILES)))
    assert stems_of_journals(str(tmp_path), 2) == set()
    make(tmp_path / "2", "y")
    for uid in (1, 2):
        with pytest.raises(OSError, match="too many files") as raised:
            stems_of_journals(str(tmp_path), uid)
        assert raised.value.filename == f"{tmp_path}/{uid}"


def test_links(tmp_path: Path) -> None:
    """A link in the place of a directory is not followed, and no descriptor stays open."""
    make(tmp_path / "there", f"alice-{MARK}.journal")
    (tmp_path / "1").symlink_to(tmp_path / "there")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match=r"(?i)not a directory|too many levels"):
        stems_of_journals(str(tmp_path), 1)
    assert os.listdir("/proc/self/fd") == before
