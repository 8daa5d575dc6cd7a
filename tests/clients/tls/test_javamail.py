"""JavaMail, which sends USER and PASS together; in one process for all sessions, since a Java machine takes a second to start."""

from __future__ import annotations

from tests.clients import HOST, MESSAGES, NAME, PASSWORD, Home, mbox, received
from tests.clients.recorder import Recorder
from tests.clients.test_javamail import Session, got, javamail
from tests.clients.tls import check_secrecy, cipher, trusted
from tests.host import Host
from tests.tls import NAME as SERVER_NAME


def test_sessions(host: Host, home: Home, recorder: Recorder, way: str) -> None:
    """Where the certificate is another one than it trusts JavaMail goes away; else each octet arrives, twice, and is deleted."""
    path = host.deliver(NAME, mbox(MESSAGES))
    another, right = trusted(home, 1), trusted(home)
    hosts = home.write("hosts", f"{HOST} {SERVER_NAME}\n")
    outcomes = javamail(
        home,
        recorder.port,
        Session("pipelining", PASSWORD, "refused", "keep", NAME, way, another),
        Session("pipelining", PASSWORD, "kept", "keep", NAME, way, right),
        Session("pipelining", PASSWORD, "deleted", "delete", NAME, way, right),
        options=(f"-Djdk.net.hosts.file={hosts}", f"-Dpopa3d.host={SERVER_NAME}"),
    )
    assert outcomes[0].startswith(b"MessagingException: Connect failed: ")
    assert outcomes[1:] == [b"well"] * 2
    wire = [message.replace(b"\n", b"\r\n") for message in received(MESSAGES)]
    assert got(home, "refused") == []
    assert got(home, "kept") == got(home, "deleted") == wire
    assert path.read_bytes() == b""
    host.syslog.wait(f"TLS handshake failed from {HOST}: ")
    assert host.syslog.text.count("Authentication") == 2
    assert cipher(host).startswith("TLSv1.3 TLS_")
    check_secrecy(recorder, way)
