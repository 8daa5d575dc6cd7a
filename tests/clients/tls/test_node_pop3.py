"""node-pop3, which has POP3S and no STLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import NAME, PASSWORD, Home, mbox, size
from tests.clients.recorder import Recorder
from tests.clients.test_node_pop3 import MAIL, as_sent, node, node_pop3
from tests.clients.tls import check_secrecy, cipher, trusted
from tests.host import Host
from tests.tls import NAME as SERVER_NAME

__all__ = ["node"]  # a fixture
POP3S = pytest.mark.parametrize("way", ["pop3s"], indirect=True)


@POP3S
def test_fetch(host: Host, home: Home, recorder: Recorder, node: Path) -> None:
    """Each message arrives and is deleted, and nobody on the way could read it."""
    path = host.deliver(NAME, mbox(MAIL))
    lines = node_pop3(home, node, recorder.port, PASSWORD, "delete", trusted(home), SERVER_NAME)
    assert lines == [b"%d: %d" % (number, size(message)) for number, message in enumerate(MAIL, 1)]
    assert home.mail() == [as_sent(message) for message in MAIL]
    assert path.read_bytes() == b""
    assert cipher(host).startswith("TLSv1.3 TLS_")
    check_secrecy(recorder, "pop3s")


@POP3S
def test_another_certificate(host: Host, home: Home, recorder: Recorder, node: Path) -> None:
    """It does not log in where the certificate is not the one that it trusts."""
    (line,) = node_pop3(home, node, recorder.port, PASSWORD, "keep", trusted(home, 1), SERVER_NAME, statuses=(1,))
    assert line.startswith(b"refused: ")
    check_secrecy(recorder, "pop3s")
    assert "Authentication" not in host.syslog.text
