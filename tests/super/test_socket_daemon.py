"""The daemon with a listening socket that systemd made (Accept=no)."""

from __future__ import annotations

from tests.host import Host
from tests.super.daemon import sessions_of
from tests.super.foreground import HELLO, MBOX, Foreground, everything, login
from tests.talk import POPA3D, wait_until


def test_the_daemon_on_a_listening_socket_of_systemds(host: Host) -> None:
    """popa3d -DF serves the socket that it is handed in LISTEN_FDS; sessions come and go, it stays."""
    host.deliver("alice", MBOX)
    with Foreground(["systemd-socket-activate", "-l", "127.0.0.1:110", *POPA3D, "-DF"]) as daemon:
        for _ in range(2):
            assert HELLO in everything("127.0.0.1", login())
            host.syslog.wait("Authentication passed for alice from 127.0.0.1")
            host.syslog.clear()
        wait_until(lambda: not sessions_of(daemon.pid))
        assert not daemon.ended()
