"""What scanners for TLS find: sslyze, which tests/tls/test_scan.py uses too, and testssl.sh, which takes minutes (make scan).

As a program: both of them, against popa3d -D on a private host, with POP3S and STLS, and with either kind of key.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import host as private_host
from tests.host import Host
from tests.super.daemon import Daemon
from tests.tls import NAME, install, pair

ADDRESS = "127.0.0.1"
PORTS = {"POP3S": 995, "STLS": 110}
# Scanners connect some six hundred times.
CONFIGURATION = f'[listen]\naddresses = ["{ADDRESS}"]\nmin_delay_s = 0\nsessions = 2000\nsessions_per_source = 1000\n'
SECONDS = 300

# What the scanners find at a certificate that signs itself, for a host that nobody has heard of, and at themselves.
_OF_THE_TEST = {
    "certificate_path_validation",  # sslyze
    "engine_problem",  # of testssl.sh's own OpenSSL
    *("cert_chain_of_trust", "cert_notAfter", "cert_expirationStatus", "cert_revocation", "OCSP_stapling", "DNS_CAArecord"),
    *("cert_crlDistributionPoints", "cert_ocspURL", "cert_extlifeSpan"),
}
# Mozilla's recommendation has neither of these. RFC 9325 has nothing against them, and Python cannot say which curves to take.
_CURVES = {"X448", "secp521r1"}


def sslyze(port: int, directory: Path) -> list[str]:
    """What popa3d lacks for Mozilla's "intermediate" configuration and RFC 9325; AssertionError if the scan fails.

    directory: for the report.
    """
    report = directory / "sslyze.json"
    command = [f"{os.path.dirname(sys.executable)}/sslyze", "--mozilla_config=intermediate", "--early_data", "--resum"]
    command += [*(["--starttls=pop3"] if port == PORTS["STLS"] else []), f"--json_out={report}", f"{ADDRESS}:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert "Checking results against Mozilla" in done.stdout, done.stdout + done.stderr
    (scanned,) = json.loads(report.read_text())["server_scan_results"]
    found = []
    for name, reason in re.findall(r"^ +\* (\w+): (.*)$", done.stdout.partition("Checking results")[2], re.M):
        curves = set(re.findall(r"'(\w+)'", reason)) if name == "tls_curves" else set()
        if name not in _OF_THE_TEST and not (curves and curves <= _CURVES):
            found.append(f"{name}: {reason}")
    return found + _beyond_mozilla({name: each["result"] for name, each in scanned["scan_result"].items() if each["result"]})


def _beyond_mozilla(results: dict[str, Any]) -> list[str]:
    """What the scan has against RFC 9325: older versions, and each single test. KeyError if one was not done."""
    versions = {
        name: results[f"{name}_cipher_suites"] for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3")
    }
    spoken = [name for name, result in versions.items() if result["is_tls_version_supported"]]
    renegotiation, resumption = results["session_renegotiation"], results["session_resumption"]
    wanted = {
        "versions": spoken == ["tls_1_2", "tls_1_3"],
        "ciphers": {each["cipher_suite"]["name"].split("_")[1] for each in versions["tls_1_2"]["accepted_cipher_suites"]}
        == {"ECDHE"},
        "compression": not results["tls_compression"]["supports_compression"],
        "early data": not results["tls_1_3_early_data"]["supports_early_data"],
        "CCS injection": not results["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"],
        "fallback": results["tls_fallback_scsv"]["supports_fallback_scsv"],
        "Heartbleed": not results["heartbleed"]["is_vulnerable_to_heartbleed"],
        "ROBOT": results["robot"]["robot_result"].startswith("NOT_VULNERABLE"),
        "secure renegotiation": renegotiation["supports_secure_renegotiation"],
        "renegotiation by the client": renegotiation["client_renegotiations_success_count"] == 0,
        "tickets": resumption["tls_ticket_resumption_result"] == "NOT_SUPPORTED",
        "extended master secret": results["tls_extended_master_secret"]["supports_ems_extension"],
    }
    return [name for name, fine in wanted.items() if not fine]


def testssl(port: int, directory: Path) -> list[str]:
    """What testssl.sh finds wrong with protocols, ciphers, defaults and known vulnerabilities; AssertionError if it fails."""
    report = directory / "testssl.json"
    report.unlink(missing_ok=True)
    command = ["testssl", "--quiet", "--color=0", "--warnings=batch", "--openssl-timeout=5", f"--ip={ADDRESS}"]
    command += [f"--jsonfile={report}", "-p", "-f", "-P", "-S", "-U", *(["--starttls=pop3"] if port == PORTS["STLS"] else [])]
    done = subprocess.run([*command, f"{NAME}:{port}"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert report.exists(), done.stdout + done.stderr
    findings = json.loads(report.read_text())
    assert any(each["id"] == "TLS1_3" and each["severity"] == "OK" for each in findings), done.stdout
    fine = ("OK", "INFO", "DEBUG")
    bad = [each for each in findings if each["severity"] not in fine and each["id"].split()[0] not in _OF_THE_TEST]
    return [f"{each['id']}: {each['finding']} ({each['severity']})" for each in bad]


def main() -> int:
    """Run both, and say what they found; 1 if they found something."""
    host: Host = private_host.enter()
    found = 0
    for kind in ("ec", "rsa"):
        with Daemon(host, install(host, pair(kind)) + CONFIGURATION):
            for way, port in PORTS.items():
                for scanner in (sslyze, testssl):
                    findings = scanner(port, host.base)
                    print(f"{scanner.__name__}, {way}, {kind}: {'; '.join(findings) or 'nothing'}", flush=True)
                    found += len(findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
