"""nginx ends TLS and finds each user's host: with the shipped nginx.conf and popa3d-hosts, as docs/SCALE.md says."""

from __future__ import annotations

import contextlib
import poplib
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.clients import MESSAGES, mbox, plain
from tests.host import ALICE, BOB, HOME, PAM_QUICK, Account, Host
from tests.scale import ADDRESSES, FRONT
from tests.scale.clients import CLIENTS, Client, connected, python
from tests.scale.neighbour import Neighbour
from tests.scale.proxies import Hosts, Nginx
from tests.talk import wait_until
from tests.tls import install

OF = {ALICE: "127.0.0.21", BOB: "127.0.0.22"}  # where their clients are
MAIL = {ALICE: MESSAGES[:2], BOB: MESSAGES[3:6]}
END = b"-ERR EOF"  # as poplib has it
TOO_LONG = (b"-ERR invalid command", b"")
REFUSED = b"-ERR [AUTH] Authentication failed (bad password?)"


class Site(NamedTuple):
    """Two hosts behind nginx: alice has her mailbox on a, bob his on b."""

    a: Neighbour
    b: Neighbour
    hosts: Hosts


@pytest.fixture
def site(host: Host) -> Iterator[Site]:
    """Each host has the account and the mail of one of the two. Without TLS nobody may log in there."""
    host.pam_stack(PAM_QUICK)
    table = f'proxies = ["{FRONT}"]\nproxies_tls = true\n{install(host)}plaintext_logins = "never"\n'
    with contextlib.ExitStack() as stack:
        a, b = (
            stack.enter_context(Neighbour(name, f'[listen]\naddresses = ["{ADDRESSES[name]}"]\n{table}', (account,)))
            for name, account in (("a", ALICE), ("b", BOB))
        )
        hosts = stack.enter_context(Hosts(f"alice {ADDRESSES['a']}\nbob {ADDRESSES['b']}\n* {ADDRESSES['a']}\n"))
        stack.enter_context(Nginx(host))
        a.deliver(ALICE, mbox(MAIL[ALICE]))
        b.deliver(BOB, mbox(MAIL[BOB]))
        yield Site(a, b, hosts)


def refusal(name: str, password: str, way: str = "pop3s", of: str = OF[ALICE]) -> bytes:
    """What nginx says to a login that fails; empty if it only closes the connection."""
    client = connected(way, of)
    with contextlib.closing(client):
        client.user(name)
        with pytest.raises((poplib.error_proto, OSError)) as caught:
            client.pass_(password)
    said = caught.value.args[0]
    return said if isinstance(said, bytes) and said != END else b""


@pytest.mark.parametrize("way", ["pop3s", "stls"])
@pytest.mark.parametrize("client", CLIENTS)
def test_everybody_comes_to_their_host(site: Site, client: Client, way: str) -> None:
    """Each octet arrives, from the host that has the account; its log has the client's own address, and nothing of the others."""
    for account, neighbour in ((ALICE, site.a), (BOB, site.b)):
        assert client(account, way, OF[account]) == list(MAIL[account])
        neighbour.syslog.wait(f"Authentication passed for {account.name} from {OF[account]} ")
        neighbour.syslog.wait(f"Session from {OF[account]} through {FRONT}")
    for neighbour, other in ((site.a, BOB), (site.b, ALICE)):
        assert OF[other] not in neighbour.syslog.text and other.name not in neighbour.syslog.text


def test_without_tls_nobody_can_log_in(site: Site) -> None:
    """nginx asks for STLS before it takes a name."""
    client = poplib.POP3(FRONT, 110)
    with contextlib.closing(client), pytest.raises(poplib.error_proto):
        client.user(ALICE.name)
    assert site.a.syslog.text == ""


def test_refusals_do_not_tell_who_has_a_mailbox(site: Site) -> None:
    """A wrong password, a name that nobody has and one that nobody can have: the same words; fail2ban sees who it was."""
    for of, (name, password) in zip(
        ("127.0.0.31", "127.0.0.32"), ((ALICE.name, "wrong"), ("nobody-has-this", ALICE.password)), strict=True
    ):
        assert refusal(name, password, of=of) == REFUSED
        site.a.syslog.wait(f" from {of}")
        site.a.syslog.wait(f"rhost={of} ")
    assert refusal("*", "x") == REFUSED
    site.hosts.write(f"alice {ADDRESSES['a']}\n")
    assert refusal(BOB.name, BOB.password) == REFUSED


