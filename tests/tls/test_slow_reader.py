"""A large message, and a client that often stops reading it."""

from __future__ import annotations

import hashlib
import socket

from popa3d.shared import replies
from tests.host import PAM_QUICK, Host
from tests.super.daemon import Daemon
from tests.talk import state, wait_until
from tests.tls import install
from tests.tls.test_daemon import Secure, keeper
from tests.tls.test_load import private_kib

MIB = 1024 * 1024
LINES = 100 * MIB // 76 // 100 * 100
KIB = {"TLS process": 4096, "session": 8192}  # what each may have for itself; they have some 1600 and 5200


def test_100_mib(host: Host) -> None:
    """Each octet arrives, and neither process keeps more of the message than its buffers, however long the client waits."""
    host.pam_stack(PAM_QUICK)
    parts = b"".join(b"%075d\n" % i for i in range(LINES // 100))
    body = b"".join(b"%02d" % i + parts[2:] for i in range(100))
    host.deliver("alice", b"From a\nSubject: x\n\n" + body + b"\n")
    expected = hashlib.md5(b"Subject: x\r\n\r\n" + body.replace(b"\n", b"\r\n") + b".\r\n")
    with Daemon(host, install(host)) as daemon:
        keeper(daemon)
        with Secure() as talk:
            talk.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
            assert talk.ask(b"USER alice") == talk.ask(b"PASS sesame-1") == replies.OK
            session = daemon.session()
            (tls,) = daemon.tls()
            assert talk.ask(b"RETR 1") == replies.OK
            got = hashlib.md5(talk.got)
            left = LINES * 77 + len(b"Subject: x\r\n\r\n.\r\n") - len(talk.got)
            talk.got = b""
            until_pause = 0
            while left:
                if until_pause <= 0:
                    wait_until(lambda: state(tls) == state(session) == "S")  # there is no room for more on the way
                    for name, pid in (("TLS process", tls), ("session", session)):
                        assert private_kib(pid) < KIB[name], name
                    until_pause = 10 * MIB
                octets = talk.client.recv(min(left, 64 * 1024))
                assert octets
                got.update(octets)
                left -= len(octets)
                until_pause -= len(octets)
            assert got.digest() == expected.digest()
            assert talk.ask(b"QUIT") == replies.OK
