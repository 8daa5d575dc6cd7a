"""Which PAM service file counts, and where what it includes is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from popa3d.root.pam import service_file

LINES = "auth required pam_permit.so\naccount required pam_permit.so\n"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The administrator's directory, and the distribution's."""
    found = tmp_path / "etc", tmp_path / "usr"
    for place in found:
        place.mkdir()
    monkeypatch.setattr(service_file, "PAM_SERVICE_FILES", tuple(f"{place}/popa3d" for place in found))
    return found


def test_first_one(places: tuple[Path, Path]) -> None:
    """The administrator's counts, whatever the distribution's says; that one where he has none."""
    own, vendor = places
    assert service_file.fault() == f"No PAM service file {own}/popa3d"
    (vendor / "popa3d").write_text(LINES)
    assert service_file.fault() == ""
    (own / "popa3d").write_text("")
    assert service_file.fault() == f"{own}/popa3d has no line for account and auth"


def test_directory(places: tuple[Path, Path]) -> None:
    """A directory of that name can be opened, and has no lines: Linux-PAM looks no further."""
    own, vendor = places
    (vendor / "popa3d").write_text(LINES)
    (own / "popa3d").mkdir()
    assert service_file.fault() == f"{own}/popa3d has no line for account and auth"


def test_included(places: tuple[Path, Path]) -> None:
    """What the distribution's file includes is looked for in the administrator's directory first, and then in its own."""
    own, vendor = places
    (vendor / "popa3d").write_text("@include all\n")
    assert service_file.fault() == f"{vendor}/popa3d has no line for account and auth"
    (vendor / "all").write_text(LINES)
    assert service_file.fault() == ""
    (own / "all").write_text("auth required pam_permit.so\n")
    assert service_file.fault() == f"{vendor}/popa3d has no line for account"
