"""nmap's script pop3-capabilities over TLS; tests/tls/test_scan.py has the one about ciphers."""

from __future__ import annotations

import re

from tests.clients import HOST, Home
from tests.clients.tls import AFTER, BEFORE
from tests.host import Host

SASL = re.compile(rb"^SASL (.*)$")


def test_capabilities(host: Host, home: Home) -> None:
    """On port 110 there is STLS and no login; on port 995, which nmap tries with TLS, it is the other way round."""
    scan = ("nmap", "--unprivileged", "-sT", "-Pn", "-n", "-p", "110,995", "--script", "pop3-capabilities", HOST)
    found = re.findall(rb"^\|_pop3-capabilities: (.*)$", home.run(*scan), re.M)
    assert [sorted(line.split()) for line in found] == [
        sorted(SASL.sub(rb"SASL(\1)", tag) for tag in tags) for tags in (BEFORE, AFTER)
    ]
