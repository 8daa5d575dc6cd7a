"""Files of inputs: a line each, as Python writes octets; lines that begin with "#" say why they are there."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from tests.host import CHECKOUT

CORPUS = CHECKOUT / "tests/fuzz/corpus"  # what found something
WORKING = CHECKOUT / "build/fuzz"  # what earlier runs of `make fuzz` found worth mutating


def read(path: Path) -> list[bytes]:
    """The inputs in a file; none if there is no file."""
    if not path.exists():
        return []
    return [ast.literal_eval(line) for line in path.read_text().splitlines() if line and not line.startswith("#")]


def write(path: Path, inputs: Iterable[bytes]) -> None:
    """Make a file of these."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{data!r}\n" for data in inputs))


def add(path: Path, data: bytes, why: str) -> None:
    """Append one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"# {why}\n{data!r}\n")
