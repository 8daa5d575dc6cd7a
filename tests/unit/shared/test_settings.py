"""The table of settings: its documents say the same, and nothing uses a setting that is not in it."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from popa3d.shared import limits
from popa3d.shared.settings import HANDED_OVER, TABLE, Setting, Settings
from tests.host import CHECKOUT

MANUAL = (CHECKOUT / "man/popa3d.toml.5").read_text()
EXAMPLE = (CHECKOUT / "packaging/popa3d.toml").read_text()

# What holds where a setting is not set, and its default is 0 or none: as the manual page says, and as the example shows it.
UNSET = {
    "port": ("that of the service", limits.POP3_PORT),
    "addresses": ("all addresses of the host", ["0.0.0.0", "::"]),
    "sessions": (f"is {limits.SESSIONS}", limits.SESSIONS),
    "sessions_per_source": (f"is {limits.SESSIONS_PER_SOURCE}", limits.SESSIONS_PER_SOURCE),
    "unauthenticated": ("half of", limits.SESSIONS // 2),
    "certificate": ("By default there is none", "/etc/letsencrypt/live/pop.example.org/fullchain.pem"),
    "key": ("By default there is none", "/etc/letsencrypt/live/pop.example.org/privkey.pem"),
    "home_file": ("If this is not empty", ""),
    "to": ("The default is syslog", "syslog"),
}


def manual_entries() -> dict[tuple[str, str], str]:
    """Each key of the manual page, with its table: the text about it, without macros, in one line."""
    entries = {}
    for section in re.split(r"(?m)^\.Pp\nTable\n", MANUAL.partition(".Sh LOCKS OF")[0])[1:]:
        table = re.match(r"\.Li \[(\w+)\]", section)
        assert table is not None
        for entry in re.split(r"(?m)^\.It Ic ", section)[1:]:
            key, _, text = entry.partition("\n")
            entries[table[1], key] = re.sub(r"(?m)^\.(Li|Pa|Ic|Fl) ", "", text).replace("\n", " ")
    return entries


def test_manual_keys() -> None:
    """The manual page has the keys of the table, in its order."""
    assert list(manual_entries()) == [(setting.table, setting.key) for setting in TABLE]


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.key)
def test_manual_default(setting: Setting) -> None:
    """The manual page says each default."""
    key, default = setting.key, setting.default
    text = manual_entries()[setting.table, key]
    if key in UNSET:
        assert not default and UNSET[key][0] in text
    elif isinstance(default, bool):
        assert f"The default is {str(default).lower()} ." in text
    elif isinstance(default, tuple):
        listed = ", ".join(rf"\(dq{word}\(dq" for word in default)
        assert f"The default is [{listed}] ." in text
    else:
        assert re.search(rf"The default is {re.escape(str(default))}( ?\.|,)", text)


def test_example() -> None:
    """The example has all keys, in the order of the table, with their defaults; what is left to popa3d is commented out."""
    shown = tomllib.loads(re.sub(r"(?m)^#(\w+ = )", r"\1", EXAMPLE))
    written = [(table, key, value) for table, keys in shown.items() for key, value in keys.items()]
    expected = []
    for setting in TABLE:
        default: object = UNSET[setting.key][1] if setting.key in UNSET else setting.default
        expected.append((setting.table, setting.key, list(default) if isinstance(default, tuple) else default))
    assert written == expected


def test_names() -> None:
    """A key stands in one table only, as it is an attribute; what is handed over is a part of the table."""
    keys = [setting.key for setting in TABLE]
    assert len(set(keys)) == len(keys)
    assert vars(Settings()) == {setting.key: setting.default for setting in TABLE}
    assert {setting.key for setting in HANDED_OVER} == {"timeout_s", "locks", "max_messages", "max_octets", "facility"}


def test_nothing_else_is_used() -> None:
    """Whatever the library reads of an object called settings is in the table: type checkers cannot tell."""
    keys = {setting.key for setting in TABLE}
    used = set()
    for path in (CHECKOUT / "lib/popa3d").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                name = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                if name in ("settings", "_settings"):
                    used.add(node.attr)
    assert used <= keys
    assert used >= {setting.key for setting in TABLE if not setting.handed_over}
