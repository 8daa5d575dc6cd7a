"""Dot-locks in Debian's spool (root:mail, 2775), whatever starts popa3d, and with what the units leave of root."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from popa3d.shared.census import processes
from tests.host import HOME, Host
from tests.session.locks import all_free, held, silent
from tests.super.daemon import Connected, Daemon
from tests.super.foreground import MBOX
from tests.super.inetd import Inetd
from tests.super.test_unit_limits import as_root_may, recovers, serves, small_view, under_filters
from tests.super.units import RECOVERY, SESSION_UNITS, places
from tests.talk import POPA3D, Talk, children, ids, wait_until

CLIENT = f"127.78.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"  # there are other sessions on the machine
CONFIGURATION = '[mailbox]\nlocks = ["dotlock"]\n'


@pytest.fixture(params=["inetd", "-D"])
def listening(host: Host, request: pytest.FixtureRequest) -> Iterator[Inetd | Daemon]:
    """What listens, with dot-locks configured."""
    if request.param == "inetd":
        with Inetd(command=[*POPA3D, "-c", host.configuration(CONFIGURATION)]) as inetd:
            yield inetd
    else:
        with Daemon(host, CONFIGURATION) as daemon:
            yield daemon


def test_a_session(host: Host, listening: Inetd | Daemon) -> None:
    """A session waits for the dot-lock and deletes; it is one session to popa3d-status, and leaves neither lock nor process."""
    path = host.deliver("alice", MBOX)
    with Connected(of=CLIENT) as talk:
        assert talk.login() == b"+OK\r\n"
        done = subprocess.run([str(HOME / "bin/popa3d-status"), "--json"], capture_output=True, check=True)
        assert [found["account"] for found in json.loads(done.stdout) if found["peer"] == CLIENT] == ["alice"]
        assert talk.ask(b"DELE 1") == b"+OK\r\n"
        with held("dotlock", path):
            talk.send(b"QUIT\r\n")
            silent(talk)
        assert talk.rest() == b"+OK\r\n"
    assert all_free(path)
    assert path.read_bytes() == b""
    wait_until(lambda: not (listening.sessions() if isinstance(listening, Inetd) else not listening.idle()))
    assert os.listdir(host.spool) == ["alice"]


def test_who_talks_to_the_client(host: Host) -> None:
    """Until the login, the process that counts with root's for popa3d-status is the pre-auth child, not the locker."""
    with Talk([*POPA3D, "-c", host.configuration(CONFIGURATION)]) as talk:
        assert talk.line().startswith(b"+OK")
        pid = talk.process.pid
        wait_until(lambda: len(children(pid)) == 2)
        (found,) = [session for session in processes.sessions() if session.pid == pid]
        assert found.child is not None
        assert ids(found.child)["Uid"].split() == ["20100"] * 4


@pytest.mark.usefixtures("state_directory")
@pytest.mark.parametrize("unit", SESSION_UNITS)
def test_what_the_units_leave_is_enough(host: Host, unit: str) -> None:
    """With a unit's capabilities, files and system calls only, and no new privileges, sessions make dot-locks."""
    name = host.configuration(CONFIGURATION)
    serves([*small_view(places(unit)), *under_filters(unit), *as_root_may(unit), "-c", name], host)
    assert os.listdir(host.spool) == ["alice"]


@pytest.mark.usefixtures("state_directory")
def test_what_the_unit_leaves_is_enough_to_recover(host: Host) -> None:
    """So does popa3d-recover."""
    name = host.configuration(CONFIGURATION)
    recovers([*small_view(places(RECOVERY)), *under_filters(RECOVERY), *as_root_may(RECOVERY), "-c", name], host)
    assert sorted(os.listdir(host.spool)) == ["alice", "bob"]
