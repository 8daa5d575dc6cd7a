"""popa3d-hosts, which tells nginx where a mailbox is: what it answers, whatever it is asked, and whatever its table says."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from tests.host import HOME, Host
from tests.scale.proxies import Hosts

PROGRAM = HOME / "packaging/nginx/popa3d-hosts"
TABLE = """\
# who is where
alice 192.0.2.11
bob   2001:db8::1   1110

CAROL 192.0.2.12
"""
REFUSED = {"Auth-Status": "[AUTH] Authentication failed (bad password?)"}
ALICE, BOB, CAROL = (
    {"Auth-Status": "OK", "Auth-Server": address, "Auth-Port": port}
    for address, port in (("192.0.2.11", "110"), ("2001:db8::1", "1110"), ("192.0.2.12", "110"))
)


@pytest.fixture
def hosts(host: Host) -> Iterator[Hosts]:
    """One with the table."""
    with Hosts(TABLE) as hosts:
        yield hosts


def ask_raw(hosts: Hosts, octets: bytes) -> bytes:
    """All that it says to these octets and their end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(hosts.socket))
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def ask(hosts: Hosts, user: bytes, protocol: bytes = b"pop3", method: bytes = b"plain") -> dict[str, str]:
    """The headers Auth-* of its answer to a question as nginx asks it."""
    name = user if b"%" in user else quote_from_bytes(user, "").encode()
    said = ask_raw(
        hosts,
        b"GET / HTTP/1.0\r\nHost: localhost\r\nAuth-Method: %s\r\nAuth-User: %s\r\nAuth-Pass: open%%20sesame\r\n"
        b"Auth-Protocol: %s\r\nAuth-Login-Attempt: 1\r\nClient-IP: 192.0.2.1\r\n\r\n" % (method, name, protocol),
    )
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 ") and body == b""
    words = [line.partition(": ") for line in head.decode().split("\r\n")]
    return {name: value for name, _, value in words if name.startswith("Auth-")}


def test_where_users_are(hosts: Hosts) -> None:
    """The line with the name counts; else that of the name without a domain, in lower case; else there is no such user."""
    assert ask(hosts, b"alice") == ask(hosts, b"Alice") == ask(hosts, b"ALICE@example.org") == ALICE
    assert ask(hosts, b"bob") == BOB
    assert ask(hosts, b"CAROL") == CAROL
    assert ask(hosts, b"carol") == ask(hosts, b"nobody") == ask(hosts, b"#") == REFUSED


@pytest.mark.parametrize(
    "name",
    [b"", b"*", b"%", b"%00", b"alice%00", b"alice%0d%0aAuth-Server:%20192.0.2.66", b"alice%7f", b"a" * 251, b"\xff\xfe", b"@"],
)
def test_names_that_nobody_has(hosts: Hosts, name: bytes) -> None:
    """They are refused as a wrong password is, also where others have a host."""
    hosts.write(TABLE + "* 192.0.2.13\n" if name not in (b"%", b"\xff\xfe", b"@") else TABLE)
    assert ask(hosts, name) == REFUSED


def test_all_others(hosts: Hosts) -> None:
    """The line "*" is for each name without a line."""
    hosts.write(TABLE + "* 192.0.2.13 1100\n")
    others = {"Auth-Status": "OK", "Auth-Server": "192.0.2.13", "Auth-Port": "1100"}
    assert ask(hosts, b"nobody") == ask(hosts, b"\xc3\xa4") == ask(hosts, b"a%20b") == others
    assert ask(hosts, b"alice") == ALICE


def test_what_popa3d_cannot_do(hosts: Hosts) -> None:
    """Another protocol or another mechanism has no host."""
    assert ask(hosts, b"alice", protocol=b"imap") == ask(hosts, b"alice", method=b"apop") == REFUSED


