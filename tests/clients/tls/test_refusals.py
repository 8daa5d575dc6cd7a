"""What people see whose clients have no TLS, or only an old version of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients import HOST, MESSAGES, NAME, PASSWORD, PORT, Home, mbox, received
from tests.clients.tls import PORTS, cipher, trusted
from tests.host import Host

USE_TLS = b"use TLS to log in: STLS, or the port of POP3S"
AUTHFAIL = 3  # fetchmail's exit status
NOPERM = 77  # mpop's, in sysexits.h


def fetchmail(home: Home) -> bytes:
    """fetchmail, which shows the reply when it is told to be verbose."""
    home.write(
        ".fetchmailrc",
        f"poll {HOST} protocol pop3 port {PORT} no dns auth password\n"
        f'  user "{NAME}" password "{PASSWORD}" is bob here mda "{home.deliver}" sslproto \'\' keep\n',
    )
    return home.run("fetchmail", "-v", statuses=(AUTHFAIL,))


def mpop(home: Home) -> bytes:
    """mpop, which prints the reply."""
    home.write(
        ".mpoprc",
        f"account default\nhost {HOST}\nport {PORT}\nuser {NAME}\npassword {PASSWORD}\nauth user\ntls off\n"
        f"delivery mda {home.deliver}\n",
    )
    return home.run("mpop", statuses=(NOPERM,))


@pytest.mark.parametrize("client", [fetchmail, mpop], ids=["fetchmail", "mpop"])
def test_without_tls(host: Host, home: Home, client: Callable[[Home], bytes]) -> None:
    """The reply says what to do, and the password is not sent."""
    host.deliver(NAME, mbox(MESSAGES[:1]))
    assert USE_TLS in client(home)
    assert home.mail() == []
    assert "Authentication" not in host.syslog.text


@pytest.mark.parametrize(("version", "passes"), [("1.1", False), ("1.2", True), ("1.3", True)])
def test_versions(host: Host, home: Home, way: str, version: str, passes: bool) -> None:
    """curl that may use one version only; the log has the one that was used."""
    host.deliver(NAME, mbox(MESSAGES[:1]))
    url = f"{'pop3s' if way == 'pop3s' else 'pop3'}://{HOST}:{PORTS[way]}/1"
    options = ["-sS", "--cacert", trusted(home), "-u", f"{NAME}:{PASSWORD}", "--ssl-reqd", "--ciphers", "DEFAULT@SECLEVEL=0"]
    options += [f"--tlsv{version}", "--tls-max", version]
    got = home.run("curl", *options, url, statuses=(0,) if passes else (35,))
    if passes:
        assert got.replace(b"\r\n", b"\n") == received(MESSAGES)[0]
        assert cipher(host).startswith(f"TLSv{version} ")
    else:
        host.syslog.wait(f"TLS handshake failed from {HOST}: UNSUPPORTED_PROTOCOL")
