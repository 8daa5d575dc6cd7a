"""Folder = user id: who imports what, who may call what, and what each module says of itself."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[2] / "lib"
MODULES = sorted((LIB / "popa3d").rglob("*.py"))

# What an interpreter has before any import (python3 -IBS), by what it is for; newer ones have a little more or less.
BARE = set(
    subprocess.run(
        ["/usr/bin/python3", "-IBS", "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
)
OS = {"errno", "_stat"}  # not os, which costs a sixth of an interpreter's start
SHARED = {"popa3d", "popa3d.log", "popa3d.params", "popa3d.wire", "popa3d.wire.record", "popa3d.wire.replies"}
SHARED |= {"_socket", "select", "syslog"}
ROOT = OS | SHARED | {f"popa3d.root{name}" for name in ("", ".accounts", ".handover", ".libc", ".options", ".peer")}
ROOT |= {"_ctypes"}  # a seventh of ctypes, for what root must have before it forks
ROOT |= {f"popa3d.root.{name}" for name in ("pam_service", "privileges", "process", "session", "state")}
ROOT |= {"popa3d.wire.address", "popa3d.wire.arguments", "pwd", "resource"}
OWNER = OS | SHARED | {f"popa3d.owner{name}" for name in ("", ".index", ".maildrop", ".mbox", ".mboxfile", ".scan", ".session")}
OWNER |= {"popa3d.owner.state", "popa3d.owner.unique_id", "popa3d.client", "popa3d.wire.lines"}
OWNER |= {"_md5", "_struct", "fcntl", "zlib"}

# The written lists: what each program has loaded when it starts, and, with a second module, when it begins to talk: root
# forks a child for that, and the owner's program has answered PASS by then. Each import is latency, and root's are risk.
LOADED = {
    "popa3d.root.session": ROOT,
    "popa3d.root.session popa3d.preauth.authorization": ROOT
    | {"popa3d.preauth", "popa3d.preauth.authorization", "popa3d.client", "popa3d.wire.commands", "popa3d.wire.lines"},
    "popa3d.owner.session": OWNER,
    "popa3d.owner.session popa3d.owner.transaction": OWNER
    | {"popa3d.owner.transaction", "popa3d.owner.message", "popa3d.wire.commands"},
}

# What each folder may import of popa3d, besides itself.
ALLOWED = {
    "wire": {"params"},
    "preauth": {"params", "wire", "client"},
    "root": {"params", "wire", "log", "dotlock", ""},
    "listen": {"params", "wire", "log"},
    "owner": {"params", "wire", "client", "log", "dotlock"},
    "admin": {"params", "wire", ""},
    "client.py": {"params", "wire"},
    "dotlock.py": {"params"},
    "log.py": set(),
    "params.py": set(),
    "__init__.py": set(),
}

# name of a call -> the only modules with it
CALLS = {
    "setuid setgid setreuid setregid setresuid setresgid seteuid setegid setgroups initgroups chroot": "root/privileges.py",
    "lockf ftruncate truncate posix_fallocate": "owner/mboxfile.py",
    "flock": "owner/mboxfile.py dotlock.py",
    "pwrite": "owner/mboxfile.py owner/journal.py",
    "mkdir chmod chown": "root/state.py",
    "fork forkpty posix_spawn": "root/session.py root/recovery.py root/locker.py owner/scan.py "
    "listen/daemon.py listen/service.py",
    "call_function": "root/libc.py",
    "prctl": "root/libc.py root/privileges.py",
    "setsid": "root/process.py root/recovery.py listen/daemon.py listen/service.py",
    "execve execv execl": "root/handover.py",
    "alarm waitpid": "root/session.py root/recovery.py owner/scan.py listen/daemon.py listen/log_queue.py",
}

RUNS_AS = {
    "wire": "any uid",
    "preauth": "popa3d",
    "root": "root",
    "listen": "root, only with -D",
    "owner": "the mailbox owner",
    "admin": "the operator",
    "params.py": "any uid",
    "__init__.py": "any uid",
    "log.py": "any uid",
    "dotlock.py": "the mailbox owner, or root's process",
    "client.py": "popa3d (the pre-auth child) and the mailbox owner",
}


def place(path: Path) -> str:
    """The folder of a module below popa3d, or its file name where it is in none."""
    parts = path.relative_to(LIB / "popa3d").parts
    return parts[0]


def imports(path: Path) -> set[str]:
    """The folders and modules of popa3d that a module imports, type checking included."""
    package = ["popa3d", *path.relative_to(LIB / "popa3d").parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *(node.module.split(".") if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "popa3d":
                found.add(parts[1] if (LIB / "popa3d" / parts[1]).is_dir() or (LIB / f"popa3d/{parts[1]}.py").exists() else "")
    return found


def test_there_are_modules() -> None:
    """The tests here look at something."""
    assert len(MODULES) > 20


@pytest.mark.parametrize("entry", LOADED)
def test_loaded_modules(entry: str) -> None:
    """A fresh interpreter that imports an entry point has loaded exactly the written list."""
    code = f"import sys; sys.path.insert(0, {str(LIB)!r})\nfor name in {entry.split()!r}: __import__(name)\nprint(*sys.modules)"
    loaded = subprocess.run(["/usr/bin/python3", "-IBS", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    extra = set(loaded) - BARE - LOADED[entry]
    missing = {name for name in LOADED[entry] if name.startswith("popa3d")} - set(loaded)
    assert (extra, missing) == (set(), set())


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports(path: Path) -> None:
    """A module imports only what its folder may: root, preauth and owner never each other, wire only params."""
    here = place(path)
    assert imports(path) - {here} <= ALLOWED[here]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_calls(path: Path) -> None:
    """set*id, chroot, locks, truncation and exec are each called by one module only; nothing runs code from text."""
    name = str(path.relative_to(LIB / "popa3d"))
    called = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            called.add(node.attr)
        elif isinstance(node, ast.Name):
            called.add(node.id)
    for calls, only in CALLS.items():
        if name not in only.split():
            assert not called & set(calls.split())
    assert not called & {"eval", "exec", "system", "popen", "subprocess", "pickle", "print", "input"}


def test_who_opens_files_of_the_owner() -> None:
    """In the owner's program one module opens mailboxes, and one what is in the state directory."""
    opening = [path.name for path in MODULES if place(path) == "owner" and re.search(r"\bos\.open\(", path.read_text())]
    assert opening == ["mboxfile.py", "state.py"]


def test_only_the_adapter_imports_pam() -> None:
    """One module imports python-pam, and that in root's folder."""
    having = [path for path in MODULES if "import pam" in path.read_text() or "from pam " in path.read_text()]
    assert having == [LIB / "popa3d/root/pam_adapter.py"]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_docstring(path: Path) -> None:
    """Each module says what it is, who runs it (as its folder says) and whom it trusts."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert f"\nRuns as: {RUNS_AS[place(path)]}" in text
    assert "\nTrusts: " in text


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_size_and_name(path: Path) -> None:
    """Files are small enough to read, and none shadows the standard library."""
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in {"mailbox", "signal", "select", "utils", "helpers", "manager", "common", "socket", "poplib"}
