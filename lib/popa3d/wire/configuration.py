"""The administrator's file: TOML text to Settings. Imported only where such a file exists: tomllib is slow to import.

Runs as: any uid.
Trusts: the administrator, but not his typing: what is not known or not of its type is refused with file and key.
"""

import tomllib

from ..params import Settings

# table -> key -> (type, least value or None). A key is an attribute of params.Settings.
KEYS: dict[str, dict[str, tuple[type, int | None]]] = {
    "session": {"timeout_s": (int, 1), "login_timeout_s": (int, 1)},
    "mailbox": {"spool": (str, None), "home_file": (str, None), "max_messages": (int, 0), "max_octets": (int, 0)},
}
_NUMBER_MAX = 2**53  # what TOML's integers surely hold, and more than any mailbox


class Refused(Exception):
    """The file cannot be used; the text says why in one line, naming file and key."""


def settings(text: bytes, name: str) -> Settings:
    """The settings of a configuration file with the content `text`; `name` is for messages. Raises Refused."""
    try:
        tables = tomllib.loads(text.decode())
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are both ValueErrors
        raise Refused(f"{name}: {error}") from None
    result = Settings()
    for table, keys in tables.items():
        if table not in KEYS:
            raise Refused(f"{name}: unknown table or key {table!r}")
        if not isinstance(keys, dict):
            raise Refused(f"{name}: {table} must be a table")
        for key, value in keys.items():
            if key not in KEYS[table]:
                raise Refused(f"{name}: unknown key {table}.{key!r}")
            kind, least = KEYS[table][key]
            if type(value) is not kind:
                raise Refused(f"{name}: {table}.{key} must be {'a number' if kind is int else 'a string'}")
            if isinstance(value, int) and least is not None and not least <= value <= _NUMBER_MAX:
                raise Refused(f"{name}: {table}.{key} must be at least {least}")
            setattr(result, key, value)
    if not result.spool.startswith("/") or "\0" in result.spool:
        raise Refused(f"{name}: mailbox.spool must be an absolute path")
    if result.home_file.startswith("/") or ".." in result.home_file.split("/") or "\0" in result.home_file:
        raise Refused(f"{name}: mailbox.home_file must be a path below the home directory")
    return result
