"""Every mistake in the configuration file, each with its line. popa3d itself stops at the first.

Runs as: root.
Trusts: the administrator, but not their typing.
"""

import difflib
import re
import tomllib

from ...shared.findings import FAULT, OK, Finding
from ...shared.limits import CONFIGURATION
from ...shared.settings import TABLE, Settings
from .. import configuration, host_check, settings_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where a statement begins: a table's head, also without its "]", or a key. What lies between two of them belongs to the first.
_HEAD = re.compile(r"[ \t]*\[[^\[\]=,]+\][ \t]*(#.*)?$")
_BROKEN_HEAD = re.compile(r"\[[ \t]*([A-Za-z0-9_-]+)[^\[\],]*$")
_KEY = re.compile(r"""[ \t]*[A-Za-z0-9_."'-]+[ \t]*=""")
_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

_KEYS = [f"{setting.table}.{setting.key}" for setting in TABLE]
_TABLES = sorted({setting.table for setting in TABLE})
_ADVICE = "popa3d.toml(5) has all keys and what they may be; until it is right, popa3d serves nobody"


def read(name: str) -> tuple[Settings, list[Finding]]:
    """The settings as far as they can be used (else the defaults), and the findings."""
    try:
        text, name = settings_file.text(name)
    except settings_file.Misconfigured as misconfigured:
        return Settings(), [Finding(FAULT, "configuration", misconfigured.reason, "it must be root's, mode 0644 or 0600")]
    if text is None:
        return Settings(), [Finding(OK, "configuration", f"{CONFIGURATION} does not exist: all settings have their defaults")]
    settings, mistakes = examine(text)
    if not mistakes:
        return settings, [Finding(OK, "configuration", f"{name} is right")]
    findings = []
    for line, reason in mistakes:
        where = f"{name}:{line}" if line else name
        findings.append(Finding(FAULT, "configuration", f"{where}: {reason}", _suggestion(reason) or _ADVICE, line=line))
    return settings, findings


def examine(octets: bytes) -> tuple[Settings, list[tuple[int, str]]]:
    """The settings of a file with this content, and (line, reason) of each mistake; a line of 0 is not known."""
    mistakes: list[tuple[int, str]] = []
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        return Settings(), [(octets.count(b"\n", 0, error.start) + 1, f"not UTF-8: octet {error.start}")]
    tables, lines = _parsed(text, mistakes)
    reasons: list[str] = []
    settings = configuration.collect(tables, lambda refused: reasons.append(refused.reason))
    # Of a directory that is refused already, the host need not be asked.
    reasons += [reason for reason in host_check.faults(settings) if not any(_subject(reason, lines) in each for each in reasons)]
    mistakes += [(lines.get(_subject(reason, lines), 0), reason) for reason in reasons]
    return settings, sorted(mistakes, key=lambda mistake: mistake[0])


def _parsed(text: str, mistakes: list[tuple[int, str]]) -> "tuple[dict[str, Any], dict[str, int]]":
    """The file's tables, and the line of each table and key. If it is no TOML, those of its statements that are."""
    tables: "dict[str, Any]" = {}
    lines: dict[str, int] = {}
    table = ""
    for first, statement in _statements(text):
        try:
            parsed = tomllib.loads(statement)
        except (ValueError, RecursionError) as error:
            message = str(error)
            at = _AT.search(message)
            line = first + int(at[1]) - 1 if at and at[1] else first
            mistakes.append((line, f"not TOML: {_AT.sub('', message)}"))
            if broken := _BROKEN_HEAD.match(statement):
                table = broken[1]  # what follows is meant for it
            continue
        if _HEAD.match(statement.splitlines()[0]):
            table = next(iter(parsed))
            lines.setdefault(table, first)
            tables.setdefault(table, {})
            continue
        for path, value in _leaves(parsed if not table else {table: parsed}):
            lines.setdefault(path, first)
            top, _, key = path.partition(".")
            if not key:
                tables[top] = value
            elif isinstance(tables.setdefault(top, {}), dict):
                tables[top][key] = value
    try:
        whole = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        if not mistakes:  # as a whole it is wrong, though each statement is right: a key or table comes twice
            at = _AT.search(str(error))
            mistakes.append((int(at[1]) if at and at[1] else 0, f"not TOML: {_AT.sub('', str(error))}"))
        return tables, lines
    mistakes.clear()  # statements were divided where there are none, in a string of several lines
    return whole, lines


def _statements(text: str) -> list[tuple[int, str]]:
    """The statements of a file, each with the number of its first line."""
    statements: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        begins = _HEAD.match(line) or _BROKEN_HEAD.match(line) or _KEY.match(line)
        if begins or (line.strip() and not statements and not line.lstrip().startswith("#")):
            statements.append((number, line))
        elif statements:
            statements[-1] = (statements[-1][0], f"{statements[-1][1]}\n{line}")
    return statements


def _leaves(parsed: "dict[str, Any]") -> "list[tuple[str, Any]]":
    """Each "table.key" with its value; a key of a table that is none of ours has no further depth."""
    leaves: "list[tuple[str, Any]]" = []
    for top, value in parsed.items():
        if isinstance(value, dict):
            leaves += [(f"{top}.{key}", inner) for key, inner in value.items()]
        else:
            leaves.append((top, value))
    return leaves


def _subject(reason: str, lines: dict[str, int]) -> str:
    """The key or table that a reason is about: the longest name in it, of those that the file has, or else of all keys."""
    words = re.findall(r"[A-Za-z0-9_.-]+", reason)
    named = [word for word in words if word in lines] or [word for word in words if word in _KEYS]
    return max(named, key=len, default="")


def _suggestion(reason: str) -> str:
    """What an unknown name was probably to be."""
    unknown = re.fullmatch(r"unknown (?:table or key|key) (\S+)", reason)
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown[1], _KEYS if "." in unknown[1] else [*_TABLES, *_KEYS], 1)
    if not near:
        near = [key for key in _KEYS if key.rpartition(".")[2] == unknown[1].rpartition(".")[2]]
    return f"did you mean {near[0]}?" if near else ""
