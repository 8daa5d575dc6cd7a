"""What TLS processes are called."""

from __future__ import annotations

import pytest

from popa3d.shared import process_name


@pytest.mark.parametrize(("version", "shown"), [("TLSv1.3", "TLS 1.3"), ("TLSv1.2", "TLS 1.2"), ("", "TLS")])
def test_names(version: str, shown: str) -> None:
    """A name says version and session, and the kernel keeps all of it: 15 octets, with the highest process id."""
    name = process_name.encode(version, 4194304)
    assert len(name) <= 15
    assert process_name.decode(name) == (shown, 4194304)


@pytest.mark.parametrize(
    "name", ["", "tls", "tls1.3", "tls1.3 ", "tls1.3 x", "tls1.3 -1", "tls1.3 1 2", "tls\x1b[2J 1", "tlsx 1"]
)
def test_other_names(name: str) -> None:
    """What has no such form, or has what a terminal would obey, is not taken for one."""
    assert process_name.decode(name) is None


def test_others_programs() -> None:
    """popa3d's other processes have none, nor has the keeper, whose name is whole."""
    assert process_name.decode("popa3d 1") is process_name.decode("stls 1") is process_name.decode(process_name.KEEPER) is None
    assert len(process_name.KEEPER) <= 15
