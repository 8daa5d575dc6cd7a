"""A scanner looks at STLS of popa3d -D. make scan does more."""

from __future__ import annotations

from tests.host import Host
from tests.super.daemon import Daemon
from tests.tls import install
from tests.tls.scan import CONFIGURATION, PORTS, sslyze


def test_sslyze(host: Host) -> None:
    """Nothing that RFC 9325 or Mozilla's "intermediate" configuration forbids; no scan makes a session end in an error."""
    with Daemon(host, install(host) + CONFIGURATION):
        assert sslyze(PORTS["STLS"], host.base) == []
    assert "Internal error" not in host.syslog.text
