"""The administrator's file: which one it is, and whether the host is as it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from popa3d.root import host_check, settings_file
from popa3d.shared.limits import CHROOT
from popa3d.shared.settings import Settings


@pytest.mark.root
def test_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without -c the administrator's file is read if it exists, and is no fault if it does not."""
    path = tmp_path / "popa3d.toml"
    monkeypatch.setattr(settings_file, "CONFIGURATION", str(path))
    assert vars(settings_file.read("")) == vars(Settings())
    path.write_text("[session]\ntimeout_s = 700\n")
    assert settings_file.read("").timeout_s == 700
    path.write_text("[session]\ntimeout = 700\n")
    with pytest.raises(settings_file.Misconfigured, match="timeout"):
        settings_file.read("")


@pytest.mark.root
def test_named_file(tmp_path: Path) -> None:
    """A file that is named must exist."""
    path = tmp_path / "mine.toml"
    path.write_text("[session]\nlogin_timeout_s = 7\n")
    assert settings_file.read(str(path)).login_timeout_s == 7
    path.unlink()
    with pytest.raises(settings_file.Misconfigured, match="No such file"):
        settings_file.read(str(path))


def refusal(tmp_path: Path, text: str) -> str:
    """Why a file with this text is refused; empty if it is not."""
    path = tmp_path / "popa3d.toml"
    path.write_text(text)
    try:
        settings_file.read(str(path))
    except settings_file.Misconfigured as misconfigured:
        return misconfigured.reason.removeprefix(f"{path}: ")
    return ""


@pytest.mark.root
@pytest.mark.parametrize("key", ["spool", "state"])
def test_directories(tmp_path: Path, key: str) -> None:
    """They must be directories, by way of a link, too; one that is missing may be mounted later, or made."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(tmp_path)
    assert refusal(tmp_path, f'[mailbox]\n{key} = "{file}"\n') == f"mailbox.{key}: {file} is not a directory"
    assert refusal(tmp_path, f'[mailbox]\n{key} = "{link}"\n') == ""
    assert refusal(tmp_path, f'[mailbox]\n{key} = "{tmp_path}/missing"\n') == ""


@pytest.mark.root
@pytest.mark.parametrize("way", ["", "/", "/state", "/a/b", "/.", "/../popa3d/x", "link", "link/x"])
@pytest.mark.parametrize("key", ["spool", "state"])
def test_directories_in_the_chroot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, key: str) -> None:
    """None of them can be the chroot directory, or in it: it would not be empty any more, and everybody refused."""
    place = CHROOT + way
    if way.startswith("link"):
        chroot = tmp_path / "chroot"
        chroot.mkdir()
        (tmp_path / "link").symlink_to(chroot)
        monkeypatch.setattr(host_check, "CHROOT", str(chroot))
        place = f"{tmp_path}/{way}"
    assert refusal(tmp_path, f'[mailbox]\n{key} = "{place}"\n').startswith(f"mailbox.{key} must not be in ")
    assert refusal(tmp_path, f'[mailbox]\n{key} = "{CHROOT}-state"\n') == ""
