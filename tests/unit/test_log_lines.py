"""Whatever popa3d may log is in its manual page, under its priority, and the page has no line that popa3d does not log.

The texts are collected from the source: what is written to the log, what is raised with a reason, what functions return as a
text. They are compared as shapes: regular expressions in which all that is not known before it runs may be anything.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import CHECKOUT

LIB = CHECKOUT / "lib/popa3d"
MODULES = sorted(LIB.rglob("*.py"))
ANYTHING = ".*"
PRIORITIES = {"info": "INFO", "notice": "NOTICE", "warning": "WARNING", "err": "ERROR"}
SYSTEM = {"OSError", "PermissionError", "FileNotFoundError"}  # exceptions of the system to which a module may give a text

# Texts of these are in no list, for a reason.
NOT_LISTED = {
    "operator": "it writes to a terminal",
    "root/check": "popa3d-check writes to a terminal",
    "owner/mailbox/examination.py": "what popa3d-check writes to a terminal",
    "root/configuration.py": "they name the file and the key: FILE: REASON",
    "root/settings_file.py": "they name the file: FILE: REASON",
    "root/host_check.py": "they name the file and the key: FILE: REASON",
    "__init__.py": "the version, for standard output",
    "root/sandbox/assembler.py": "it runs when filters are made, not in popa3d",
    "root/libc.py": "what fails there is an internal error, and its text is not logged",
}
LETTERS = 6  # so many must be known of a text to tell it from others: a path and a reason say nothing by themselves


def name(node: ast.AST) -> str:
    """The last part of a dotted name; empty for anything else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def shapes(node: ast.AST) -> list[str]:
    """What an expression can be as a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [re.escape(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in itertools.product(*map(shapes, node.values))]
    if isinstance(node, ast.FormattedValue):
        return shapes(node.value)
    if isinstance(node, ast.IfExp):
        return shapes(node.body) + shapes(node.orelse)
    return [ANYTHING]


def letters(text: str) -> int:
    """How many letters of a shape or a line are known; what stands for something else is in capitals."""
    return len(re.sub("[^A-Za-z]", "", re.sub(r"\b[A-Z]+\b|/\S+", "", text)))


def exceptions() -> set[str]:
    """The names of popa3d's own exceptions, and of SYSTEM."""
    nodes = [node for path in MODULES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    names = {"Exception"}
    while more := {node.name for node in nodes if any(name(base) in names for base in node.bases)} - names:
        names |= more
    return names | SYSTEM


EXCEPTIONS = exceptions()


def logged(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The shape of each text that a module may log, and its priority where it is said beside it."""
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        priority = ""
        if isinstance(node, ast.Call):
            said = [argument for argument in node.args if isinstance(argument, ast.Attribute) and name(argument.value) == "log"]
            priority = name(said[0]) if said else ""
            if priority in PRIORITIES.values() or name(node.func) in EXCEPTIONS:
                parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.FunctionDef) and node.returns is not None and ast.unparse(node.returns).strip("'") == "str":
            parts = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value is not None]
        for shape in itertools.chain.from_iterable(map(shapes, parts)):
            if letters(shape) >= LETTERS:
                yield shape, priority


def manual_lines() -> dict[str, str]:
    """Each line of the log, and each reason, that the manual pages list: the priority; empty for reasons."""
    lines = {}
    for page in ("popa3d.8", "popa3d-migrate.8", "popa3d-recover.8"):
        text = (CHECKOUT / "man" / page).read_text().replace("\\(dq", '"')
        priority = ""
        for line in text[text.index(".Sh DIAGNOSTICS") : text.index(".Sh SEE ALSO")].splitlines():
            if heading := re.search(r"\bPriority (\w+):", line):
                priority = PRIORITIES[heading[1]]
            elif line == ".El":
                priority = ""
            elif item := re.match(r'\.(It|Dq) (?:"(.*?)"|(\w+))(?: [.,;])?$', line):
                lines[item[2] or item[3]] = priority if item[1] == "It" else ""
    return lines


def is_listed(path: Path) -> bool:
    """Whether the texts of this module have to be in the manual page."""
    return not any(path.is_relative_to(LIB / room) for room in NOT_LISTED)


@pytest.mark.parametrize("path", [path for path in MODULES if is_listed(path)], ids=lambda path: str(path.relative_to(LIB)))
def test_what_is_logged_is_listed(path: Path) -> None:
    """Each text of a module that may reach the log is in a manual page, and those with a priority are listed under it."""
    lines = manual_lines()
    for shape, priority in logged(ast.parse(path.read_text())):
        listed = [line for line in lines if re.search(shape, line)]
        assert listed, f"not in man/popa3d.8: {shape}"
        assert not priority or {lines[line] for line in listed} & {priority, ""}, f"not of priority {priority}: {shape}"


def test_what_is_listed_is_logged() -> None:
    """Each line and reason of the manual pages is a text of the source, or the better part of one is."""
    texts = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant | ast.JoinedStr):
                texts |= {shape for shape in shapes(node) if letters(shape) >= LETTERS}
    for line in manual_lines():
        known = letters(line)
        if known >= LETTERS:
            assert any(re.fullmatch(text, line) or (letters(text) * 2 >= known and re.search(text, line)) for text in texts), line
