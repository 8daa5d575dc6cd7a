"""Each client fetches all mail over TLS, leaves it or deletes it, and does not log in if the certificate is another one."""

from __future__ import annotations

import poplib
import re
import ssl
from collections.abc import Callable

import pytest

from tests.clients import HOST, MESSAGES, NAME, PASSWORD, SECONDS, Home, mbox, received
from tests.clients.recorder import Recorder
from tests.clients.tls import PORTS, check_secrecy, cipher, trusted
from tests.host import HOME, Host
from tests.tls import NAME as SERVER_NAME

COUNT = len(MESSAGES)
Statuses = tuple[int, ...]


def curl(home: Home, port: int, way: str, trust: str, delete: bool, statuses: Statuses) -> None:
    """curl --ssl-reqd, which takes all messages over one connection, and deletes over another one."""
    url = f"{'pop3s' if way == 'pop3s' else 'pop3'}://{HOST}:{port}"
    options = ("-sS", "--cacert", trust, "-u", f"{NAME}:{PASSWORD}", *(("--ssl-reqd",) if way == "stls" else ()))
    home.run("curl", *options, "-o", f"{home.box}/#1", f"{url}/[01-{COUNT:02}]", statuses=statuses)
    if delete:
        home.run("curl", *options, "-I", "-X", "DELE", f"{url}/[1-{COUNT}]")


def mpop(home: Home, port: int, way: str, trust: str, delete: bool, statuses: Statuses) -> None:
    """mpop, with GnuTLS."""
    home.write(
        ".mpoprc",
        f"account default\nhost {HOST}\nport {port}\nuser {NAME}\npassword {PASSWORD}\nauth plain\ntls on\n"
        f"tls_starttls {'on' if way == 'stls' else 'off'}\ntls_trust_file {trust}\nreceived_header off\nonly_new off\n"
        f"delivery mda {home.deliver}\nkeep {'off' if delete else 'on'}\n",
    )
    home.run("mpop", statuses=statuses)


def fetchmail(home: Home, port: int, way: str, trust: str, delete: bool, statuses: Statuses) -> None:
    """fetchmail, which verifies the name that it is told to expect."""
    home.write(
        ".fetchmailrc",
        "set no bouncemail\nset invisible\n"
        f'poll {HOST} protocol pop3 port {port} no dns\n  user "{NAME}" password "{PASSWORD}" is bob here\n'
        f'  mda "{home.deliver}" no rewrite pass8bits fetchall {"no keep" if delete else "keep"}\n'
        f"  {'ssl' if way == 'pop3s' else ''} sslproto 'tls1.2+' sslcertck sslcertfile {trust} sslcommonname {SERVER_NAME}\n",
    )
    home.run("fetchmail", statuses=statuses)


def getmail(home: Home, port: int, way: str, trust: str, delete: bool, statuses: Statuses) -> None:
    """getmail, with Python's ssl."""
    home.write(
        "getmailrc",
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {HOST}\nport = {port}\nusername = {NAME}\npassword = {PASSWORD}\n"
        f"ca_certs = {trust}\n[destination]\ntype = MDA_external\npath = {home.deliver_for_getmail}\n"
        f"[options]\nreceived = false\ndelivered_to = false\ndelete = {str(delete).lower()}\n",
    )
    home.run("getmail", "--getmaildir", home.path, statuses=statuses)


def net_pop3(home: Home, port: int, way: str, trust: str, delete: bool, statuses: Statuses) -> None:
    """Net::POP3, which sends STLS without CAPA."""
    words = (str(port), "auth", NAME, PASSWORD, home.box, "delete" if delete else "keep", way, trust)
    home.run("perl", HOME / "tests/clients/net_pop3.pl", *words, statuses=statuses)


