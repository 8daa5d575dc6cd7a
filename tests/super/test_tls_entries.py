"""POP3S behind super-servers: the entries for the service pop3s of packaging/, with the real inetd, tcpd, xinetd and systemd."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests import peers
from tests.host import Host
from tests.super.daemon import sessions_of
from tests.super.foreground import HELLO, MBOX, RETR, Foreground, connected, everything, login, packaged
from tests.super.test_tcpd import access
from tests.super.test_unit_limits import as_root_may, keeps_to, small_view, under_filters
from tests.super.units import UNITS, places
from tests.talk import POPA3D, Talk, children, wait_until
from tests.tls import NAME, client_context, install

__all__ = ["access"]  # a fixture
SESSION = b"RETR 1\r\nDELE 1\r\nQUIT\r\n"
PASSED = re.compile(r"Authentication passed for alice from (\S+) with TLSv1\.3 TLS_\w+$")


def fetched(address: str, then: bytes = SESSION, source: str = "") -> bytes:
    """All that alice is sent over TLS on port 995, up to a proper end of it."""
    raw = connected(address, source, 995)
    with client_context().wrap_socket(raw, server_hostname=NAME, suppress_ragged_eofs=False) as client:
        client.sendall(login(then=then))
        got = b""
        while more := client.recv(1 << 16):
            got += more
        return got


def serves(host: Host, server: Foreground, *addresses: str) -> None:
    """Claim that alice fetches and deletes her mail by TLS from each address, that it is logged, and that no process stays."""
    for address in addresses:
        mailbox = host.deliver("alice", MBOX)
        host.syslog.clear()
        got = fetched(address)
        assert HELLO in got and got.endswith(b"+OK\r\n"), got
        assert mailbox.read_bytes() == b""
        found = PASSED.search(host.syslog.wait("Authentication passed").strip())
        assert found and found[1] == address, host.syslog.text
    wait_until(lambda: not server.sessions())


def inetd(host: Host, program: str) -> Foreground:
    """inetd with the line of the file that starts popa3d for pop3s by a program, which is a comment there."""
    file = host.configuration(install(host))
    text = packaged("inetd/inetd.conf", ("popa3d -s", f"popa3d -s -c {file}"))
    lines = [line.removeprefix("#") for line in text.splitlines() if re.match(f"#pop3s\t.*\t{program}\t", line)]
    tcpd = str(peers.program("tcpd", "usr/sbin/tcpd"))
    (line,) = [line.replace("/usr/sbin/tcpd", tcpd) for line in lines]
    return Foreground([str(peers.program("openbsd-inetd", "usr/sbin/inetd")), "-i", "{}"], f"{line}\n", 2)


def test_inetd(host: Host) -> None:
    """The line for pop3s serves both address families."""
    with inetd(host, r"\S+/popa3d") as server:
        serves(host, server, "127.0.0.1", "::1")


def test_tcpd(host: Host, access: None) -> None:
    """The line with tcpd serves those whom hosts.allow names for popa3d; others are hung up on before any TLS."""
    with inetd(host, "/usr/sbin/tcpd") as server:
        serves(host, server, "127.0.0.1", "::1")
        assert everything("127.0.0.1", source="127.0.0.2", port=995) == b""
        assert "127.0.0.2" in host.syslog.wait("refused connect")


def test_xinetd(host: Host) -> None:
    """The files for pop3 and pop3s work in one xinetd; the first offers STLS, with the same certificate."""
    file = host.configuration(install(host))
    text = packaged("xinetd/popa3d", ("server\t\t= ", f"server_args\t= -c {file}\n\tserver\t\t= "))
    text += packaged("xinetd/popa3d-tls", ("= -s\n", f"= -s -c {file}\n"))
    program = str(peers.program("xinetd", "usr/sbin/xinetd"))
    with Foreground([program, "-dontfork", "-f", "{}"], text, 2) as server:
        serves(host, server, "127.0.0.1")
        assert b"\r\nSTLS\r\n" in everything("127.0.0.1", b"CAPA\r\nQUIT\r\n")
        assert b"\r\nSTLS\r\n" not in fetched("127.0.0.1", b"CAPA\r\nQUIT\r\n")


def test_systemd(host: Host, state_directory: None) -> None:
    """What popa3d-tls.socket does: each connection starts the unit's command, and that exits 0."""
    file = host.configuration(install(host))
    (command,) = re.findall("^ExecStart=(.*)$", packaged("systemd/popa3d-tls@.service"), re.M)
    listen = ["systemd-socket-activate", "--inetd", "-a", "-l", "127.0.0.1:995", "-l", "[::1]:995"]
    with Foreground([*listen, *command.split(), "-c", file], sockets=2) as server:
        serves(host, server, "127.0.0.1", "::1")
        wait_until(lambda: server.said().count("died with code") == 2)
        assert re.findall("died with code ([0-9]+)", server.said()) == ["0", "0"]


