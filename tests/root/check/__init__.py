"""popa3d-check: each fault of the host and of a user's mail is found, and told with what is to be done about it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.host import HOME

CHECK = str(HOME / "bin/popa3d-check")
MBOX = b"From bob Mon Nov 23 06:00:00 2026\nSubject: hello\n\nhello\n\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """popa3d-check as an administrator starts it."""
    return subprocess.run([CHECK, *arguments], capture_output=True, text=True, timeout=120, env={}, check=False)


def found(*arguments: str) -> dict[str, list[dict[str, Any]]]:
    """The findings of --json by subject. The exit status says whether there is a fault."""
    done = run("--json", *arguments)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    faulty = any(each["level"] == "fault" for each in told["findings"])
    assert (done.returncode, told["ok"]) == (int(faulty), not faulty)
    result: dict[str, list[dict[str, Any]]] = {}
    for each in told["findings"]:
        assert each["advice"] or each["level"] == "ok" or each["subject"] == "port"
        result.setdefault(each["subject"], []).append(each)
    return result


def faults(*arguments: str) -> dict[str, str]:
    """What must be done something about: subject -> text."""
    return {subject: each["text"] for subject, rows in found(*arguments).items() for each in rows if each["level"] == "fault"}


def edited(path: str, change: Callable[[str], str]) -> Iterator[None]:
    """A file of the private /etc with other text, for a while."""
    file = Path(path)
    before = file.read_text()
    file.write_text(change(before))
    yield
    file.write_text(before)
