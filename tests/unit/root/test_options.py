"""The command line, read as getopt(3) would, and which file it leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from popa3d.params import Settings
from popa3d.root import options


def test_version() -> None:
    """-V is answered whatever else there is behind it."""
    for arguments in (["-V"], ["-Vc", "/nonexistent"], ["-V", "-x"]):
        assert str(options.parse(arguments)).startswith("popa3d version 2.0.0 (")


@pytest.mark.parametrize(
    "arguments", [["-x"], ["-c"], ["-"], ["--"], ["x"], ["-c", "/dev/null", "x"], ["-Dx"], ["-4"], ["-6"], ["-46"]]
)
def test_usage(arguments: list[str]) -> None:
    """What is not an option gives the usage line, or the file's fault where that comes first."""
    with pytest.raises(options.Wrong) as wrong:
        options.parse(arguments)
    assert str(wrong.value) in (options.USAGE, "/dev/null: not a regular file")


def test_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without -c the administrator's file is read if it exists, and is no fault if it does not."""
    path = tmp_path / "popa3d.toml"
    monkeypatch.setattr(options, "CONFIGURATION", str(path))
    found = options.parse([])
    assert isinstance(found, options.Asked) and found.settings.__dict__ == Settings().__dict__
    path.write_text("[session]\ntimeout_s = 700\n")
    found = options.parse([])
    assert isinstance(found, options.Asked) and found.settings.timeout_s == 700
    path.write_text("[session]\ntimeout = 700\n")
    with pytest.raises(options.Wrong, match="timeout"):
        options.parse([])


def test_named_file(tmp_path: Path) -> None:
    """-c FILE and -cFILE are the same; a file that is named must exist."""
    path = tmp_path / "mine.toml"
    path.write_text("[session]\nlogin_timeout_s = 7\n")
    for arguments in (["-c", str(path)], [f"-c{path}"]):
        found = options.parse(arguments)
        assert isinstance(found, options.Asked) and found.settings.login_timeout_s == 7
    path.unlink()
    with pytest.raises(options.Wrong, match="No such file"):
        options.parse(["-c", str(path)])


@pytest.mark.parametrize(
    ("arguments", "families", "foreground"),
    [
        (["-D"], "46", False),
        (["-4D"], "4", False),
        (["-D6"], "6", False),
        (["-46D"], "46", False),
        (["-D", "-6", "-4", "-4"], "64", False),
        (["-DF"], "46", True),
        (["-F"], "46", True),
        (["-6F"], "6", True),
        (["-F", "-4", "-D"], "4", True),
    ],
)
def test_daemon(arguments: list[str], families: str, foreground: bool) -> None:
    """-D or -F listens on both families unless one is named; letters may be clustered."""
    found = options.parse(arguments)
    assert isinstance(found, options.Asked)
    assert (found.daemon, sorted(found.families), found.foreground) == (True, sorted(families), foreground)
