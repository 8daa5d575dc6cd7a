"""popa3d -t with certificates and keys of all kinds, and what a pair that has expired does to sessions and the daemon."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from popa3d.shared import replies
from tests.host import Host
from tests.super.daemon import Daemon
from tests.talk import POPA3D
from tests.tls import NAME, Pair, Tls, install, pair
from tests.tls.test_daemon import LOOPBACK, der, logged_in, reload

Spoil = Callable[[Path], object]


def check(host: Host, table: str) -> tuple[int, str]:
    """The status of popa3d -t with a table [tls], and what it says."""
    done = subprocess.run(
        [*POPA3D, "-t", "-c", host.configuration(table)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


AUTHORITY = """[ca]
default_ca = this
[this]
database = PLACE/database
new_certs_dir = PLACE
default_md = sha256
rand_serial = yes
policy = any
[any]
commonName = supplied
"""


def expired() -> Pair:
    """A pair that has expired long ago: only `openssl ca` can be told when, in every version."""
    with tempfile.TemporaryDirectory() as place:
        key, request, certificate = (f"{place}/{name}" for name in ("key", "request", "certificate"))
        Path(place, "database").touch()
        Path(place, "configuration").write_text(AUTHORITY.replace("PLACE", place))
        new = ["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={NAME}"]
        signed = ["ca", "-batch", "-notext", "-config", f"{place}/configuration", "-selfsign", "-keyfile", key, "-in", request]
        signed += ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-out", certificate]
        for words in ([*new, "-keyout", key, "-out", request], signed):
            subprocess.run(["openssl", *words], check=True, capture_output=True)
        return Pair(Path(certificate).read_text(), Path(key).read_text())


@pytest.mark.parametrize("kind", ["ec", "rsa", "ed25519"])
def test_good_pairs(host: Host, kind: str) -> None:
    """A pair of each kind is right, and so is a key that a group may read."""
    table = install(host, pair(kind))
    assert check(host, table) == (0, "")
    (host.base / "tls/key").chmod(0o640)
    assert check(host, table) == (0, "")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda at: (at / "key").write_text(pair(number=1).key), "tls.key: {at}/key does not belong to {at}/certificate"),
        (lambda at: (at / "key").unlink(), "tls.key: {at}/key: No such file or directory"),
        (lambda at: (at / "certificate").unlink(), "tls.certificate: {at}/certificate: No such file or directory"),
        (lambda at: (at / "key").chmod(0o604), "tls.key: {at}/key: can be read by everybody"),
        (lambda at: (at / "key").chmod(0o620), "tls.key: {at}/key: must belong to root and be writable by root alone"),
        (lambda at: os.chown(at / "certificate", 1, 0), "tls.certificate: {at}/certificate: must belong to root"),
        (lambda at: os.truncate(at / "key", 20), "OpenSSL cannot use {at}/certificate with {at}/key: "),
    ],
    ids=["another key", "no key", "no certificate", "open to all", "writable", "a user's", "cut"],
)  # fmt: skip
def test_wrong_pairs(host: Host, spoil: Spoil, reason: str) -> None:
    """What is wrong is said in one line; a session that begins with TLS says it in the log, and nothing to the client."""
    table = install(host)
    spoil(host.base / "tls")
    reason = reason.format(at=host.base / "tls")
    status, said = check(host, table)
    assert status == 1 and said.startswith("popa3d: ") and reason in said and said.count("\n") == 1
    host.syslog.clear()
    done = subprocess.run(
        [*POPA3D, "-s", "-c", host.configuration(table)], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert reason in host.syslog.wait("TLS is not possible: ")


def test_a_key_with_a_password(host: Host) -> None:
    """Nobody could enter it, so the key is refused; nothing asks for it on a terminal."""
    table = install(host)
    key = host.base / "tls/key"
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:made-up", "-out", str(key)]
    subprocess.run(command, input=pair().key, text=True, check=True)
    reason = "it is encrypted with a password, which nobody is there to enter"
    assert check(host, table) == (1, f"popa3d: tls.key: {key}: {reason}\n")


def test_without_its_user(host: Host) -> None:
    """Without the user popa3d-tls there can be no TLS, which -t says."""
    table = install(host)
    passwd = Path("/etc/passwd").read_text()
    Path("/etc/passwd").write_text("".join(line for line in passwd.splitlines(True) if not line.startswith("popa3d-tls:")))
    try:
        assert check(host, table) == (1, "popa3d: User popa3d-tls is missing, or has uid 0 or group 0\n")
    finally:
        Path("/etc/passwd").write_text(passwd)


def test_an_expired_certificate(host: Host) -> None:
    """It is used all the same: -t and the daemon warn once, at the start and when it is read again; clients decide."""
    made = expired()
    table = install(host, made)
    warning = f"tls.certificate: {host.base}/tls/certificate has expired"
    assert check(host, table) == (0, f"popa3d: {warning}\n")
    with Tls(host, pair=made) as talk:
        assert talk.line() == replies.GREETING
        assert talk.ask(b"QUIT") == replies.OK
    host.syslog.clear()
    with Daemon(host, table + LOOPBACK) as daemon:
        host.syslog.wait(warning)
        assert logged_in() != der(0)
        assert host.syslog.text.count(warning) == 1
        reload(host, daemon, warning)
        install(host)
        reload(host, daemon, "Configuration reloaded")
        assert logged_in() == der(0) and warning not in host.syslog.text
