"""Accounts that are made up."""

from __future__ import annotations

import pwd


def account(name: str = "alice", uid: int = 1000, gid: int = 1000, home: str = "/home/alice") -> pwd.struct_passwd:
    """An entry of the password file."""
    return pwd.struct_passwd((name, "x", uid, gid, "", home, "/bin/sh"))


ALICE = account()
ROOT = account("root", 0, 0, "/root")
