"""What people and other processes' owners write: the configuration, command lines, names of processes and of files."""

from __future__ import annotations

import ipaddress
import json
import os
import posixpath

from popa3d.root import configuration
from popa3d.root.journals import _JOURNAL
from popa3d.shared import arguments, process_name
from popa3d.shared.census import command_lines
from popa3d.shared.limits import CHROOT, LOCKS
from popa3d.shared.settings import (
    ADDRESSES,
    BOOLEAN,
    DIRECTORY,
    DOMAINS,
    FILE,
    HOME_FILE,
    LOCK_NAMES,
    TABLE,
    Setting,
    Settings,
)
from tests.fuzz.engine import Target


def check_configuration(text: bytes) -> None:
    """A file is refused with a reason, or gives values that popa3d.toml(5) allows; written out, these give the same again."""
    mistakes: list[configuration.Refused] = []
    try:
        settings = configuration.settings(text, "name")
    except configuration.Refused as refused:
        assert refused.reason.startswith("name: ") and len(refused.reason) > len("name: ") and "\n" not in refused.reason
        try:
            tables = configuration._parsed(text)
        except configuration.Refused:
            return
        settings = configuration.collect(tables, mistakes.append)
        assert mistakes and refused.reason == f"name: {mistakes[0].reason}"
    for setting in TABLE:
        value = getattr(settings, setting.key)
        assert value == setting.default or _is_allowed(setting, value), (setting.key, value)
    if not mistakes:
        again = configuration.settings(_written(settings).encode(), "name")
        assert vars(again) == vars(settings)


def _is_allowed(setting: Setting, value: object) -> bool:
    kind = setting.kind
    if isinstance(kind, tuple):
        return type(value) is int and kind[0] <= value <= kind[1]
    if isinstance(kind, list) or kind == BOOLEAN:
        return value in kind if isinstance(kind, list) else isinstance(value, bool)
    if isinstance(value, tuple):
        words = [str(word) for word in value]
        if not all(isinstance(word, str) for word in value) or len(set(words)) != len(words):
            return False
        if kind == ADDRESSES:
            found = [ipaddress.ip_address(word) for word in words]
            return bool(found) and len(set(found)) == len(found)
        if kind == LOCK_NAMES:
            return bool(words) and set(words) <= set(LOCKS)
        return kind == DOMAINS and all(
            word == "*" or word.replace(".", "").replace("-", "").replace("_", "").isalnum() for word in words
        )
    if not isinstance(value, str) or "\0" in value:
        return False
    if kind == DIRECTORY:
        return value.startswith("/") and not posixpath.normpath(value).startswith(CHROOT)
    if kind == FILE:
        return value.startswith("/") and not value.endswith("/")
    return kind == HOME_FILE and not value.startswith("/") and ".." not in value.split("/")


def _written(settings: Settings) -> str:
    """A file with these values, where they are not the defaults."""
    lines: dict[str, list[str]] = {}
    for setting in TABLE:
        value = getattr(settings, setting.key)
        if value != setting.default:
            lines.setdefault(setting.table, []).append(
                f"{setting.key} = {json.dumps(value, ensure_ascii=False)}\n".replace("\x7f", "\\u007f")
            )
    return "".join(f"[{table}]\n{''.join(rows)}" for table, rows in lines.items())


def check_processes(data: bytes) -> None:
    """What the census takes for popa3d's has the form that popa3d's programs have, and names give the numbers that made them."""
    words = data.split(b"\0")[:-1]
    line = command_lines.parse(words)
    if line is not None:
        assert set(b"IS") <= set(words[1][1:]) and words[1][:1] == b"-" and os.fsencode(line.program) == words[2]
        name = words[2].split(b"/")[-1]
        assert name in (b"popa3d", b"popa3d-session", b"popa3d-starter") and line.authenticated == (name != b"popa3d")
        assert not (line.authenticated and line.daemon) and os.fsencode(line.interpreter) == words[0]
        options = b"".join(words[3:])
        assert not line.daemon or b"D" in options or b"F" in options
    try:
        options_found = arguments.parse([os.fsdecode(word) for word in words])
    except arguments.Misused as misused:
        assert misused.reason
    else:
        assert options_found.action in arguments.ACTIONS and set(options_found.families) <= set("46")
        assert options_found.families or options_found.action in (arguments.PRINT_HELP, arguments.PRINT_VERSION)
    comm = data[:15].decode("ascii", "replace")
    found = process_name.decode(comm)
    if found is not None:
        version, pid = found
        assert process_name.decode(process_name.encode(version.partition(" ")[2], pid)) == found
    session = process_name.decode_session(comm)
    assert not session or process_name.decode_session(process_name.encode_session(session)) == session


def check_journal_names(data: bytes) -> None:
    """A file name in a user's directory stands for an account only if it is one of a journal's."""
    name = os.fsdecode(data)
    match = _JOURNAL.fullmatch(name)
    if match:
        stem, _, rest = name[len(match[1]) :].partition("-")
        assert match[1] and not stem and name.startswith(match[1]) and rest[16:].startswith(".journal")
        assert set(rest[:16]) <= set("0123456789abcdef") and rest[24:25] in ("", ".")


_ROWS = [b'%s = "x"' % setting.key.encode() for setting in TABLE] + [
    b"[%s]" % table.encode() for table in {s.table: 0 for s in TABLE}
]
_TOML = (
    b'[listen]\naddresses = ["192.0.2.1", "::1"]\nport = 110\nsessions = 50\n[mailbox]\nlocks = ["fcntl", "dotlock"]\n'
    b'spool = "/var/spool/mail"\n[login]\ndomains = ["example.org", "*"]\nlower_case = true\n[log]\nto = "stderr"\n'
)
_TLS = b'[tls]\ncertificate = "/etc/a.pem"\nkey = "/etc/b.pem"\n[session]\ntimeout_s = 6\n[sandbox]\nrequire = true\n'
_LINES = (
    b"/usr/bin/python3\0-IBS\0/usr/sbin/popa3d\0-D\0-c\0/etc/x\0", b"python3\0-IBS\0popa3d-session\0",
    b"python3\0-IBS\0/x/popa3d-starter\0002.1\0", b"tls1.3 123\0", b"popa3d 77\0",
)  # fmt: skip
TARGETS = (
    Target(
        "configuration",
        check_configuration,
        (_TOML, _TLS, b'[mailbox]\nhome_file = "Mail/inbox"\nmax_octets = 1_000\n'),
        (
            *_ROWS,
            b'"""',
            b"'",
            b'"',
            b"[[",
            b"\n",
            b"true",
            b"0x7f",
            b"1e3",
            b"[",
            b"{a=1}",
            b"\\u0000",
            b"::",
            b"..",
            b"~",
            b"/",
            b"2024-01-01",
        ),
    ),
    Target(
        "processes",
        check_processes,
        _LINES,
        (b"\0", b"-D", b"-F", b"-I", b"popa3d", b"tls", b"1", b".", b" ", b"-c", b"-4", b"--"),
        300,
    ),
    Target(
        "journal-names",
        check_journal_names,
        (b"alice-0123456789abcdef.journal", b"a-b-0123456789abcdef.journal.at.AA==", b"x-0123456789abcdef.index"),
        (b".journal", b"-0123456789abcdef", b"\n", b"."),
        255,
    ),
)
