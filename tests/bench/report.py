"""What was found, for people and programs: statistics, the table, JSON, charts and the page. No clock, no servers."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench import chart, page

COLUMNS = ("popa3d", "C popa3d", "Dovecot", "bare Python")  # the names of servers.py, which needs root's modules
HEADS = ("popa3d", "C popa3d", "Dovecot", "Python", "to C", "to Dovecot", "to Python")


class Row(NamedTuple):
    """One measurement. figures: by server, all that was measured, in `unit`. more: whether more is better."""

    group: str
    what: str
    unit: str
    figures: dict[str, list[float]]
    more: bool = False


class Stat(NamedTuple):
    """The median, the quartiles and how many there were."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles, in parts of the median."""
        return (self.high - self.low) / 2 / abs(self.median) if self.median else 0.0


def stat(values: Sequence[float]) -> Stat:
    """Of at least one value."""
    if len(values) == 1:
        return Stat(values[0], values[0], values[0], 1)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Stat(median, low, high, len(values))


def number(value: float) -> str:
    """Three digits that count, without exponents."""
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}"


_TOO_WIDE = 0.5  # parts of the median: nothing to be seen


def ratio(row: Row, peer: str) -> float | None:
    """How many times better popa3d is than `peer`: half the time, memory, or twice the rate, is 2. None if it cannot be said."""
    if not (row.figures.get(COLUMNS[0]) and row.figures.get(peer)):
        return None
    ours, theirs = stat(row.figures[COLUMNS[0]]), stat(row.figures[peer])
    if min(ours.median, theirs.median) <= 0 or max(ours.spread, theirs.spread) > _TOO_WIDE:
        return None
    return ours.median / theirs.median if row.more else theirs.median / ours.median


def _cell(row: Row, server: str) -> str:
    if not row.figures.get(server):
        return ""
    found = stat(row.figures[server])
    return f"{number(found.median)} ±{min(found.spread, 9.99) * 100:.0f}%"


def table(rows: Sequence[Row]) -> str:
    """All in one, padded, so that it can be read as it is and as Markdown."""
    lines = [["", *HEADS]]
    for row in rows:
        ratios = [ratio(row, peer) for peer in COLUMNS[1:]]
        cells = [_cell(row, server) for server in COLUMNS]
        name = row.group if row.unit in row.group or (row.unit == "1/s" and "/s" in row.group) else f"{row.group}, {row.unit}"
        lines.append([f"{name}: {row.what}", *cells, *("" if r is None else f"{r:.2f}" for r in ratios)])
    return columns(lines)


def columns(lines: Sequence[Sequence[str]]) -> str:
    """A table whose first line is its head and whose first column its names."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [
        [cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(line, widths, strict=True))]
        for line in (lines[0], rule, *lines[1:])
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in padded)


def as_json(rows: Sequence[Row], facts: dict[str, str]) -> str:
    """Everything that was measured."""
    found = [
        {
            "group": row.group,
            "what": row.what,
            "unit": row.unit,
            "better": "more" if row.more else "less",
            "servers": {
                server: stat(values)._asdict() | {"values": [round(value, 6) for value in values]}
                for server, values in row.figures.items()
                if values
            },
        }
        for row in rows
    ]
    return json.dumps({"facts": facts, "rows": found}, indent=1, ensure_ascii=False) + "\n"


def _bars(rows: Sequence[Row]) -> list[tuple[str, list[chart.Bar]]]:
    bars = []
    for row in rows:
        stats = [(server, stat(row.figures[server])) for server in COLUMNS if row.figures.get(server)]
        bars.append((row.what, [chart.Bar(server, max(0.0, s.median), s.low, s.high, number(s.median)) for server, s in stats]))
    return bars


def _growth(rows: Sequence[Row]) -> str:
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        size, _, phase = row.what.partition(" MB, ")
        for server, values in row.figures.items():
            lines.setdefault((server, phase), []).append((float(size.replace(",", "")), stat(values).median / 1000))
    drawn = [
        chart.Line(server, phase, sorted(points), dashed="again" in phase)
        for (server, phase), points in lines.items()
        # C popa3d keeps nothing: its second time is its first
        if not (server == COLUMNS[1] and "again" in phase)
    ]
    return chart.lines("Opening a mailbox: seconds by megabytes", drawn)


def _slug(group: str) -> str:
    return f"bench-{group.lower().replace('/', '-')}"


def charts(rows: Sequence[Row]) -> dict[str, str]:
    """File names and SVG texts: one chart for each group and unit."""
    found = {}
    for group in dict.fromkeys(row.group for row in rows):
        of_group = [row for row in rows if row.group == group]
        if group == "Growth":
            found[f"{_slug(group)}.svg"] = _growth(of_group)
            continue
        units = list(dict.fromkeys(row.unit for row in of_group))
        for unit in units:
            name = f"{_slug(group)}{'-' + unit.lower().replace('/', '-') if len(units) > 1 else ''}.svg"
            some = [row for row in of_group if row.unit == unit]
            meaning = f"{page.UNITS.get(unit, unit)}; {'more' if some[0].more else 'less'} is better"
            found[name] = chart.bars(f"{page.TITLES.get(group, group)} ({meaning})", _bars(some))
    return found


def write(place: Path, rows: Sequence[Row], facts: dict[str, str], failures: Sequence[str], imports: str = "") -> None:
    """The page BENCHMARKS.md, bench.json and the charts, into the directory `place`."""
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("bench-*.svg"):
        old.unlink()
    drawn = charts(rows)
    for name, text in drawn.items():
        (place / name).write_text(text)
    (place / "bench.json").write_text(as_json(rows, facts))
    groups = {group: [name for name in drawn if name.startswith(_slug(group))] for group in page.GROUPS}
    (place / "BENCHMARKS.md").write_text(page.text(table(rows), facts, groups, failures, imports))
