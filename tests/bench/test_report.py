"""The benchmark's statistics, table, charts and page, on made-up figures: no server, no clock."""

from __future__ import annotations

import functools
import itertools
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.bench import chart, page, scale
from tests.bench.__main__ import CASES
from tests.bench.measure import interleave
from tests.bench.report import COLUMNS, Row, number, ratio, stat, table, write
from tests.bench.servers import BARE, DOVECOT, OURS, C

TIMES = Row("Poll", "no <PAM> & so", "ms", {OURS: [10, 30, 20, 50, 40], C: [15.0], DOVECOT: [], BARE: [1, 2, 3]})
RATES = Row("RETR", "6 kB messages", "MB/s", {OURS: [400.0, 400.0], DOVECOT: [100.0]}, more=True)
GROWTH = [
    Row("Growth", f"{size} MB, {phase}", "ms", {OURS: [size * 2.0, size * 3.0], C: [size * 1.0]})
    for size in (15, 30, 60, 120)
    for phase in ("first time", "again")
]
ROWS = [TIMES, RATES, *GROWTH]


def test_the_median_and_the_quartiles() -> None:
    """They do not depend on the order; one value is its own median and has no spread."""
    assert stat([10, 30, 20, 50, 40]) == (30, 20, 40, 5)
    assert stat([10, 30, 20, 50, 40]).spread == pytest.approx(1 / 3)
    assert stat([7.0]) == (7, 7, 7, 1)
    assert stat([0.0, 0.0]).spread == 0


def test_above_one_is_better() -> None:
    """Half the time, or twice the rate; and nothing is said where nothing was measured, or nothing can be divided."""
    assert ratio(TIMES, C) == pytest.approx(0.5)
    assert ratio(RATES, DOVECOT) == pytest.approx(4)
    assert ratio(Row("Growth", "", "ms", {OURS: [0.01, 0.1, 2.0], DOVECOT: [5.0]}), DOVECOT) is None  # too wide
    assert ratio(TIMES, DOVECOT) is None
    assert ratio(RATES, C) is None
    assert ratio(TIMES._replace(figures={OURS: [-0.1], C: [1.0]}), C) is None


