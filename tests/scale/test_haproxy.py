"""HAProxy divides clients among hosts that share spool and state: with the shipped configurations, as docs/SCALE.md says."""

from __future__ import annotations

import contextlib
import poplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import MESSAGES, mbox
from tests.faults.kills import attach
from tests.host import ALICE, PAM_QUICK, Host
from tests.scale import ADDRESSES, FRONT
from tests.scale.clients import CLIENTS, Client, connected, python
from tests.scale.neighbour import Neighbour
from tests.scale.proxies import HaProxy
from tests.talk import wait_until
from tests.tls import install, pair

OF = [f"127.0.0.{number}" for number in range(41, 57)]  # the clients' addresses
Pair = tuple[Neighbour, Neighbour]


@pytest.fixture
def hosts(host: Host, tmp_path: Path) -> Iterator[Pair]:
    """Two with the same users, spool and state directories, and a certificate; without TLS nobody may log in."""
    host.pam_stack(PAM_QUICK)
    table = f'proxies = ["{FRONT}"]\n{install(host)}plaintext_logins = "never"\n'
    with contextlib.ExitStack() as stack:
        a, b = (
            stack.enter_context(Neighbour(name, f'[listen]\naddresses = ["{address}"]\n{table}', (ALICE,), tmp_path))
            for name, address in ADDRESSES.items()
        )
        a.deliver(ALICE, mbox(MESSAGES[:3]))
        yield a, b


@pytest.fixture
def haproxy(host: Host, hosts: Pair) -> Iterator[HaProxy]:
    """TLS is between client and host."""
    with HaProxy(host, "haproxy.cfg", {}) as proxy:
        yield proxy


def served(hosts: Pair, of: str) -> set[str]:
    """Which of the hosts have logged a login from an address."""
    return {each.name for each in hosts if f"Authentication passed for {ALICE.name} from {of} " in each.syslog.text}


@pytest.mark.usefixtures("haproxy")
@pytest.mark.parametrize("client", CLIENTS)
def test_tls_with_the_host_itself(hosts: Pair, client: Client) -> None:
    """Each octet arrives by STLS and by POP3S; each client stays with one host, whose log has its address and the cipher."""
    for of in OF:
        way = ("pop3s", "stls")[int(of[-1]) % 2] if client is not python else "pop3s"
        assert client(ALICE, way, of) == list(MESSAGES[:3])
        assert client(ALICE, "stls", of) == list(MESSAGES[:3])
        assert len(served(hosts, of)) == 1
        if len(set().union(*(served(hosts, each) for each in OF))) == 2:
            break
    else:
        pytest.fail("one host has served all clients")
    for each in hosts:
        line = each.syslog.wait("Authentication passed for ")
        assert " with TLSv1.3 TLS_" in line
        each.syslog.wait(f" through {FRONT}")


def test_tls_that_ends_at_haproxy(host: Host, hosts: Pair) -> None:
    """popa3d is told of it by the header, takes the login, and has the client's address."""
    file = host.base / "both.pem"
    file.write_text(pair().certificate + pair().key)
    with HaProxy(host, "haproxy-tls.cfg", {"/etc/haproxy/pop.example.org.pem": str(file)}):
        assert python(ALICE, "pop3s", OF[0]) == list(MESSAGES[:3])
    (name,) = served(hosts, OF[0])
    (neighbour,) = (each for each in hosts if each.name == name)
    neighbour.syslog.wait(f"Authentication passed for {ALICE.name} from {OF[0]} with TLS at the proxy")


@pytest.mark.usefixtures("haproxy")
def test_a_host_fails_in_the_middle_of_an_update(hosts: Pair, tmp_path: Path) -> None:
    """Its clients are served by the other host, which finishes the update first."""
    mail = MESSAGES[:8]
    path = hosts[0].deliver(ALICE, mbox(mail))
    client = connected("pop3s", OF[0])
    client.user(ALICE.name)
    client.pass_(ALICE.password)
    client.dele(1)
    (name,) = served(hosts, OF[0])
    victim, other = hosts if hosts[0].name == name else hosts[::-1]
    (pid,) = victim.sessions()
    kill = ("-f", "-e", "trace=ftruncate", "-e", "inject=ftruncate:signal=SIGKILL")
    with contextlib.closing(client), attach(pid, tmp_path / "trace", *kill), pytest.raises((poplib.error_proto, OSError)):
        client.quit()
    victim.die()
    assert path.read_bytes() not in (mbox(mail), mbox(mail[1:]))
    assert python(ALICE, "pop3s", OF[0]) == list(mail[1:])
    other.syslog.wait("An unfinished update was completed")
    other.syslog.wait(f"Authentication passed for {ALICE.name} from {OF[0]} ")
    assert path.read_bytes() == mbox(mail[1:])


def test_health_checks(host: Host, hosts: Pair) -> None:
    """They see that a host has failed, and that it is there again, for both ports; and they leave nothing in the log."""
    with HaProxy(host, "haproxy.cfg", {"inter 5s": "inter 50ms"}) as proxy:
        wait_until(lambda: set(proxy.states().values()) == {"UP"})
        hosts[0].die()
        wait_until(lambda: proxy.states() == {"pop3/a": "DOWN", "pop3/b": "UP", "pop3s/a": "DOWN", "pop3s/b": "UP"})
        hosts[0].start()
        wait_until(lambda: set(proxy.states().values()) == {"UP"})
    assert [line for each in hosts for line in each.syslog.lines] == []
