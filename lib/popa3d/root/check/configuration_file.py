"""Every mistake in the configuration file, each with its line. popa3d itself stops at the first.

Runs as: root.
Trusts: the administrator, but not their typing.
"""

import re
import tomllib

from ...shared.findings import FAULT, OK, Finding
from ...shared.limits import CONFIGURATION
from ...shared.settings import Settings
from .. import configuration, host_check, settings_file
from . import advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where a statement begins: a table's head, also without its "]", or a key. What lies between two of them belongs to the first.
_HEAD = re.compile(r"[ \t]*\[[^\[\]=,]+\][ \t]*(#.*)?$")
_BROKEN_HEAD = re.compile(r"\[[ \t]*([A-Za-z0-9_-]+)[^\[\],]*$")
_KEY = re.compile(r"""[ \t]*[A-Za-z0-9_."'-]+[ \t]*=""")
_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

_NO_TOML = "a line is [table] or key = value; strings are in quotes, lists in brackets, numbers without anything"


class Mistake:
    """line: of the file, or 0. reason, advice: what is wrong, and what would be right."""

    __slots__ = ("advice", "line", "reason")

    def __init__(self, line: int, reason: str, advice: str) -> None:
        self.line = line
        self.reason = reason
        self.advice = advice


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
    for mistake in mistakes:
        where = f"{name}:{mistake.line}" if mistake.line else name
        findings.append(Finding(FAULT, "configuration", f"{where}: {mistake.reason}", mistake.advice, line=mistake.line))
    return settings, findings


def examine(octets: bytes) -> tuple[Settings, list[Mistake]]:
    """The settings of a file with this content, and its mistakes, by their lines."""
    mistakes: list[Mistake] = []
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        reason = f"not UTF-8: octet {error.start}"
        return Settings(), [Mistake(line, reason, "save it as UTF-8; nothing else can be told before that")]
    tables, lines = _parsed(text, mistakes)
    refused: list[configuration.Refused] = []
    settings = configuration.collect(tables, refused.append)
    for each in refused:
        table = each.subject.partition(".")[0]
        mistakes.append(Mistake(lines.get(each.subject, lines.get(table, 0)), each.reason, advice.of(each)))
    subjects = {each.subject for each in refused}
    mistakes += [
        Mistake(lines.get(subject, 0), reason, advice.of_host(subject))
        for subject, reason in host_check.faults(settings)
        if subject not in subjects  # of a directory that is refused already, the host need not be asked
    ]
    return settings, sorted(mistakes, key=lambda mistake: mistake.line)


def _parsed(text: str, mistakes: list[Mistake]) -> "tuple[dict[str, Any], dict[str, int]]":
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
            mistakes.append(Mistake(line, f"not TOML: {_AT.sub('', message)}", _as_toml(table, statement)))
            if broken := _BROKEN_HEAD.match(statement):
                table = broken[1]  # what follows is meant for it
            continue
        if _HEAD.match(statement.splitlines()[0]):
            table = next(iter(parsed))
            if table in lines:
                once = "put all its keys below one of them: TOML has each table once"
                mistakes.append(Mistake(first, f"the table [{table}] is there already, in line {lines[table]}", once))
            lines.setdefault(table, first)
            tables.setdefault(table, {})
            continue
        for path, value in _leaves(parsed if not table else {table: parsed}):
            if path in lines:
                mistakes.append(Mistake(first, f"{path} is there already, in line {lines[path]}", "keep one of them"))
            lines[path] = first
            top, _, key = path.partition(".")
            lines.setdefault(top, first)
            if not key:
                tables[top] = value
            elif isinstance(tables.setdefault(top, {}), dict):
                tables[top][key] = value
    try:
        whole = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        if not mistakes:  # as a whole it is wrong, though each statement is right
            at = _AT.search(str(error))
            reason = f"not TOML: {configuration.plain(_AT.sub('', str(error)))}"
            mistakes.append(Mistake(int(at[1]) if at and at[1] else 0, reason, f"{_NO_TOML}; each of them once"))
        return tables, lines
    mistakes.clear()  # statements were divided where there are none, in a string of several lines
    return whole, lines


def _as_toml(table: str, statement: str) -> str:
    """How a statement might be right that is no TOML."""
    if broken := _BROKEN_HEAD.match(statement):
        return f"write [{broken[1]}]"
    key = re.match(r"[ \t]*([A-Za-z0-9_]+)", statement)
    example = advice.example(table, key[1]) if key else ""
    return f"for example: {example}" if example else _NO_TOML


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
