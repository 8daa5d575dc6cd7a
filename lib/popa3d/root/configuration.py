"""The administrator's file: TOML text to Settings. Imported only where such a file exists: tomllib is slow to import.

Runs as: root.
Trusts: the administrator, but not his typing: what is not known or not of its type is refused with file and key.
"""

import _socket
import posixpath
import re
import tomllib

from ..shared.limits import CHROOT, LOCKS, MAX_MESSAGES, Settings

_DAY_S = 24 * 60 * 60

# table -> key -> str, list (of strings), or the least and the greatest number. A key is an attribute of params.Settings.
KEYS: dict[str, dict[str, type[str] | type[list[str]] | tuple[int, int]]] = {
    "listen": {
        "port": (1, 65535),
        "addresses": list,
        "sessions": (1, 100_000),
        "sessions_per_source": (1, 100_000),
        "unauthenticated": (1, 100_000),
        "min_delay_s": (0, _DAY_S),
        "backlog": (1, 65535),
    },
    "session": {"timeout_s": (1, _DAY_S), "login_timeout_s": (1, _DAY_S)},
    "mailbox": {
        "spool": str,
        "home_file": str,
        "locks": list,
        "state": str,
        "max_messages": (1, MAX_MESSAGES),  # what indexes and journals are made for
        "max_octets": (1, 2**62),
    },
}


_MAPPED = bytes(10) + b"\xff\xff"  # IPv4 in IPv6, which sockets for IPv6 alone do not take


class Refused(Exception):
    """The file cannot be used; the text says why in one line, naming file and key."""


def settings(text: bytes, name: str) -> Settings:
    """The settings of a configuration file with the content `text`; `name` is for messages. Raises Refused."""
    try:
        tables = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are both ValueErrors
        raise Refused(f"{name}: {_plain(str(error))}") from None
    result = Settings()
    for table, keys in tables.items():
        if table not in KEYS:
            raise Refused(f"{name}: unknown table or key {_shown(table)}")
        if not isinstance(keys, dict):
            raise Refused(f"{name}: {table} must be a table")
        for key, value in keys.items():
            if key not in KEYS[table]:
                raise Refused(f"{name}: unknown key {table}.{_shown(key)}")
            kind = KEYS[table][key]
            if isinstance(kind, tuple):
                if type(value) is not int or not kind[0] <= value <= kind[1]:
                    raise Refused(f"{name}: {table}.{key} must be a number from {kind[0]} to {kind[1]}")
            elif not isinstance(value, kind):
                raise Refused(f"{name}: {table}.{key} must be a {'string' if kind is str else 'list of strings'}")
            setattr(result, key, value)
    if "addresses" in tables.get("listen", {}) and not result.addresses:
        raise Refused(f"{name}: listen.addresses must name an address; without the key popa3d listens on all of them")
    packed: list[bytes] = []
    for address in result.addresses:
        octets = _packed(address) if isinstance(address, str) else b""
        if not octets:
            raise Refused(f"{name}: listen.addresses must be numeric IPv4 or IPv6 addresses, not {address!r}")
        if octets.startswith(_MAPPED):
            raise Refused(f"{name}: listen.addresses must have IPv4 addresses as such, not {address!r}")
        packed.append(octets)
    for octets, address in zip(packed, result.addresses, strict=True):
        others = [one for one in packed if len(one) == len(octets)]
        if others.count(octets) > 1 or (not any(octets) and len(others) > 1):
            raise Refused(f"{name}: listen.addresses has {address}, and an address that is the same or part of it")
    for key in ("spool", "state"):
        path = getattr(result, key)
        if not path.startswith("/") or "\0" in path:
            raise Refused(f"{name}: mailbox.{key} must be an absolute path")
        if f"{posixpath.normpath(path)}/".startswith(f"{CHROOT}/"):
            raise Refused(f"{name}: mailbox.{key} must not be in {CHROOT}, which has to stay empty")
    if not result.locks or any(lock not in LOCKS for lock in result.locks) or len(set(result.locks)) < len(result.locks):
        raise Refused(f"{name}: mailbox.locks must be one or several of {', '.join(LOCKS)}, in the order to take them")
    if result.home_file.startswith("/") or ".." in result.home_file.split("/") or "\0" in result.home_file:
        raise Refused(f"{name}: mailbox.home_file must be a path below the home directory")
    if result.home_file.startswith("~"):
        raise Refused(f"{name}: mailbox.home_file is in the home directory anyway; write it without ~")
    if result.home_file and result.home_file.rpartition("/")[2] in ("", "."):
        raise Refused(f"{name}: mailbox.home_file must name a file, not a directory")
    return result


def _shown(key: str) -> str:
    """A key as people write it: with quotes only where it needs them."""
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else repr(key)


def _plain(text: str) -> str:
    """What tomllib says of a table, as people write it."""
    return re.sub(r"\('(.*?)',?\)", lambda found: "[" + found[1].replace("', '", ".") + "]", text)


def _packed(address: str) -> bytes:
    """The octets of a numeric address, four or sixteen; none if it is none."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            return _socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
    return b""
