"""What would be right where the configuration file is wrong: the values that a key may have, or the name that was meant.

Runs as: root.
Trusts: nobody.
"""

import difflib

from ...shared.limits import LOCKS
from ...shared.settings import (
    ADDRESSES,
    ANY_DOMAIN,
    BOOLEAN,
    DIRECTORY,
    DOMAINS,
    FILE,
    HOME_FILE,
    LOCK_NAMES,
    NETWORKS,
    TABLE,
    Setting,
)
from ..configuration import Incomplete, Refused

_SETTINGS = {f"{setting.table}.{setting.key}": setting for setting in TABLE}
_TABLES = list(dict.fromkeys(setting.table for setting in TABLE))
_NEAR, _VERY_NEAR = 0.7, 0.8  # of difflib: for names of the same table, and of others

# What each kind of setting may be, and what it can look like.
_KINDS = {
    BOOLEAN: ("true or false, without quotes", "true"),
    DIRECTORY: ("the absolute path of a directory", '"/srv/mail"'),
    FILE: ("the absolute path of a file", '"/etc/popa3d/pop.pem"'),
    HOME_FILE: ("the path of a file below home directories, without .. and ~", '"Mail/inbox"'),
    ADDRESSES: ("a list of numeric addresses, each once", '["192.0.2.1", "2001:db8::1"]'),
    NETWORKS: ("a list of numeric addresses and networks, each once", '["127.0.0.1", "10.0.0.0/8"]'),
    LOCK_NAMES: (f"a list of one or several of {', '.join(LOCKS)}, each once", '["fcntl", "dotlock"]'),
    DOMAINS: (f'a list of domains, each once, or "{ANY_DOMAIN}" for all', '["example.org", "example.net"]'),
}


def of(refused: Refused) -> str:
    """What to write instead of what was refused."""
    setting = _SETTINGS.get(refused.subject)
    if setting is None:
        table, _, key = refused.subject.partition(".")
        return _unknown_key(table, key) if key and table in _TABLES else _unknown_table(refused.subject)
    if isinstance(refused, Incomplete) and setting.table == "listen":
        return f"name the proxies, too, for example {example('listen', 'proxies')}"
    if isinstance(refused, Incomplete):
        return "write both certificate and key, with the paths of the files, or no table [tls]"
    default = f"; the default is {_shown(setting.default)}" if setting.default or setting.kind == BOOLEAN else ""
    return f"{_values(setting)}, for example {setting.key} = {_example(setting)}{default}"


def of_host(subject: str) -> str:
    """What to do where the host does not have the directory that the key `subject` needs."""
    if subject == "mailbox.locks":
        return "chgrp mail and chmod 2775 the spool, or leave dotlock out, if what delivers mail takes another lock"
    return "name another directory, or make it one"


def example(table: str, key: str) -> str:
    """A line with a right value; empty if there is no such key."""
    setting = _SETTINGS.get(f"{table}.{key}")
    return f"{key} = {_example(setting)}" if setting else ""


def _values(setting: Setting) -> str:
    if isinstance(setting.kind, tuple):
        return f"a whole number from {setting.kind[0]} to {setting.kind[1]}, without quotes"
    if isinstance(setting.kind, list):
        return f"one of {', '.join(map(_shown, setting.kind))}"
    return _KINDS[setting.kind][0]


def _example(setting: Setting) -> str:
    if isinstance(setting.kind, tuple):
        return str(setting.default or {"port": 110}.get(setting.key, min(500, setting.kind[1])))
    if isinstance(setting.kind, list):
        return _shown(setting.default or setting.kind[0])
    return _KINDS[setting.kind][1]


def _shown(value: object) -> str:
    """A value as TOML has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _unknown_table(name: str) -> str:
    if name in _TABLES:
        return f"write it as [{name}], on a line of its own, and its keys below"
    tables = [f"[{setting.table}]" for setting in TABLE if setting.key == name]
    if tables:
        return f"it is a key of {' and '.join(tables)}: write it below that"
    near = difflib.get_close_matches(name, _TABLES, 1, _NEAR)
    if near:
        return f"did you mean [{near[0]}]?"
    return f"the tables are {', '.join(f'[{table}]' for table in _TABLES)}; nothing in this one was looked at"


def _unknown_key(table: str, key: str) -> str:
    others = [setting.table for setting in TABLE if setting.key == key]
    if others:
        return f"it is a key of [{others[0]}]: write it there"
    keys = [setting.key for setting in TABLE if setting.table == table]
    near = difflib.get_close_matches(key, keys, 1, _NEAR)
    if near:
        return f"did you mean {near[0]}?"
    elsewhere = {setting.key: setting.table for setting in TABLE if setting.table != table}
    near = difflib.get_close_matches(key, list(elsewhere), 1, _VERY_NEAR)
    if near:
        return f"did you mean {near[0]} of [{elsewhere[near[0]]}]?"
    return f"the keys of [{table}] are {', '.join(keys)}"
