"""The lines of a PAM service file and of what it includes, and where modules are looked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from popa3d.root.pam import service_file
from popa3d.root.pam.stack import Line, Stack
from popa3d.shared.limits import PAM_INCLUDES
from tests.host import CHECKOUT


@pytest.fixture
def pam_d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of service files."""
    monkeypatch.setattr(service_file, "PAM_SERVICE_FILES", (f"{tmp_path}/popa3d",))
    return tmp_path


def stack(pam_d: Path, text: str) -> Stack:
    """What a service file with this text is."""
    (pam_d / "popa3d").write_text(text)
    return Stack(f"{pam_d}/popa3d")


def test_lines(pam_d: Path) -> None:
    """Those of included files stand in their place, and of a file that one kind includes only those of that kind."""
    (pam_d / "some").write_text("auth required a.so\naccount [success=1 default=ignore] b.so x\nsession optional c.so\n")
    found = stack(pam_d, "# no line\nACCOUNT include some\n\n-auth  required \\\n\td.so nullok\nauth substack some # all\n")
    places = [(line.place.removeprefix(f"{pam_d}/"), line.kind, line.control, line.module) for line in found.lines]
    assert places == [
        ("some:2", b"account", b"[success=1 default=ignore]", b"b.so"),
        ("popa3d:5", b"auth", b"required", b"d.so"),
        ("some:1", b"auth", b"required", b"a.so"),
    ]
    assert [line.is_quiet for line in found.lines] == [False, True, False] and not found.faults


def test_twice(pam_d: Path) -> None:
    """What two lines include has its lines once."""
    (pam_d / "some").write_text("auth required a.so\n")
    assert len(stack(pam_d, "@include some\n@include some\n").lines) == 1


def test_bounds(pam_d: Path) -> None:
    """Files that include others too deep are told; many lines that include one file cost no more than one."""
    for number in range(PAM_INCLUDES + 2):
        (pam_d / str(number)).write_text(f"@include {number + 1}\n" * 1000)
    assert stack(pam_d, "@include 0\n").faults[0] == (
        f"{pam_d}/{PAM_INCLUDES - 1}:1 includes {PAM_INCLUDES}: more than {PAM_INCLUDES} files, one in the other"
    )


def test_missing(pam_d: Path) -> None:
    """A module may be in any of the directories; where none is known, nothing is said of any."""
    (pam_d / "there.so").touch()
    lines = f"auth required there.so\nauth required {pam_d}/there.so\nauth required no.so\nauth required $ISA/no.so\n"
    found = stack(pam_d, lines)
    assert [line.module for line in found.missing(["/nonexistent", str(pam_d)])] == [b"no.so"]
    assert list(found.missing([])) == []


@pytest.mark.parametrize(
    ("control", "must_pass"),
    [
        (b"required", True),
        (b"requisite", True),
        (b"sufficient", False),
        (b"optional", False),
        (b"[success=ok]", True),
        (b"[success=ok default=bad]", True),
        (b"[success=1 default=die]", True),
        (b"[success=1 default=ignore]", False),
        (b"[module_unknown=ignore default=bad]", False),
    ],
)
def test_must_pass(control: bytes, must_pass: bool) -> None:
    """What becomes of PAM_MODULE_UNKNOWN, by pam.conf(5)."""
    assert Line("", True, b"auth", control, b"x.so").must_pass() == must_pass


def test_passwords(pam_d: Path) -> None:
    """Who compares them: pam_unix.so, and whatever is not known to compare none."""
    found = stack(pam_d, "auth required pam_env.so\nauth required /lib/security/pam_unix.so\nauth required pam_deny.so\n")
    assert found.asks_unix() and found.askers() == []
    found = stack(pam_d, "auth required pam_ldap.so\nauth required pam_ldap.so\naccount required pam_unix.so\n")
    assert not found.asks_unix() and found.askers() == ["pam_ldap.so"]


def test_directories() -> None:
    """Those of the libpam that is loaded: one has the modules of Linux-PAM. Without it there are none."""
    code = f"import sys; sys.path.insert(0, {str(CHECKOUT / 'lib')!r})\nfrom popa3d.root.pam.stack import directories\n"
    code += "print(directories()); import ctypes; ctypes.CDLL('libpam.so.0'); print(*directories())"
    done = subprocess.run(["/usr/bin/python3", "-IBS", "-c", code], capture_output=True, text=True, check=True)
    without, having = done.stdout.splitlines()
    assert without == "[]"
    assert any(Path(directory, "pam_unix.so").is_file() for directory in having.split())
