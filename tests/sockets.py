"""The sockets of this network namespace, as the kernel lists them: asking it starts no session, connecting would."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.talk import descriptors


class Socket(NamedTuple):
    """One line of a table of /proc/net."""

    address: str  # of TCP: in hexadecimal, with its port, as the table has it; of a local socket empty
    listens: bool
    link: str  # how the descriptors of a process name it


# Of each table: the columns of the address, the state and the inode, and the state of one that listens.
_TABLES = {"tcp": (1, 3, 9, "0A"), "tcp6": (1, 3, 9, "0A"), "unix": (-1, 3, 6, "00010000")}


def _listed(tables: tuple[str, ...]) -> list[Socket]:
    sockets = []
    for table in tables:
        address, state, inode, listening = _TABLES[table]
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            words = line.split()
            sockets.append(Socket("" if address < 0 else words[address], words[state] == listening, f"socket:[{words[inode]}]"))
    return sockets


def listening() -> list[Socket]:
    """The TCP sockets, of both families, that listen."""
    return [each for each in _listed(("tcp", "tcp6")) if each.listens]


def listens(port: int) -> bool:
    """Whether somebody listens on a TCP port, at any address."""
    return any(int(each.address.rpartition(":")[2], 16) == port for each in listening())


def listening_of(pid: int) -> int:
    """How many listening sockets, TCP or local, a process has."""
    own = descriptors(pid).values()
    return sum(each.listens and each.link in own for each in _listed(("tcp", "tcp6", "unix")))