def test_a_table_that_changes(hosts: Hosts) -> None:
    """It counts from the next question on. A wrong one, or none, is logged once and leaves the one before in force."""
    hosts.write("alice 192.0.2.99\n")
    moved = ALICE | {"Auth-Server": "192.0.2.99"}
    assert ask(hosts, b"alice") == moved
    assert ask(hosts, b"bob") == REFUSED
    hosts.write("alice 192.0.2.98\nbob\n")
    assert ask(hosts, b"alice") == ask(hosts, b"alice") == moved
    hosts.table.unlink()
    assert ask(hosts, b"alice") == ask(hosts, b"alice") == moved
    hosts.write(TABLE)
    assert ask(hosts, b"alice") == ALICE
    wrong = f"{hosts.table}: line 2: neither USER ADDRESS nor USER ADDRESS PORT; the table before is used\n"
    assert hosts.log.count(wrong) == hosts.log.count(f"{hosts.table}: No such file or directory; the table before is used\n") == 1


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("alice\n", "line 1: neither USER ADDRESS nor USER ADDRESS PORT"),
        ("\nalice 192.0.2.1 110 more\n", "line 2: neither USER ADDRESS nor USER ADDRESS PORT"),
        ("alice pop.example.org\n", "line 1: not an IP address"),
        ("alice 192.0.2.1\r\nbob 192.0.2.256\r\n", "line 2: not an IP address"),
        ("alice 192.0.2.1 0\n", "line 1: not a port"),
        ("alice 192.0.2.1 65536\n", "line 1: not a port"),
        ("alice 192.0.2.1 11o\n", "line 1: not a port"),
        ("alice 192.0.2.1\nalice 192.0.2.2\n", "line 2: the user has a line before"),
        ("a\tb 192.0.2.1\n", "line 1: the user cannot have this name"),
        ("a" * 251 + " 192.0.2.1\n", "line 1: the user cannot have this name"),
    ],
)
def test_wrong_tables(host: Host, table: str, reason: str) -> None:
    """It does not start with one, and says what is wrong in which line."""
    file = host.base / "wrong-table"
    file.write_text(table)
    done = run(str(file), str(host.base / "wrong-socket"))
    assert (done.returncode, done.stderr) == (1, f"popa3d-hosts: {reason}\n")


def run(*words: str, uid: int = 65534) -> subprocess.CompletedProcess[str]:
    """Its exit status and what it says, where it must end at once."""
    command = ["/usr/bin/python3", "-IB", PROGRAM, *words]
    ids = {"user": uid, "group": 65534, "extra_groups": []}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **ids)  # type: ignore[call-overload, no-any-return]


def test_where_it_does_not_start(host: Host) -> None:
    """As root, without words, or with a device in the place of the table."""
    assert run("/etc/passwd", "/run/s", uid=0).stderr == "popa3d-hosts: it needs no root, and will not have it\n"
    assert run().stderr == "usage: popa3d-hosts TABLE SOCKET\n"
    assert run("/dev/zero", "/run/s").stderr == "popa3d-hosts: it is no file\n"


def test_what_is_no_question(hosts: Hosts) -> None:
    """It gets an error or nothing, what is logged of it is printable and short, and the next one is answered."""
    for octets in (b"", b"\r\n", b"\x16\x03\x01\0", b"POST / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\nAuth-User: alice"):
        assert b"Auth-Server" not in ask_raw(hosts, octets)
    assert b" 414 " in ask_raw(hosts, b"GET /" + b"x" * 65537)
    assert b" 431 " in ask_raw(hosts, b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * 101 + b"\r\n")
    assert b" 400 " in ask_raw(hosts, b"GET /\x1b[2J \x1b]0;x\x07 HTTP/1.0\r\n\r\n")
    assert ask(hosts, b"alice", method=b"\xe4" * 1000) == REFUSED
    assert ask(hosts, b"alice") == ALICE
    assert all(" " <= letter <= "~" or letter == "\n" for letter in hosts.log)
    assert max(map(len, hosts.log.splitlines())) <= 500


def test_one_who_goes_away(hosts: Hosts) -> None:
    """A client that does not wait for its answer, or sends half a question, keeps nobody else from theirs."""
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(hosts.socket))
            client.sendall(b"GET / HTTP/1.0\r\nAuth-User: al")
    assert ask(hosts, b"alice") == ALICE
    assert "Traceback" not in hosts.log


@pytest.mark.usefixtures("host")
def test_the_unit_is_right(tmp_path: Path) -> None:
    """systemd-analyze verify has nothing to say, and the unit starts the program where docs/SCALE.md installs it."""
    text = (HOME / "packaging/nginx/popa3d-hosts.service").read_text()
    started = "/usr/local/sbin/popa3d-hosts"
    assert f"ExecStart={started} /etc/popa3d-hosts /run/popa3d-hosts/socket\n" in text
    (tmp_path / "popa3d-hosts.service").write_text(text.replace(started, "/bin/true"))
    command = ["systemd-analyze", "verify", str(tmp_path / "popa3d-hosts.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_password_is_logged(hosts: Hosts) -> None:
    """Neither of a user with a host nor of one without, whose name may be one."""
    ask(hosts, b"alice")
    ask(hosts, b"mallory")
    assert "refused: a user without a host" in hosts.log
    assert not [word for word in ("mallory", "alice", "sesame") if word in hosts.log]


def test_it_ends_and_starts_again(hosts: Hosts) -> None:
    """SIGTERM ends it with status 0; what is left of the socket is in nobody's way."""
    hosts.__exit__()
    assert hosts.status() == 0 and hosts.socket.exists()
    hosts.__enter__()
    assert ask(hosts, b"alice") == ALICE
