"""The units of packaging/systemd, and what they say."""

from __future__ import annotations

import re

from tests.super.foreground import packaged

SESSION_UNITS = ("popa3d@.service", "popa3d-tls@.service", "popa3d.service")
RECOVERY = "popa3d-recover.service"
SERVICES = (*SESSION_UNITS, RECOVERY)
UNITS = ("popa3d.socket", "popa3d-tls.socket", *SERVICES)


def setting(unit: str, name: str) -> list[str]:
    """The words of one setting of a unit, which has it exactly once."""
    (found,) = re.findall(rf"^{name}=(.*)$", packaged(f"systemd/{unit}") if unit in SERVICES else "", re.M)
    return str(found).split()


def places(unit: str) -> list[str]:
    """The two places that a unit may write."""
    (spool,) = setting(unit, "ReadWritePaths")
    (state,) = setting(unit, "StateDirectory")
    return [spool, f"/var/lib/{state}"]