def unique_ids(account: Account) -> list[bytes]:
    """What UIDL says through nginx."""
    client = connected("pop3s", OF[account])
    client.user(account.name)
    client.pass_(account.password)
    said = client.uidl()[1]
    client.quit()
    return list(said)


def test_a_host_fails(site: Site) -> None:
    """Its users are told so, all others are served, and so are they when it is there again; nginx is not restarted."""
    site.a.die()
    assert refusal(ALICE.name, ALICE.password) == b"-ERR internal server error"
    assert python(BOB, "pop3s", OF[BOB]) == list(MAIL[BOB])
    site.a.start()
    assert python(ALICE, "pop3s", OF[ALICE]) == list(MAIL[ALICE])


def test_a_user_moves(site: Site) -> None:
    """As docs/SCALE.md says: nowhere first, then mail and state, then the table. The client sees the same mail, and the same
    unique-ids, also those of a server before popa3d."""
    (site.a.spool.parent / "list").write_text("1 old-1\n2 old-2\n")
    site.a.run(str(HOME / "bin/popa3d-migrate"), "--from-list", str(site.a.spool.parent / "list"), ALICE.name)
    assert unique_ids(ALICE) == [b"1 old-1", b"2 old-2"]
    others = f"bob {ADDRESSES['b']}\n* {ADDRESSES['b']}\n"
    site.hosts.write(f"alice {ADDRESSES['a']} 9\n{others}")
    assert refusal(ALICE.name, ALICE.password) == b"-ERR internal server error"
    site.b.die()  # to be told of the account
    with Neighbour("b", site.b.configuration, (ALICE, BOB)) as b:
        site.a.run(str(HOME / "bin/popa3d-recover"), ALICE.name)
        for old, new in ((site.a.spool / ALICE.name, b.spool), (site.a.state / str(ALICE.uid), b.state)):
            subprocess.run(["cp", "-a", old, new], check=True)
        site.hosts.write(f"alice {ADDRESSES['b']}\n{others}")
        assert unique_ids(ALICE) == [b"1 old-1", b"2 old-2"]
        assert python(ALICE, "stls", OF[ALICE]) == list(MAIL[ALICE])
        b.syslog.wait(f"Authentication passed for alice from {OF[ALICE]} ")


def auth_plain(password: bytes) -> bytes:
    """What nginx says at last to AUTH PLAIN of alice; empty if it only closes the connection."""
    client = connected("pop3s", OF[ALICE])
    with contextlib.closing(client):
        client.sock.sendall(b"AUTH PLAIN\r\n")
        assert client.file.readline().startswith(b"+ ")
        client.sock.sendall(plain(password) + b"\r\n")
        try:
            return client.file.readline()
        except OSError:
            return b""


def test_what_nginx_has_no_room_for(site: Site) -> None:
    """Lines have at most 128 octets, so long passwords end the connection; nobody's password is cut."""
    for octets in (119, 121):
        assert refusal(ALICE.name, "x" * octets) == REFUSED
    assert refusal(ALICE.name, "x" * 123) in TOO_LONG
    assert auth_plain(b"x" * 86).rstrip() == REFUSED
    assert auth_plain(b"x" * 87).rstrip() in TOO_LONG


def test_a_host_is_restarted(site: Site) -> None:
    """A session that is open goes on while popa3d is told to stop; then another one serves those who come."""
    client = connected("pop3s", OF[ALICE])
    client.user(ALICE.name)
    client.pass_(ALICE.password)
    site.a.stop_listening()
    assert client.stat()[0] == len(MAIL[ALICE])
    assert refusal(ALICE.name, ALICE.password).startswith(b"-ERR ")
    site.a.start()
    assert python(ALICE, "pop3s", OF[ALICE]) == list(MAIL[ALICE])
    client.dele(1)
    client.quit()
    wait_until(lambda: len(python(ALICE, "pop3s", OF[ALICE])) == len(MAIL[ALICE]) - 1)