def test_a_listening_socket_of_systemds(host: Host) -> None:
    """popa3d -DF speaks TLS on a socket that was passed if its port is tls_port, and no TLS on another one."""
    file = host.configuration(install(host))
    command = ["systemd-socket-activate", "-l", "127.0.0.1:995", "-l", "127.0.0.1:110", *POPA3D, "-DF", "-c", file]
    with Foreground(command, sockets=2) as server:
        assert everything("127.0.0.1", b"QUIT\r\n").count(b"+OK") == 2  # the first connection starts the daemon
        host.deliver("alice", MBOX)
        assert HELLO in fetched("127.0.0.1")
        wait_until(lambda: not sessions_of(server.pid))


def test_the_units_of_both_services() -> None:
    """popa3d-tls@.service is popa3d@.service but for its name and the option; both sockets conflict with the daemon's unit."""
    plain, tls = (packaged(f"systemd/{name}@.service") for name in ("popa3d", "popa3d-tls"))
    settings = [[line for line in text.splitlines() if line and line[0] != "#"] for text in (plain, tls)]
    differing = [pair for pair in zip(*settings, strict=True) if pair[0] != pair[1]]
    (start,) = re.findall("^ExecStart=.*$", plain, re.M)
    assert differing == [("Description=POP3 session", "Description=POP3S session"), (start, f"{start} -s")]
    for unit in [name for name in UNITS if name.endswith(".socket")]:
        assert "\nConflicts=popa3d.service\n" in _unit(unit)
        assert f" {unit}" in re.sub("^Conflicts=", " ", re.findall("^Conflicts=.*$", packaged("systemd/popa3d.service"), re.M)[0])


def _unit(unit: str) -> str:
    """A socket unit's text; no program is named in it."""
    return (Path(__file__).parents[2] / "packaging/systemd" / unit).read_text()


class SecureTalk(Talk):
    """A session that a command starts, over TLS from the first octet."""

    def __init__(self, command: list[str]) -> None:
        super().__init__(command)
        self.client = client_context().wrap_socket(self.client, server_hostname=NAME, suppress_ragged_eofs=False)


def serves_under(command: list[str], host: Host) -> None:
    """Claim that a session under a unit's limits does its work by TLS."""
    mailbox = host.deliver("alice", MBOX)
    with SecureTalk([*command, "-s", "-c", host.configuration(install(host))]) as talk:
        talk.send(login(then=SESSION))
        got = talk.rest()
        assert HELLO in got and b"-ERR" not in got, host.syslog.text
        assert talk.status() == 0
    assert mailbox.read_bytes() == b""
    assert " with TLSv1.3 " in host.syslog.wait("Authentication passed for alice")
    assert "nternal error" not in host.syslog.text


@pytest.mark.parametrize("limit", ["capabilities", "files", "filters"])
def test_the_units_limits_are_enough(host: Host, state_directory: None, limit: str) -> None:
    """TLS works with the unit's capabilities, its view of the files, and its filters of system calls and of executable memory."""
    unit = "popa3d-tls@.service"
    before: dict[str, list[str]] = {"capabilities": [], "files": small_view(places(unit)), "filters": under_filters(unit)}
    serves_under([*before[limit], *as_root_may(unit)], host)


def test_the_system_calls_are_enough(host: Host, state_directory: None, tmp_path: Path) -> None:
    """No process of a session with TLS makes a system call or a socket that the unit forbids."""
    trace = tmp_path / "trace"
    serves_under(["strace", "-f", "-qq", "-o", str(trace), *POPA3D], host)
    keeps_to("popa3d-tls@.service", trace)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_service_manager_that_ends_what_a_session_leaves(host: Host, number: signal.Signals) -> None:
    """The TLS process does not heed the signal: it ends after its session, when the client has the last reply."""
    host.deliver("alice", MBOX)
    with SecureTalk([*POPA3D, "-s", "-c", host.configuration(install(host))]) as talk:
        assert talk.login() == b"+OK\r\n"
        (pid,) = children(talk.process.pid)  # the pre-auth child is gone
        os.kill(pid, number)
        talk.send(RETR)
        assert talk.rest().endswith(HELLO + b"\r\n")
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
