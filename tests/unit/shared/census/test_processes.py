"""Which processes are sessions, with which TLS processes; the processes are made up."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable

import pytest

from popa3d.shared import process_name
from popa3d.shared.census import command_lines, connections, processes
from popa3d.shared.tls_limits import TLS_USER

TLS_UID, PEER = 20101, "192.0.2.7"
SESSION = "python3 -IBS /usr/sbin/popa3d"
DAEMON = f"{SESSION} -D"
Made = dict[int, tuple[str, int, int, str]]  # by process id: command line, parent, uid, name
Census = Callable[[Made], dict[int, tuple[int | None, int | None, str]]]


@pytest.fixture
def census(monkeypatch: pytest.MonkeyPatch) -> Census:
    """A function: the sessions among made-up processes, with pre-auth child, TLS process and what that says."""

    def account(name: str) -> pwd.struct_passwd:
        assert name == TLS_USER
        return pwd.struct_passwd((name, "*", TLS_UID, TLS_UID, "", "/", ""))

    def sessions(made: Made) -> dict[int, tuple[int | None, int | None, str]]:
        def look(pid: int) -> processes.Process | None:
            if pid not in made:
                return None
            words, parent, uid, name = made[pid]
            line = command_lines.parse(words.encode().split())
            assert line is not None
            return processes.Process(pid, line, parent, uid, name)

        monkeypatch.setattr(processes, "look", look)
        monkeypatch.setattr(os, "listdir", lambda path: [str(pid) for pid in made])
        return {one.pid: (one.child, one.tls, one.security) for one in processes.sessions()}

    monkeypatch.setattr(pwd, "getpwnam", account)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    # Connections of TLS processes alone are the internet's here, and only listeners and the keeper have no socket.
    monkeypatch.setattr(connections, "peer_and_idle", lambda pid: (PEER if pid > 90 else "", None))
    monkeypatch.setattr(connections, "maker", lambda pid: None)  # nobody may ask
    monkeypatch.setattr(processes, "_has_socket", lambda pid: pid > 10)
    return sessions


def test_behind_a_super_server(census: Census) -> None:
    """The TLS process is neither a session nor the pre-auth child, though it was the session's first child."""
    made = {20: (SESSION, 1, 0, "popa3d"), 91: (f"{SESSION} -s", 20, TLS_UID, "tls1.3 20"), 92: (SESSION, 20, 100, "popa3d")}
    assert census(made) == {20: (92, 91, "TLS 1.3")}
    assert census({20: made[20], 92: made[92]}) == {20: (92, None, "")}


def test_with_a_keeper(census: Census) -> None:
    """With -D the keeper's children are found by their names; keeper and listener are no sessions."""
    made = {
        2: (DAEMON, 1, 0, "popa3d"),
        3: (DAEMON, 2, 0, process_name.KEEPER),
        20: (DAEMON, 2, 0, "popa3d"),
        21: (DAEMON, 20, 100, "popa3d"),
        30: (DAEMON, 2, 0, "popa3d"),
        91: (DAEMON, 3, TLS_UID, "tls1.2 20"),
        92: (DAEMON, 3, TLS_UID, "tls 30"),
        93: (DAEMON, 3, TLS_UID, "tls1.3 40"),  # its session has ended
    }
    assert census(made) == {20: (21, 91, "TLS 1.2"), 30: (None, 92, "TLS")}
    assert processes._listeners(processes._all()) == {2}


def test_when_the_listener_was_killed(census: Census) -> None:
    """Sessions with a TLS process that have not logged in go on as sessions; they and the keeper are no listeners."""
    made = {
        3: (DAEMON, 1, 0, process_name.KEEPER),
        20: (DAEMON, 1, 0, "popa3d"),
        91: (DAEMON, 1, TLS_UID, "tls1.3 20"),  # nor is this one
    }
    assert census(made) == {20: (None, 91, "TLS 1.3")}
    assert processes._listeners(processes._all()) == set()


@pytest.mark.parametrize("uid", [0, 100, 20001])
def test_names_that_others_choose(census: Census, uid: int) -> None:
    """Whoever is not the user of TLS processes is believed no name: it hides nothing, and gives no session another address."""
    made = {20: (SESSION, 1, 0, "popa3d"), 91: (SESSION, 1, uid, "tls1.3 20")}
    assert census(made) == {20: (None, None, ""), 91: (None, None, "")}
    made = {20: (SESSION, 1, 0, "popa3d"), 91: (SESSION, 1, uid or 1, process_name.KEEPER)}
    assert 91 in census(made)


def test_without_the_user(census: Census, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without the user has no TLS processes."""

    def missing(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", missing)
    assert census({91: (SESSION, 1, TLS_UID, "tls1.3 91")}) == {91: (None, None, "")}


def test_what_the_kernel_says(census: Census, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session that made a TLS process's socket is its session, whatever its name says."""
    monkeypatch.setattr(connections, "maker", lambda pid: {91: 20}[pid])
    made = {20: (SESSION, 1, 0, "popa3d"), 30: (SESSION, 1, 0, "popa3d"), 91: (SESSION, 20, TLS_UID, "tls1.3 30")}
    assert census(made) == {20: (None, 91, "TLS 1.3"), 30: (None, None, "")}
    monkeypatch.setattr(connections, "maker", lambda pid: 0)  # it has closed that one
    assert census(made) == {20: (None, None, ""), 30: (None, None, "")}
