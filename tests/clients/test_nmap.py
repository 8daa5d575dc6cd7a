"""nmap's script pop3-capabilities, with which administrators look at their hosts."""

from __future__ import annotations

import re

from tests.clients import CAPABILITIES, HOST, Home
from tests.clients.recorder import Recorder


def test_capabilities(home: Home, recorder: Recorder) -> None:
    """nmap lists what CAPA answers: no more, no less, in no particular order."""
    scan = ("nmap", "--unprivileged", "-sT", "-Pn", "-n", "-p", str(recorder.port), "--script", "+pop3-capabilities", HOST)
    (found,) = re.findall(rb"^\|_pop3-capabilities: (.*)$", home.run(*scan), re.M)
    names = [line.removeprefix(b"S: ") for line in CAPABILITIES[1:-1]]
    assert sorted(found.split()) == sorted(re.sub(rb"^SASL (.*)$", rb"SASL(\1)", name) for name in names)
    conversation = recorder.conversations()[-1]  # the one before is the look whether somebody listens
    assert conversation.lines() == [b"S: +OK popa3d ready", b"C: CAPA", *CAPABILITIES]
