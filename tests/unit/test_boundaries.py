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


def of(room: str, names: str = "") -> set[str]:
    """The modules `names` of a room of popa3d, and the packages they are in."""
    parts = room.split(".")
    packages = {".".join(["popa3d", *parts[:depth]]) for depth in range(len(parts) + 1)}
    return packages | {f"popa3d.{room}.{name}" for name in names.split()}


SHARED = of("shared", "limits log record replies settings") | {"_socket", "select", "syslog"}
ROOT = OS | SHARED | of("shared", "address arguments")
ROOT |= of("root", "accounts ending libc peer preauthentication privileges process sandbox sequence settings_file start")
ROOT |= {"_ctypes", "_struct", "pwd", "resource"}  # a seventh of ctypes, for what root must have before it forks
OWNER = OS | SHARED | of("owner", "session loading") | of("owner.index", "index parser unique_id whole")
OWNER |= of("owner.mailbox", "changes file locks maildrop ranges scan state_directory")
OWNER |= of("shared", "connection lines")
OWNER |= {"_md5", "_struct", "fcntl", "zlib"}

# The written lists: what each program has loaded when it starts, and, with a second module, when it begins to talk: root
# forks a child for that, and the owner's program has answered PASS by then. Each import is latency, and root's are risk.
LOADED = {
    "popa3d.root.start": ROOT,
    "popa3d.root.start popa3d.root.authentication": ROOT
    | of("root", "authentication handover state_directories")
    | of("root.pam", "answer service_file"),
    "popa3d.root.start popa3d.preauth.loop": ROOT
    | {"binascii"}  # which is built into the interpreter
    | of("preauth", "authorization loop sasl")
    | of("shared", "capabilities connection commands lines"),
    "popa3d.owner.session": OWNER,
    "popa3d.owner.session popa3d.owner.pop3.loop": OWNER
    | of("owner.pop3", "loop transaction sending")
    | of("shared", "capabilities commands"),
}

# The rooms, outer ones last, and what each may import of popa3d besides itself: no import runs back up.
ALLOWED = {
    "shared/census": "shared",
    "shared": "",
    "preauth": "shared",
    "tls": "shared",
    "root/pam": "shared",
    "root/sandbox": "root shared",
    "root/listen": "root shared",
    "root/check": "root root/pam root/sandbox shared .",
    "root": "root/pam root/sandbox shared shared/census .",
    "owner/index": "shared",
    "owner/mailbox": "owner/index shared",
    "owner/update": "owner/index owner/mailbox shared",
    "owner/pop3": "owner/index owner/mailbox shared",
    "owner/moving": "owner/index shared",
    "owner": "owner/index owner/mailbox owner/moving owner/update owner/pop3 shared",
    "operator": "shared/census shared .",
    ".": "",
}

# What of a room is loaded from another one, where it is less than all of it: "" is for types alone. The pre-auth child has
# no log, since there is none in its chroot, and the counting of sessions is given to root by bin/popa3d.
ONLY = {
    ("preauth", "shared"): "capabilities commands connection limits record replies",
    ("tls", "shared"): "limits tls_limits",
    ("root", "shared/census"): "",
    ("root/listen", "root"): "libc process reports",
    ("root/sandbox", "root"): "libc",
    ("root/sandbox", "shared"): "log system_calls",
    ("root", "root/sandbox"): "",
    ("shared/census", "shared"): "address arguments client_note limits process_name tls_limits",
}

# In shared nothing is loaded but limits and what all of its modules share; and
WITHIN_SHARED = {"capabilities": "replies", "connection": "lines", "log": "system_calls", "record": "settings"}
WITHIN_SHARED |= {"uidl_list": "migration_limits", "client_note": "address"}
WITHIN_SHARED |= {
    "proxy_header": "proxy_limits",
    "proxy_report": "address",
    "client_note": "address",
    "proxy_reader": "proxy_header proxy_report",
}

