"""Which PAM service file counts, and where what it includes is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from popa3d.root.pam import service_file

LINES = "auth required pam_permit.so\naccount required pam_permit.so\n"


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The administrator's directory, and the distribution's."""
    both = tmp_path / "etc", tmp_path / "usr"
    for directory in both:
        directory.mkdir()
    monkeypatch.setattr(service_file, "PAM_SERVICE_FILES", tuple(f"{directory}/popa3d" for directory in both))
    return both


def fault() -> str:
    """Why the files are insufficient; empty if they are not."""
    try:
        service_file.check()
    except service_file.Insufficient as insufficient:
        return insufficient.reason
    return ""


def test_first_one(directories: tuple[Path, Path]) -> None:
    """The administrator's counts, whatever the distribution's says; without one, the distribution's."""
    own, vendor = directories
    assert fault() == f"No PAM service file {own}/popa3d"
    (vendor / "popa3d").write_text(LINES)
    assert fault() == ""
    (own / "popa3d").write_text("")
    assert fault() == f"{own}/popa3d has no line for account and auth"


def test_directory(directories: tuple[Path, Path]) -> None:
    """A directory of that name can be opened, and has no lines: Linux-PAM looks no further."""
    own, vendor = directories
    (vendor / "popa3d").write_text(LINES)
    (own / "popa3d").mkdir()
    assert fault() == f"{own}/popa3d has no line for account and auth"


def test_included(directories: tuple[Path, Path]) -> None:
    """What the distribution's file includes is looked for in the administrator's directory first, and then in its own."""
    own, vendor = directories
    (vendor / "popa3d").write_text("@include all\n")
    assert fault() == f"{vendor}/popa3d has no line for account and auth"
    (vendor / "all").write_text(LINES)
    assert fault() == ""
    (own / "all").write_text("auth required pam_permit.so\n")
    assert fault() == f"{vendor}/popa3d has no line for account"
