"""popa3d's command line, read as getopt(3) would."""

from __future__ import annotations

import pytest

from popa3d.shared import arguments
from popa3d.shared.arguments import CHECK, HELP, LISTEN, PRINT_HELP, PRINT_VERSION, SERVE, USAGE, Misused, parse


@pytest.mark.parametrize(
    ("words", "action"),
    [
        ([], SERVE),
        (["-c", "-D"], SERVE),
        (["-V"], PRINT_VERSION),
        (["-Vc", "/nonexistent"], PRINT_VERSION),
        (["-D", "-V", "-x"], PRINT_VERSION),
        (["-h"], PRINT_HELP),
        (["--help"], PRINT_HELP),
        (["-Dh", "x"], PRINT_HELP),
        (["-t"], CHECK),
        (["-Dt"], CHECK),
        (["-t", "-F4", "-c", "x"], CHECK),
        (["-F"], LISTEN),
    ],
)
def test_actions(words: list[str], action: str) -> None:
    """One thing is done: -h and -V are answered whatever stands behind them, and -t listens nowhere."""
    assert parse(words).action == action
    assert action in arguments.ACTIONS


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-x"], "unknown option -x"),
        (["-Dx"], "unknown option -x"),
        (["--version"], "unknown option --version"),
        (["-D", "--verbose=2"], "unknown option --verbose=2"),
        (["-c"], "option -c needs a file"),
        (["-Dc"], "option -c needs a file"),
        (["-"], "unexpected argument -"),
        (["--"], "unexpected argument --"),
        (["x"], "unexpected argument x"),
        (["-c", "/dev/null", "x"], "unexpected argument x"),
        (["-4"], "option -4 needs -D or -F"),
        (["-64"], "option -6 needs -D or -F"),
        (["-4t"], "option -4 needs -D or -F"),
    ],
)
def test_mistakes(words: list[str], why: str) -> None:
    """What is wrong is named."""
    with pytest.raises(Misused) as wrong:
        parse(words)
    assert str(wrong.value) == why


@pytest.mark.parametrize(
    ("words", "families", "foreground"),
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
def test_listening(words: list[str], families: str, foreground: bool) -> None:
    """-D or -F listens on both families unless one is named; letters may be clustered."""
    found = parse(words)
    assert (found.action, sorted(found.families), found.foreground) == (LISTEN, sorted(families), foreground)


@pytest.mark.parametrize(("words", "file"), [(["-c", "/x"], "/x"), (["-c/x"], "/x"), (["-Fc", "-D"], "-D"), (["-D"], "")])
def test_file(words: list[str], file: str) -> None:
    """-c FILE and -cFILE are the same."""
    assert parse(words).file == file


def test_help() -> None:
    """-h names each option, begins with the usage, and says where the manual is."""
    assert HELP.startswith(USAGE + "\n") and "popa3d(8)" in HELP
    for letter in "46DFcthV":
        assert f"-{letter}" in HELP