# name of a call -> the only modules with it
CALLS = {
    "setuid setgid setreuid setregid setresuid setresgid seteuid setegid setgroups initgroups chroot": "root/privileges.py",
    "ftruncate truncate posix_fallocate": "owner/mailbox/file.py",
    "lockf": "owner/mailbox/locks.py",
    "exec marshal": "shared/image.py",
    "flock": "owner/mailbox/locks.py shared/dotlock.py",
    "pwrite": "owner/mailbox/file.py owner/update/file_journal.py",
    "mkdir chmod chown": "root/state_directories.py",
    "fork forkpty posix_spawn": "root/preauthentication.py root/starter.py root/prefork.py root/runner.py root/locker.py "
    "owner/mailbox/child.py root/check/account.py "
    "root/listen/children.py root/listen/background.py root/channel.py root/keeper.py",
    "call_function": "root/libc.py",
    "prctl": "root/libc.py root/privileges.py root/sandbox/__init__.py",
    "system_call": "root/libc.py root/sandbox/__init__.py",
    "setsid": "root/process.py root/runner.py root/listen/session.py root/listen/background.py root/keeper.py root/starter.py",
    "execve execv execl": "root/handover.py root/starter.py",
    "alarm": "root/sequence.py root/authentication.py root/ending.py root/channel.py "
    "root/listen/session.py root/listen/log_queue.py",
    "waitpid": "root/preauthentication.py root/prefork.py root/keeper.py root/runner.py "
    "owner/mailbox/child.py root/listen/listener.py root/check/account.py",
}

# The first folder is the user id. In shared some modules are for fewer than all.
RUNS_AS = {
    "shared/census": ("the operator, and root where the administrator limits sessions.",),
    "shared": (
        "any uid",
        "popa3d or popa3d-tls,",
        "popa3d (the pre-auth child) and the mailbox owner",
        "the mailbox owner, or root's process",
    ),
    "preauth": ("popa3d",),
    "tls": ("popa3d-tls",),
    "root/listen": ("root, only with -D.",),
    "root/sandbox": ("root; the functions that set something,", "root, never"),
    "root": ("root",),
    "owner": ("the mailbox owner",),
    "operator": ("the operator",),
    ".": ("any uid",),
}


def room(parts: tuple[str, ...] | list[str]) -> str:
    """The room of a module below popa3d, of which these are the path's parts."""
    for name in ALLOWED:
        if list(parts[: name.count("/") + 1]) == name.split("/"):
            return name
    return "."


def place(path: Path) -> str:
    """The room of a module."""
    return room(path.relative_to(LIB / "popa3d").parts)


def named(path: Path, tree: ast.AST) -> set[str]:
    """What a module, or a part of it, imports of popa3d: "shared.record.Login"."""
    package = ["popa3d", *path.relative_to(LIB / "popa3d").parts[:-1]]
    found = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *(node.module.split(".") if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.removeprefix("popa3d.") for name in names if name.split(".")[0] == "popa3d"}
    return found


def imports(path: Path) -> set[str]:
    """The rooms of popa3d that a module imports from, type checking included."""
    return {room(name.split(".")) for name in named(path, ast.parse(path.read_text()))}


