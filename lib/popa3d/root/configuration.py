"""The text of the administrator's file, in TOML, to Settings. Imported only where there is a file: tomllib is slow to import.

Runs as: root.
Trusts: the administrator, but not their typing: an unknown key or an unfit value is refused with the names of file and key.
"""

import _socket
import posixpath
import re
import tomllib

from ..shared import Failure
from ..shared.limits import CHROOT, LOCKS
from ..shared.settings import (
    ADDRESSES,
    ANY_DOMAIN,
    BOOLEAN,
    DIRECTORY,
    DOMAINS,
    FILE,
    HOME_FILE,
    LISTS,
    LOCK_NAMES,
    NETWORKS,
    TABLE,
    Settings,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..shared.settings import Setting

_TABLES = {setting.table for setting in TABLE}
_SETTINGS = {(setting.table, setting.key): setting for setting in TABLE}
_MAPPED = bytes(10) + b"\xff\xff"  # IPv4 in IPv6, which sockets for IPv6 alone do not take

_DOMAIN = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"  # of ASCII: mail programs send others in their form of that, as "xn--..."


class Refused(Failure):
    """The file cannot be used; the reason names file and key. subject: "table.key", or a name that is no table's, or empty."""

    def __init__(self, reason: str, subject: str = "") -> None:
        super().__init__(reason)
        self.subject = subject


class Incomplete(Refused):
    """A setting that means nothing without others."""


def settings(text: bytes, name: str) -> Settings:
    """The settings of a configuration file with the content `text`; `name` is for the reason. Raises Refused."""
    try:
        return collect(_parsed(text), _refuse)
    except Refused as refused:
        raise Refused(f"{name}: {refused.reason}") from None


def _parsed(text: bytes) -> "dict[str, Any]":
    """The file's tables."""
    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are both ValueErrors
        raise Refused(plain(str(error))) from None


def _refuse(refused: Refused) -> None:
    raise refused


def collect(tables: "dict[str, Any]", note: "Callable[[Refused], None]") -> Settings:
    """The defaults, with what the file's tables say instead: first each by its type, then by its kind.

    note: called with each mistake; what is wrong is left out if it returns.
    """
    result = Settings()
    given = set()
    for table, keys in tables.items():
        if table not in _TABLES:
            note(Refused(f"unknown table or key {_shown(table)}", table))
            continue
        if not isinstance(keys, dict):
            note(Refused(f"{table} must be a table", table))
            continue
        for key, value in keys.items():
            setting = _SETTINGS.get((table, key))
            if setting is None:
                note(Refused(f"unknown key {table}.{_shown(key)}", f"{table}.{key}"))
                continue
            try:
                setattr(result, key, _typed(setting, value))
                given.add(setting)
            except Refused as refused:
                note(Refused(refused.reason, f"{table}.{key}"))
    for kind, check in _CHECKS:
        for setting in TABLE:
            if setting.kind == kind and setting in given:
                try:
                    check(f"{setting.table}.{setting.key}", getattr(result, setting.key))
                except Refused as refused:
                    note(Refused(refused.reason, f"{setting.table}.{setting.key}"))
                    setattr(result, setting.key, setting.default)
    _check_tls(result, {f"{setting.table}.{setting.key}" for setting in given}, note)
    if result.proxies_tls and not result.proxies:
        note(Incomplete("listen.proxies_tls needs listen.proxies", "listen.proxies_tls"))
    return result


def _check_tls(settings: Settings, given: set[str], note: "Callable[[Refused], None]") -> None:
    """What the settings of TLS must be together. given: the names of those that the file has."""
    for name, other in (("tls.certificate", "tls.key"), ("tls.key", "tls.certificate")):
        if name in given and other not in given:
            note(Incomplete(f"{name} needs {other}", name))
    for name in sorted(given - {"tls.certificate", "tls.key"}):
        if name.startswith("tls.") and not settings.certificate:
            note(Incomplete(f"{name} needs tls.certificate and tls.key", name))
    if settings.certificate and settings.port and settings.port == settings.tls_port:
        note(Refused("listen.tls_port must be another one than listen.port", "listen.tls_port"))


def _typed(setting: "Setting", value: object) -> object:
    """The value of a key, if it has the setting's type and is within its bounds."""
    name = f"{setting.table}.{setting.key}"
    if isinstance(setting.kind, tuple):
        least, most = setting.kind
        if type(value) is not int or not least <= value <= most:
            raise Refused(f"{name} must be a number from {least} to {most}")
        return value
    if setting.kind == BOOLEAN:
        if not isinstance(value, bool):
            raise Refused(f"{name} must be true or false")
        return value
    if setting.kind in LISTS:
        if not isinstance(value, list):
            raise Refused(f"{name} must be a list of strings")
        return tuple(value)
    if isinstance(setting.kind, list) and value not in setting.kind:
        raise Refused(f"{name} must be one of {', '.join(repr(word) for word in setting.kind)}")
    if not isinstance(value, str):
        raise Refused(f"{name} must be a string")
    return value


def _check_addresses(name: str, addresses: tuple[object, ...]) -> None:
    if not addresses:
        raise Refused(f"{name} must name an address; without the key popa3d listens on all of them")
    every: list[bytes] = []
    for address in addresses:
        packed = _packed(address) if isinstance(address, str) else b""
        if not packed:
            raise Refused(f"{name} must be numeric IPv4 or IPv6 addresses, not {address!r}")
        if packed.startswith(_MAPPED):
            raise Refused(f"{name} must have IPv4 addresses as such, not {address!r}")
        every.append(packed)
    for packed, address in zip(every, addresses, strict=True):
        family = [other for other in every if len(other) == len(packed)]
        if family.count(packed) > 1 or (not any(packed) and len(family) > 1):
            raise Refused(f"{name} has {address}, and an address that is the same or part of it")


def _check_networks(name: str, networks: tuple[object, ...]) -> None:
    known = set()
    for network in networks:
        text, slash, bits = network.partition("/") if isinstance(network, str) else ("", "", "")
        packed = _packed(text)
        if not packed or (slash and not re.fullmatch("0|[1-9][0-9]{0,2}", bits)):
            raise Refused(f'{name} must be addresses, or networks such as "10.0.0.0/8", not {network!r}')
        if packed.startswith(_MAPPED):
            raise Refused(f"{name} must have IPv4 addresses as such, not {network!r}")
        width = 8 * len(packed)
        prefix = int(bits) if slash else width
        if not 0 < prefix <= width:
            raise Refused(f"{name}: the prefix of {network} must have 1 to {width} bits")
        if int.from_bytes(packed, "big") & ((1 << (width - prefix)) - 1):
            raise Refused(f"{name}: {network} has bits behind its prefix")
        if (packed, prefix) in known:
            raise Refused(f"{name} has {network} twice")
        known.add((packed, prefix))


def _check_directory(name: str, path: str) -> None:
    if not path.startswith("/") or "\0" in path:
        raise Refused(f"{name} must be an absolute path")
    if f"{posixpath.normpath(path)}/".startswith(f"{CHROOT}/"):
        raise Refused(f"{name} must not be in {CHROOT}, which has to stay empty")


def _check_file(name: str, path: str) -> None:
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise Refused(f"{name} must be an absolute path of a file")


def _check_lock_names(name: str, locks: tuple[object, ...]) -> None:
    if not locks or any(lock not in LOCKS for lock in locks) or len(set(locks)) < len(locks):
        raise Refused(f"{name} must be one or several of {', '.join(LOCKS)}, in the order to take them")


def _check_domains(name: str, domains: tuple[object, ...]) -> None:
    known = set()
    for domain in domains:
        if not isinstance(domain, str) or (domain != ANY_DOMAIN and not re.fullmatch(_DOMAIN, domain)):
            raise Refused(f'{name} must be domains such as "example.org", or "{ANY_DOMAIN}", not {domain!r}')
        if domain.lower() in known:
            raise Refused(f"{name} has {domain} twice; upper and lower case are the same")
        known.add(domain.lower())


def _check_home_file(name: str, path: str) -> None:
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise Refused(f"{name} must be a path below the home directory")
    if path.startswith("~"):
        raise Refused(f"{name} is in the home directory anyway; write it without ~")
    if path and path.rpartition("/")[2] in ("", "."):
        raise Refused(f"{name} must name a file, not a directory")


# What each kind's values must be, in the order of the checks. Each raises Refused; the names and paths are any the file has.
_CHECKS: "tuple[tuple[str, Callable[[str, Any], None]], ...]" = (
    (ADDRESSES, _check_addresses),
    (NETWORKS, _check_networks),
    (DIRECTORY, _check_directory),
    (LOCK_NAMES, _check_lock_names),
    (HOME_FILE, _check_home_file),
    (DOMAINS, _check_domains),
    (FILE, _check_file),
)


def _shown(key: str) -> str:
    """A key as people write it: with quotes only where it needs them."""
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else repr(key)


def plain(text: str) -> str:
    """A message of tomllib's with the names of tables as people write them."""
    return re.sub(r"\('(.*?)',?\)", lambda match: "[" + match[1].replace("', '", ".") + "]", text)


def _packed(address: str) -> bytes:
    """The four or sixteen octets of a numeric address; none if it is not numeric."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            return _socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
    return b""
