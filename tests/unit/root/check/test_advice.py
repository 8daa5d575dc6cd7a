"""What would be right: each example is, and each name that is told exists."""

from __future__ import annotations

import pytest

from popa3d.root import configuration
from popa3d.root.check import advice, configuration_file
from popa3d.shared.settings import TABLE, Setting


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: f"{setting.table}.{setting.key}")
def test_examples(setting: Setting) -> None:
    """The example is taken, and the advice for another value has it."""
    example = advice.example(setting.table, setting.key)
    needed = {"tls": ("certificate", "key"), "listen": ("proxies",) if setting.key == "proxies_tls" else ()}
    others = [advice.example(setting.table, key) for key in needed.get(setting.table, ()) if key != setting.key]
    text = "\n".join([f"[{setting.table}]", example, *others])
    configuration.settings(text.encode(), "f")
    (mistake,) = [each for each in _mistakes(f"[{setting.table}]\n{setting.key} = -1\n") if " needs " not in each.reason]
    assert f"for example {example}" in mistake.advice


def _mistakes(text: str) -> list[configuration_file.Mistake]:
    return configuration_file.examine(text.encode())[1]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("timeout_s = 5", "it is a key of [session]: write it below that"),
        ("[mailbox]\ntimeout_s = 5", "it is a key of [session]: write it there"),
        ("[mailbox]\ntimout_s = 5", "did you mean timeout_s of [session]?"),
        ("[mailbox]\nmaxmessages = 5", "did you mean max_messages?"),
        ("[mailbox]\nxyz = 5", "the keys of [mailbox] are spool, home_file, locks, state, max_messages, max_octets"),
        ("[mail]\nspool = '/x'", "did you mean [mailbox]?"),
        ("[xyz]", "the tables are [listen], [tls], [session], [login], [log], [mailbox], [sandbox]; nothing in this one"),
        ("session = 1", "write it as [session], on a line of its own, and its keys below"),
        ("[[listen]]\nport = 1", "write it as [listen], on a line of its own, and its keys below"),
        ("[session", "write [session]"),
        ("[mailbox]\nspool = /var/mail", 'for example: spool = "/srv/mail"'),
        ("[mailbox]\nspol = /var/mail", "a line is [table] or key = value; strings are in quotes, lists in brackets, numbers"),
        ("[log]\nto = 'file'", 'one of "syslog", "stderr", for example to = "syslog"'),
        ("[a.b]\n[a.c]", "the tables are"),
        ('"a.b" = 1', "the tables are"),
        ("[tls]\nminimum = '1.3'", "write both certificate and key"),
        ("[listen]\nproxies_tls = true", 'name the proxies, too, for example proxies = ["127.0.0.1", "10.0.0.0/8"]'),
        ("[mailbox]\nspool = '/etc/passwd'", "name another directory, or make it one"),
    ],
)
def test_what_was_meant(text: str, right: str) -> None:
    """The name that was meant, where it is near, and the table in which it is; else all names."""
    assert _mistakes(text)[0].advice.startswith(right)


def test_not_utf_8() -> None:
    """Nothing else can be told of such a file, which is said."""
    (mistake,) = configuration_file.examine(b"[listen]\n# \xfc\nport = 0\n")[1]
    assert (mistake.line, mistake.advice) == (2, "save it as UTF-8; nothing else can be told before that")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[listen]\nport = 1\nport = 2\n[listen]\n", [(3, "listen.port is there already, in line 2"), (4, "the table [listen]")]),
        ("listen.port = 1\n[listen]\nspare = 0\n", [(2, "the table [listen] is there already, in line 1")]),
        ("[listen]\nport = 1\n [ listen ] # again\nspare = 0", [(3, "the table [listen] is there already, in line 1")]),
        ('[mailbox]\nspool = """\n[mailbox]\nspool = 1\n"""\n', [(1, "mailbox.spool must be an absolute path")]),
        ("[listen]\nport.x = 1\nport.x = 2\n", [(3, "listen.port is there already, in line 2"), (3, "listen.port must be")]),
    ],
)
def test_twice(text: str, told: list[tuple[int, str]]) -> None:
    """Tables and keys that are there twice, and the text of a string, which is no table."""
    found = [(each.line, each.reason) for each in _mistakes(text)]
    assert len(found) == len(told)
    for (line, reason), (expected, start) in zip(found, told, strict=True):
        assert line == expected and reason.startswith(start)
