"""tests/fresh.py, which the suite itself cannot run: that README.md and INSTALL.md still have what it tries."""

from __future__ import annotations

from tests import fresh


def test_the_commands_of_the_documents() -> None:
    """Both ways to install are found whole, and the program is tried after each."""
    scripts = {trial.name: trial.script for trial in fresh.documented()}
    by_package, by_hand = scripts["make deb, and install it"], scripts["make install"]
    assert by_package.startswith("make deb\napt-get install ./build/popa3d_")
    for line in ("apt-get install python3-pampy", "make install ", "useradd --system ", "/etc/pam.d/popa3d"):
        assert line in by_hand
    assert by_package.endswith(fresh.SERVED) and by_hand.endswith(fresh.SERVED)
    assert {"make run", "make lint", "make test"} <= set(scripts)
