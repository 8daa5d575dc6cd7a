"""Whether the host's spool is one in which dot-locks can be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from popa3d.root import host_check
from popa3d.shared.settings import Settings


def settings(spool: Path, *locks: str, home_file: str = "") -> Settings:
    """Settings with this spool."""
    result = Settings()
    result.spool, result.locks, result.home_file = str(spool), locks, home_file
    return result


@pytest.mark.parametrize(
    ("mode", "locks", "home_file", "needed"),
    [
        (0o2775, ("fcntl", "dotlock"), "", True),
        (0o2770, ("dotlock",), "", True),
        (0o1777, ("dotlock",), "", False),
        (0o2775, ("fcntl", "flock"), "", False),
        (0o2775, ("dotlock",), "mbox", False),
    ],
)
def test_locker_group(tmp_path: Path, mode: int, locks: tuple[str, ...], home_file: str, needed: bool) -> None:
    """The spool's group makes dot-locks where it can and others cannot; at home users make them themselves."""
    tmp_path.chmod(mode)
    group = host_check.locker_group(settings(tmp_path, *locks, home_file=home_file))
    assert group == (tmp_path.stat().st_gid if needed else None)


def test_root_only(tmp_path: Path) -> None:
    """A spool that only its owner can write has no dot-locks, which is a fault of the configuration."""
    tmp_path.chmod(0o755)
    assert host_check.locker_group(settings(tmp_path, "dotlock")) == host_check.ROOT_ONLY
    with pytest.raises(host_check.Unfit, match=r"f: mailbox\.locks: nobody but root can make a dot-lock"):
        host_check.check(settings(tmp_path, "dotlock"), "f")
    host_check.check(settings(tmp_path, "fcntl"), "f")


def test_missing_spool(tmp_path: Path) -> None:
    """A spool that is missing may be mounted later: nothing is said of it here."""
    missing = settings(tmp_path / "missing", "dotlock")
    assert host_check.locker_group(missing) is None
    assert not host_check.spool_is_read_only(missing)
    host_check.check(missing, "f")


def test_read_only(tmp_path: Path) -> None:
    """A spool that can be written is not read-only."""
    assert not host_check.spool_is_read_only(settings(tmp_path))
