"""What each import costs at the start of a session."""

from __future__ import annotations

import re
import statistics
import subprocess

from tests.bench.servers import PREFIX

_LARGE_MS = 0.1
_LINE = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")

# What a login waits for, in turn: program, what it is doing, the modules it has then.
STEPS = (
    ("popa3d (root)", "until it forks the pre-auth child", "import popa3d.root.start"),
    ("pre-auth child", "until the greeting", "import popa3d.preauth.loop"),
    (
        "popa3d (root)",
        "until PAM can be asked, while the client types",
        "from popa3d.root import authentication as a; a.load_pam()",
    ),
    ("popa3d-session", "until the reply to PASS", "import popa3d.owner.session"),
    ("popa3d-session", "after that", "import popa3d.owner.pop3.loop"),
)


def _times(done: str, step: str) -> dict[str, int]:
    """Microseconds for each module that `step` loads when `done` has been done, without those that it imports in turn."""
    code = f"import sys; sys.path.insert(0, {str(PREFIX / 'lib/popa3d')!r}); {done}; sys.stderr.write('now\\n'); {step}"
    command = ["/usr/bin/python3", "-IBS", "-X", "importtime", "-c", code]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env={}).stderr.partition("now\n")[2]
    return {name: int(own) for own, name in _LINE.findall(text)}


def table(rounds: int) -> str:
    """Markdown: what each step takes, and what its larger modules take by themselves; medians."""
    lines = ["| Program | When | ms | Of that, modules of 0.1 ms and more |\n", "| --- | --- | ---: | --- |\n"]
    for program, when, step in STEPS:
        before = {"popa3d.preauth.loop": STEPS[0][2], "authentication as a": STEPS[0][2]}
        before["popa3d.owner.pop3.loop"] = STEPS[3][2]
        done = next((first for name, first in before.items() if name in step), "pass")
        runs = [_times(done, step) for _ in range(rounds)]
        medians = {name: statistics.median(run.get(name, 0) for run in runs) / 1000 for name in runs[0]}
        large = sorted((name for name, median in medians.items() if median >= _LARGE_MS), key=lambda name: -medians[name])
        named = ", ".join(f"`{name}` {medians[name]:.2f}" for name in large)
        whole = statistics.median(sum(run.values()) for run in runs) / 1000
        lines.append(f"| {program} | {when} | {whole:.2f} | {named}{', ' if large else ''}{len(medians) - len(large)} others |\n")
    return "".join(lines)