@pytest.mark.parametrize(("value", "words"), [(0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")])
def test_numbers_for_people(value: float, words: str) -> None:
    """Three digits that count, or all before the point."""
    assert number(value) == words


def test_the_table_is_one() -> None:
    """A head, a rule, a line for each row; all lines have the same columns at the same places."""
    lines = table(ROWS).splitlines()
    assert len(lines) == 2 + len(ROWS)
    assert len({tuple(i for i, letter in enumerate(line) if letter == "|") for line in lines}) == 1
    assert "30.0 ±33%" in lines[2] and " 0.50 " in lines[2] and "Poll, ms: no <PAM> & so" in lines[2]


def test_the_columns_are_the_servers() -> None:
    """report.py has their names, and page.py says something of each group that is measured."""
    assert COLUMNS == (OURS, C, DOVECOT, BARE)
    assert list(page.GROUPS) == list(page.TITLES) == list(CASES)


def test_what_is_written(tmp_path: Path) -> None:
    """The page links each chart and holds the table and what failed; JSON has each value; each chart is one picture."""
    (tmp_path / "bench-old.svg").write_text("of an earlier run")
    write(tmp_path, ROWS, {"Kernel": "6.1"}, ["Login: it was refused"], "| a module | 0.12 |\n")
    text = (tmp_path / "BENCHMARKS.md").read_text()
    drawings = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert drawings == ["bench-growth.svg", "bench-poll.svg", "bench-retr.svg"]
    assert all(f"({name})" in text for name in drawings)
    assert "| a module | 0.12 |\n" in text
    assert table(ROWS) in text and "- Kernel: 6.1\n" in text and "Login: it was refused" in text
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found["rows"][0]["servers"][OURS]["values"] == [10, 30, 20, 50, 40]
    assert found["rows"][1]["better"] == "more"
    for name in drawings:
        root = ElementTree.parse(tmp_path / name).getroot()  # well-formed, whatever the names are
        width, height = (float(root.attrib[key]) for key in ("width", "height"))
        for box in root.iter("{http://www.w3.org/2000/svg}rect"):
            assert 0 <= float(box.attrib["x"]) <= float(box.attrib["x"]) + float(box.attrib["width"]) <= width
            assert 0 <= float(box.attrib["y"]) <= float(box.attrib["y"]) + float(box.attrib["height"]) <= height


@pytest.mark.parametrize("top", [0, 0.003, 0.9, 1, 7, 9.9, 120, 350, 1e6])
def test_ticks_are_few_and_reach_the_top(top: float) -> None:
    """From zero in equal steps."""
    found = chart.ticks(top)
    assert found[0] == 0 and found[-1] >= top and 2 <= len(found) <= 9
    assert len({round(b - a, 9) for a, b in itertools.pairwise(found)}) == 1


def test_labels_do_not_lie_on_each_other() -> None:
    """Lines that end at the same place are named above each other, inside the chart."""
    same = [chart.Line(server, "again", [(1, 1), (2, 0)]) for server in (OURS, C, DOVECOT)]
    root = ElementTree.fromstring(chart.lines("Three", same))
    heights = sorted(float(t.attrib["y"]) for t in root.iter("{http://www.w3.org/2000/svg}text") if "again" in (t.text or ""))
    assert len(heights) == 3 and all(b - a >= 16 for a, b in itertools.pairwise(heights))
    assert heights[-1] < float(root.attrib["height"])


def test_rounds_take_turns() -> None:
    """A B C, A B C; and what the first rounds say is forgotten."""
    seen: list[str] = []

    def subject(name: str) -> int:
        seen.append(name)
        return len(seen)

    subjects = {name: functools.partial(subject, name) for name in "ABC"}
    assert interleave(2, subjects, warm=1) == {"A": [4, 7], "B": [5, 8], "C": [6, 9]}
    assert "".join(seen) == "ABCABCABC"


def test_users_and_hosts() -> None:
    """What a table says of users and hosts can be worked out from the figures that it shows."""
    figures = {
        "Sessions/s: Debian PAM, 16 at once, -D": 10.04,
        "Sessions/s: no PAM, 16 at once, -D": 151.4,
        "Memory: 10 messages": 2.0,
    }
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in scale.table(figures).splitlines()]
    assert rows[2:] == [
        ["Sessions a second, at most", "10.0", "151"],
        ["The same, planned: divided by 2", "5.00", "75.5"],
        ["Users whose clients poll every 5 minutes", "1,500", "22,000"],
        ["Hosts for 100,000 of them", "67", "5"],
        ["Hosts for 1,000,000 of them", "667", "46"],
        ["Users whose clients poll every 15 minutes", "4,500", "67,000"],
        ["Hosts for 100,000 of them", "23", "2"],
        ["Hosts for 1,000,000 of them", "223", "15"],
        ["Sessions at once, of 2 s each", "20", "302"],
        ["Their memory, 2.00 MB each", "40 MB", "604 MB"],
    ]


def test_the_table_of_users_and_hosts_is_written(tmp_path: Path) -> None:
    """Into the page SCALE.md beside bench.json, in its place; nowhere if there is no such page."""
    rows = [Row("Sessions/s", f"{pam}, 16 at once, -D", "1/s", {OURS: [20.0]}, more=True) for pam in ("Debian PAM", "no PAM")]
    write(tmp_path, [*rows, Row("Memory", "10 messages", "MB", {OURS: [3.0]})], {}, [])
    scale.write(tmp_path)
    assert not (tmp_path / "SCALE.md").exists()
    (tmp_path / "SCALE.md").write_text(f"before\n{scale.BEGIN}old\n{scale.END}behind\n")
    scale.write(tmp_path)
    text = (tmp_path / "SCALE.md").read_text()
    assert (
        text.startswith(f"before\n{scale.BEGIN}\n| A host") and text.endswith(f"|\n\n{scale.END}behind\n") and "old" not in text
    )