def loaded(path: Path) -> dict[str, set[str]]:
    """The modules of popa3d that a module imports at run time, now or later: room -> names. The room's own is ""."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found: dict[str, set[str]] = {}
    for name in named(path, tree):
        here = room(name.split("."))
        rest = name.split(".")[len(here.split("/")) :]
        is_module = rest and (LIB / "popa3d" / here / f"{rest[0]}.py").exists()
        found.setdefault(here, set()).add(rest[0] if is_module else "")
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


def test_all_is_loaded_where_it_is_forked() -> None:
    """What the starter forks has all of the owner's modules, but for those of other programs: nothing is loaded later."""
    code = f"import sys; sys.path.insert(0, {str(LIB)!r}); import popa3d.owner.forked\nprint(*sys.modules)"
    loaded = subprocess.run(["/usr/bin/python3", "-IBS", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    paths = [path.relative_to(LIB).with_suffix("") for path in MODULES if place(path).startswith("owner")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    missing = {name for name in names - set(loaded) if not name.startswith("popa3d.owner.moving")}
    others = {"errands", "migration", "mailbox.examination", "mailbox.holders"}
    assert missing == {f"popa3d.owner.{name}" for name in others}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports(path: Path) -> None:
    """A module imports only what its room may: root, preauth and owner never each other, and shared nothing but itself."""
    here = place(path)
    assert imports(path) - {here} <= set(ALLOWED[here].split())


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_what_is_loaded_of_a_room(path: Path) -> None:
    """Where a room needs little of another, it loads no more of it, and in shared hardly any module needs another."""
    here = place(path)
    for other, names in loaded(path).items():
        if (here, other) in ONLY:
            assert names <= set(ONLY[here, other].split()) | ({""} if other in ("shared", "root/sandbox") else set())
        elif here == other == "shared":
            assert names <= {"", "limits", *WITHIN_SHARED.get(path.stem, "").split()}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_calls(path: Path) -> None:
    """set*id, chroot, locks, truncation and exec are each called by one module only; nothing else runs code but imports."""
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
    assert not called & {"eval", "system", "popen", "subprocess", "pickle", "print", "input"}


def test_who_loads_openssl() -> None:
    """One module makes contexts with the key, one talks TLS with them, and nobody loads the ssl module, which is slow."""
    having = [str(path.relative_to(LIB / "popa3d")) for path in MODULES if re.search(r"import _?ssl\b", path.read_text())]
    assert having == ["root/certificate.py", "tls/engine.py"]


def test_who_opens_files_of_the_owner() -> None:
    """In the owner's program one module opens mailboxes, and one what is in the state directory."""
    opening = [path.name for path in MODULES if place(path).startswith("owner") and re.search(r"\bos\.open\(", path.read_text())]
    assert opening == ["file.py", "state_directory.py"]


def test_only_the_adapter_imports_pam() -> None:
    """One module imports python-pam, and that in root's folder."""
    having = [path for path in MODULES if "import pam" in path.read_text() or "from pam " in path.read_text()]
    assert having == [LIB / "popa3d/root/pam/adapter.py"]


@pytest.mark.parametrize(
    ("name", "imported"),
    [
        (
            "preauth/authorization.py",
            {
                "": "sasl",
                "shared": "capabilities commands record replies",
                "shared.limits": "INVALID_COMMANDS LOGIN_LINES SASL_OCTETS",
            },
        ),
        ("preauth/sasl.py", {}),
        ("owner/pop3/sending.py", {"shared.limits": "SPLIT_DOTS"}),
        ("shared/capabilities.py", {"replies": "END"}),
        ("shared/commands.py", {"limits": "ARGUMENT_OCTETS AUTH_LINE_OCTETS LINE_OCTETS NAME_OCTETS NUMBER_MAX"}),
        ("shared/lines.py", {"limits": "AUTH_LINE_OCTETS"}),
        ("shared/replies.py", {}),
    ],
)
def test_no_io(name: str, imported: dict[str, str]) -> None:
    """What understands the client has no socket, clock or process: it imports exactly this, and nothing of the system's."""
    tree = ast.parse((LIB / "popa3d" / name).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    modules = {
        node.module or "": " ".join(alias.name for alias in node.names)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert modules == imported


def test_transaction_has_no_connection() -> None:
    """The TRANSACTION state reads the maildrop, which needs the system; it has no connection, clock or log of its own."""
    path = LIB / "popa3d/owner/pop3/transaction.py"
    words = set(re.findall(r"\w+", "".join(re.findall(r"(?m)^ *(?:from|import) .*", path.read_text()))))
    assert not words & {"connection", "log", "time", "select", "posix", "os", "_socket", "record"}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_docstring(path: Path) -> None:
    """Each module says what it is, who runs it (as its room says) and whom it trusts."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert f"\n{text}".split("\nRuns as: ")[1].startswith(RUNS_AS.get(place(path)) or RUNS_AS[place(path).split("/")[0]])
    assert "\nTrusts: " in text


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_size_and_name(path: Path) -> None:
    """Files are small enough to read, and none shadows the standard library."""
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in {"mailbox", "signal", "select", "utils", "helpers", "manager", "common", "socket", "poplib"}
