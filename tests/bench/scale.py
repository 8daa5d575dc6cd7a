"""The table of docs/SCALE.md: how many users a host carries, and how many hosts they need, from the benchmark's figures.

python3 -m tests.bench.scale writes it anew from docs/bench.json; so does make bench.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from tests.bench.report import columns, number

DOCS = Path(__file__).resolve().parents[2] / "docs"
PEAK = 2  # how many times the mean the busiest moments ask for
POLLS_S = (300, 900)  # how often a client polls
MAILBOXES = (100_000, 1_000_000)
SESSION_S = 2  # how long a poll takes over a network
BEGIN, END = "<!-- tests/bench/scale.py writes this table. -->\n", "<!-- Until here. -->\n"
_COLUMNS = {"Debian's PAM": "Debian PAM, 16 at once, -D", "no hash (pam_permit)": "no PAM, 16 at once, -D"}


def medians(text: str) -> dict[str, float]:
    """popa3d's figures in bench.json: by "GROUP: WHAT"."""
    rows = json.loads(text)["rows"]
    return {f"{row['group']}: {row['what']}": row["servers"]["popa3d"]["median"] for row in rows if "popa3d" in row["servers"]}


def users_of_a_host(sessions: float, poll_s: int) -> int:
    """How many a host carries that serves `sessions` a second at most: two digits that count."""
    exact = sessions * poll_s / PEAK
    unit: int = 10 ** max(0, math.floor(math.log10(exact)) - 1)
    return math.floor(exact / unit) * unit


def table(figures: Mapping[str, float]) -> str:
    """Rows of what follows from two figures of Sessions/s and one of Memory."""
    shown = [float(number(figures[f"Sessions/s: {what}"]).replace(",", "")) for what in _COLUMNS.values()]
    memory = float(number(figures["Memory: 10 messages"]))
    lines = [["A host of 2 processors", *_COLUMNS]]
    lines.append(["Sessions a second, at most", *(number(each) for each in shown)])
    lines.append([f"The same, planned: divided by {PEAK}", *(number(each / PEAK) for each in shown)])
    for poll_s in POLLS_S:
        users = [users_of_a_host(each, poll_s) for each in shown]
        lines.append([f"Users whose clients poll every {poll_s // 60} minutes", *(f"{each:,}" for each in users)])
        for mailboxes in MAILBOXES:
            hosts = (f"{math.ceil(mailboxes / each):,}" for each in users)
            lines.append([f"Hosts for {mailboxes:,} of them", *hosts])
    together = [math.ceil(each * SESSION_S) for each in shown]
    lines.append([f"Sessions at once, of {SESSION_S} s each", *(f"{each:,}" for each in together)])
    lines.append([f"Their memory, {number(memory)} MB each", *(f"{each * memory:,.0f} MB" for each in together)])
    return columns(lines)


def rewritten(page: str, figures: Mapping[str, float]) -> str:
    """The page with its table as the figures have it. ValueError if its place is not marked."""
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return page[:start] + "\n" + table(figures) + "\n" + page[end:]


def write(place: Path) -> None:
    """Write the table into the page in a directory that also has bench.json; without such a page, nothing."""
    page = place / "SCALE.md"
    if page.exists():
        page.write_text(rewritten(page.read_text(), medians((place / "bench.json").read_text())))


if __name__ == "__main__":
    write(DOCS)
