"""Charts as SVG, by hand: bars and lines. They bring their own background, light or dark as the reader has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

# Told apart by people who see few colours too; each stands out from both backgrounds.
COLOURS = {"popa3d": "#2f7de1", "C popa3d": "#d9822b", "Dovecot": "#159a80", "bare Python": "#8a929b"}
_STYLE = """<style>
.back{fill:#ffffff;stroke:#d0d7de} .text{fill:#1f2328} .soft{fill:#59636e} .grid{stroke:#d8dee4} .whisker{stroke:#1f2328}
@media (prefers-color-scheme: dark){
.back{fill:#161b22;stroke:#30363d} .text{fill:#e6edf3} .soft{fill:#9198a1} .grid{stroke:#30363d} .whisker{stroke:#e6edf3}}
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;font-size:13px}
.title{font-size:16px;font-weight:600} .group{font-weight:600}
</style>"""
_WIDTH = 820


class Bar(NamedTuple):
    """low, high: the quartiles. label: the value as people read it."""

    server: str
    value: float
    low: float
    high: float
    label: str


class Line(NamedTuple):
    """points: x and y, in the order of x."""

    server: str
    what: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def _colour(server: str) -> str:
    return COLOURS.get(server, COLOURS["bare Python"])


def _text(x: float, y: float, words: str, kind: str = "text", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" viewBox="0 0 {_WIDTH} {height:.0f}" '
    body = [
        head + f'role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        _STYLE,
        f'<rect class="back" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1:.0f}" rx="8"/>',
        _text(20, 30, title, "text title"),
        *parts,
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to `top` or just beyond, four to eight of them."""
    if top <= 0:
        return [0.0, 1.0]
    step = 10.0 ** math.floor(math.log10(top))
    for part in (0.2, 0.5, 1.0, 2.0):
        if top / (step * part) <= 7:
            step *= part
            break
    return [round(i * step, 10) for i in range(math.ceil(top / step - 1e-9) + 1)]


def bars(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Horizontal bars in groups, each with its server's name and its value; a thin line shows the quartiles."""
    left, right = 130.0, 90.0
    top = max((max(bar.value, bar.high) for _, some in groups for bar in some), default=1.0) or 1.0
    scale = (_WIDTH - left - right) / top
    parts, y = [], 52.0
    for name, some in groups:
        parts.append(_text(20, y + 12, name, "text group"))
        y += 20
        for bar in some:
            length = max(1.0, bar.value * scale)
            parts.append(_text(left - 8, y + 13, bar.server, "soft", "end"))
            parts.append(f'<rect x="{left}" y="{y:.1f}" width="{length:.1f}" height="16" rx="2" fill="{_colour(bar.server)}"/>')
            ends = [left + max(0.0, value) * scale for value in (bar.low, bar.high)]
            if ends[1] - ends[0] >= 2:
                whisker = f'<line class="whisker" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y + 8:.1f}" y2="{y + 8:.1f}"/>'
                parts.append(whisker)
            parts.append(_text(max(left + length, ends[1]) + 6, y + 13, bar.label))
            y += 20
        y += 10
    return _svg(y + 8, title, parts)


def _apart(wanted: Sequence[float], distance: float, bottom: float) -> list[float]:
    """Heights for labels, near the wanted ones (in rising order) and `distance` apart, none below `bottom`."""
    placed: list[float] = []
    for y in wanted:
        placed.append(max(y, placed[-1] + distance) if placed else y)
    limit = bottom
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - distance
    return placed


def lines(title: str, drawn: Sequence[Line]) -> str:
    """Lines over a grid from zero, each named at its end."""
    left, right, top, bottom = 60.0, 200.0, 55.0, 365.0
    xs = ticks(max((x for line in drawn for x, _ in line.points), default=1.0))
    ys = ticks(max((y for line in drawn for _, y in line.points), default=1.0))

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x / xs[-1] * (_WIDTH - left - right), bottom - max(0.0, y) / ys[-1] * (bottom - top)

    parts = []
    for tick in ys:
        x, y = at(0, tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{_WIDTH - right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(x - 8, y + 4, f"{tick:g}", "soft", "end"))
    for tick in xs:
        x, y = at(tick, 0)
        parts.append(_text(x, y + 20, f"{tick:g}", "soft", "middle"))
    ends = []
    for line in drawn:
        points = [at(*point) for point in line.points]
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_colour(line.server)}" stroke-width="2.5"{dash}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{_colour(line.server)}"/>' for x, y in points]
        ends.append((points[-1][1], line))
    ends.sort(key=lambda end: end[0])
    for y, (_, line) in zip(_apart([y for y, _ in ends], 17, bottom), ends, strict=True):
        x = _WIDTH - right + 10
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        mark = (
            f'<line x1="{x}" x2="{x + 22}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_colour(line.server)}" stroke-width="2.5"{dash}/>'
        )
        parts += [mark, _text(x + 28, y + 4, f"{line.server}, {line.what}")]
    return _svg(bottom + 40, title, parts)
