"""Scanners look at popa3d -D: sslyze at STLS, nmap at POP3S. make scan does more."""

from __future__ import annotations

import re
import subprocess

from tests.host import Host
from tests.super.daemon import Daemon
from tests.tls import install
from tests.tls.scan import ADDRESS, CONFIGURATION, PORTS, sslyze

CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_AKE_WITH_AES_128_GCM_SHA256",
    "TLS_AKE_WITH_AES_256_GCM_SHA384",
    "TLS_AKE_WITH_CHACHA20_POLY1305_SHA256",
}


def test_sslyze(host: Host) -> None:
    """Nothing that RFC 9325 or Mozilla's "intermediate" configuration forbids; no scan makes a session end in an error."""
    with Daemon(host, install(host) + CONFIGURATION):
        assert sslyze(PORTS["STLS"], host.base) == []
    assert "Internal error" not in host.syslog.text


def test_nmap(host: Host) -> None:
    """TLS 1.2 and 1.3 with their best ciphers, nothing older, no compression, and no warning."""
    command = ["nmap", "--unprivileged", "-sT", "-Pn", "-n", "-p", str(PORTS["POP3S"]), "--script", "ssl-enum-ciphers", ADDRESS]
    with Daemon(host, install(host) + CONFIGURATION):
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert re.findall(r"^\|   (\S+): $", said, re.M) == ["TLSv1.2", "TLSv1.3"]
    assert set(re.findall(r"TLS_\w+", said)) == CIPHERS
    assert set(re.findall(r" - ([A-F])$", said, re.M)) == {"A"} and "least strength: A" in said
    assert "warnings" not in said and re.findall(r"compressors: \n\|\s+(\w+)", said) == ["NULL"]