def python(home: Home, port: int, way: str, trust: str, delete: bool, statuses: Statuses) -> None:
    """poplib: POP3_SSL, or stls()."""
    context = ssl.create_default_context(cafile=trust)
    try:
        if way == "pop3s":
            client: poplib.POP3 = poplib.POP3_SSL(HOST, port, timeout=SECONDS, context=context)
        else:
            client = poplib.POP3(HOST, port, SECONDS)
            client.stls(context)
    except ssl.SSLCertVerificationError:
        assert statuses != (0,)
        return
    assert statuses == (0,)
    client.user(NAME)
    client.pass_(PASSWORD)
    for number in range(1, client.stat()[0] + 1):
        (home.box / f"{number:04}").write_bytes(b"".join(line + b"\n" for line in client.retr(number)[1]))
        if delete:
            client.dele(number)
    client.quit()


def openssl(home: Home, port: int, way: str, trust: str, delete: bool, statuses: Statuses) -> None:
    """openssl s_client, which sends all commands at once."""
    command = ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-CAfile", trust, "-verify_return_error", "-verify_ip", HOST]
    command += ["-quiet", "-crlf", *(["-starttls", "pop3"] if way == "stls" else [])]
    numbers = range(1, COUNT + 1)
    commands = [f"USER {NAME}", f"PASS {PASSWORD}", *(f"RETR {number}" for number in numbers)]
    commands += [*((f"DELE {number}" for number in numbers) if delete else ()), "QUIT"]
    said = home.run(*command, statuses=statuses, types="".join(line + "\n" for line in commands).encode())
    for number, message in enumerate(re.findall(rb"\+OK\r\n(Return-Path: .*?\r\n)\.\r\n", said, re.S), 1):
        (home.box / f"{number:04}").write_bytes(re.sub(rb"^\.", b"", message, flags=re.M))


Client = Callable[[Home, int, str, str, bool, Statuses], None]
REFUSES: dict[Client, Statuses] = {  # and its exit statuses if the certificate is another one
    curl: (60,),
    mpop: (69,),
    fetchmail: (2,),
    getmail: (127,),
    net_pop3: (2, 111, 255),
    python: (1,),
    openssl: (1,),
}
PAIRS = [(client, way) for client in REFUSES for way in PORTS if (client, way) != (getmail, "stls")]  # getmail has no STLS
EACH_CLIENT = pytest.mark.parametrize(
    ("client", "way"), PAIRS, ids=[f"{client.__name__}-{way}" for client, way in PAIRS], indirect=["way"]
)


def mail(home: Home) -> list[bytes]:
    """What was fetched, with LF; afterwards it is as if nothing had been."""
    found = [message.replace(b"\r\n", b"\n") for message in home.mail()]
    for path in home.box.iterdir():
        path.unlink()
    return found


@EACH_CLIENT
def test_fetch(host: Host, home: Home, recorder: Recorder, way: str, client: Client) -> None:
    """Each octet of each message arrives, the mailbox is as it was, and then, with deletion, empty; the log has the cipher."""
    path = host.deliver(NAME, mbox(MESSAGES))
    client(home, recorder.port, way, trusted(home), False, (0,))
    assert mail(home) == received(MESSAGES)
    assert path.read_bytes() == mbox(MESSAGES)
    assert cipher(host).startswith("TLSv1.3 TLS_")
    client(home, recorder.port, way, trusted(home), True, (0,))
    assert mail(home) == received(MESSAGES)
    assert path.read_bytes() == b""
    check_secrecy(recorder, way)


@EACH_CLIENT
def test_another_certificate(host: Host, home: Home, recorder: Recorder, way: str, client: Client) -> None:
    """A client that trusts another certificate goes away before it logs in; to the server that is mostly a failed handshake."""
    host.deliver(NAME, mbox(MESSAGES[:1]))
    client(home, recorder.port, way, trusted(home, 1), False, REFUSES[client])
    check_secrecy(recorder, way)
    assert home.mail() == []
    # GnuTLS looks at the certificate when it has completed the handshake.
    host.syslog.wait("Didn't attempt authentication" if client is mpop else f"TLS handshake failed from {HOST}: ")
    assert "Authentication" not in host.syslog.text
