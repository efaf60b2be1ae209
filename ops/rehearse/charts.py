"""Charts as inline SVG, drawn by hand: no script is needed to read them, and colours follow the reader's light or dark.

Every chart of a report has the same width and the same seconds, so that what happened at once stands above each other.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 600, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 12, 26
POINTS_MAX = 300

Point = tuple[float, float]


class Line(NamedTuple):
    """One line: its name, the number of its colour (1 to 6), its points."""

    name: str
    colour: int
    points: Sequence[Point]


class Band(NamedTuple):
    """A fault: from when to when."""

    name: str
    begin: float
    end: float


class Chart(NamedTuple):
    """What is drawn. `stacked`: areas on top of each other; `limit`: a dashed line, with its words."""

    title: str
    unit: str
    lines: Sequence[Line]
    note: str = ""
    stacked: bool = False
    logarithmic: bool = False
    limit: tuple[float, str] | None = None


def thin(points: Sequence[Point]) -> list[Point]:
    """Return at most POINTS_MAX points: of each stretch the highest, so that no peak is lost."""
    if len(points) <= POINTS_MAX:
        return list(points)
    step = len(points) / POINTS_MAX
    stretches = [points[int(at * step) : max(int(at * step) + 1, int((at + 1) * step))] for at in range(POINTS_MAX)]
    return [max(stretch, key=lambda point: point[1]) for stretch in stretches]


def nice_ceiling(value: float) -> float:
    """Return a round number that is not below it."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999999)


def short(value: float) -> str:
    """Write a number for an axis or a legend."""
    if value == 0:
        return "0"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 else f"{value:.1g}"


class _Scale:
    """From figures to pixels."""

    def __init__(self, seconds: float, low: float, high: float, *, logarithmic: bool) -> None:
        self.seconds = max(seconds, 1e-9)
        self.low, self.high = low, high
        self.logarithmic = logarithmic

    def x(self, at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, at / self.seconds))

    def y(self, value: float) -> float:
        span = HEIGHT - TOP - BOTTOM
        if self.logarithmic:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return TOP + span * (1 - min(1.0, max(0.0, share)))

    def ticks(self) -> list[float]:
        if self.logarithmic:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        return [self.high * share / 4 for share in range(5)]


def draw(chart: Chart, seconds: float, bands: Sequence[Band]) -> str:
    """Return a figure element: title, legend, drawing."""
    lines = [line for line in chart.lines if line.points]
    if not lines:
        caption = f"<figcaption>{escape(chart.title)}</figcaption>"
        return f'<figure class="chart">{caption}<p class="none">none</p></figure>'
    layers = _stack(lines) if chart.stacked else [thin(line.points) for line in lines]
    scale = _scale_of(chart, layers, seconds)
    drawn = [*_bands(bands, scale), *_axes(scale, chart.unit)]
    if chart.stacked:
        drawn += _areas(lines, layers, scale)
    else:
        drawn += [_path(points, scale, f"line c{line.colour}") for line, points in zip(lines, layers, strict=True)]
    if chart.limit is not None and scale.low <= chart.limit[0] <= scale.high:
        y = scale.y(chart.limit[0])
        drawn.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text class="limit-words" x="{WIDTH - RIGHT}" y="{y - 4:.1f}">{escape(chart.limit[1])}</text>')
    legend = "".join(f'<span class="key c{line.colour}">{escape(line.name)}</span>' for line in lines)
    note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
    label = f"{chart.title}: {', '.join(line.name for line in lines)}"
    return _figure(chart.title, chart.unit, legend, label, drawn, note)


def _figure(title: str, unit: str, legend: str, label: str, drawn: Sequence[str], note: str) -> str:
    return (
        f'<figure class="chart"><figcaption>{escape(title)} <small>{escape(unit)}</small></figcaption>'
        f'<div class="legend">{legend}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(drawn)}</svg>'
        f"{note}</figure>"
    )


def _scale_of(chart: Chart, layers: Sequence[Sequence[Point]], seconds: float) -> _Scale:
    values = [value for points in layers for _, value in points]
    if chart.limit is not None and chart.limit[0] <= 3 * max(values, default=0):
        values.append(chart.limit[0])
    high = max(values, default=0)
    if not chart.logarithmic:
        return _Scale(seconds, 0.0, nice_ceiling(high), logarithmic=False)
    positive = [value for value in values if value > 0] or [1.0]
    low = 10.0 ** math.floor(math.log10(min(positive)))
    return _Scale(seconds, low, max(low * 10, 10.0 ** math.ceil(math.log10(max(positive)))), logarithmic=True)


def _stack(lines: Sequence[Line]) -> list[list[Point]]:
    """Return each line on top of those before it, all at the same moments: those of which the sum is highest.

    A line that has no point at a moment counts as nothing there.
    """
    moments = sorted({at for line in lines for at, _ in line.points})
    height = dict.fromkeys(moments, 0.0)
    layers = []
    for line in lines:
        own = dict(line.points)
        height = {at: below + own.get(at, 0.0) for at, below in height.items()}
        layers.append([(at, height[at]) for at in moments])
    kept = {at for at, _ in thin(layers[-1])}
    return [[point for point in layer if point[0] in kept] for layer in layers]


def _areas(lines: Sequence[Line], layers: Sequence[Sequence[Point]], scale: _Scale) -> list[str]:
    drawn = []
    below: Sequence[Point] = [(at, 0.0) for at, _ in layers[0]]
    for line, layer in zip(lines, layers, strict=True):
        outline = [*layer, *reversed(below)]
        drawn.append(_path(outline, scale, f"area c{line.colour}", close=True))
        below = layer
    return drawn


def _path(points: Sequence[Point], scale: _Scale, css: str, *, close: bool = False) -> str:
    steps = " L".join(f"{scale.x(at):.1f} {scale.y(value):.1f}" for at, value in points)
    return f'<path class="{css}" d="M{steps}{" Z" if close else ""}"/>'


def _bands(bands: Sequence[Band], scale: _Scale) -> list[str]:
    drawn = []
    for at, band in enumerate(bands):
        x, end = scale.x(band.begin), scale.x(band.end)
        size = f'width="{max(1.5, end - x):.1f}" height="{HEIGHT - TOP - BOTTOM}"'
        drawn.append(f'<rect class="fault" x="{x:.1f}" y="{TOP}" {size}/>')
        drawn.append(
            f'<text class="fault-words" x="{x + 3:.1f}" y="{TOP + 9 + at % 3 * 10}">{escape(band.name)}</text>'
        )
    return drawn


def _axes(scale: _Scale, unit: str) -> list[str]:
    drawn = []
    for tick in scale.ticks():
        y = scale.y(tick)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}">{escape(short(tick))}</text>')
    step = nice_ceiling(scale.seconds / 6)
    at = 0.0
    while at <= scale.seconds:
        x = scale.x(at)
        drawn.append(f'<text class="tick x" x="{x:.1f}" y="{HEIGHT - 8}">{escape(moment(at))}</text>')
        at += step
    drawn.append(f'<text class="unit" x="4" y="{TOP - 2}">{escape(unit)}</text>')
    return drawn[:-1]  # the unit stands in the caption


def moment(seconds: float) -> str:
    """Write a moment of the run."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min" if not rest else f"{minutes}:{rest:02d}"


def draw_percentiles(title: str, unit: str, lines: Sequence[Line], note: str) -> str:
    """Return a chart of durations by percentile: x is the share of the slowest, each step ten times fewer."""
    marks = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
    depth = len(marks) - 1

    def place(percent: float) -> float:
        if percent <= 50:
            return percent / 50
        return min(
            float(depth), 1 - math.log10((100 - percent) / 50) / math.log10(5) if percent <= 90 else _nines(percent)
        )

    moved = [line._replace(points=[(place(percent), value) for percent, value in line.points]) for line in lines]
    values = [value for line in moved for _, value in line.points if value > 0] or [1.0]
    low = 10.0 ** math.floor(math.log10(min(values)))
    scale = _Scale(depth, low, max(low * 10, 10.0 ** math.ceil(math.log10(max(values)))), logarithmic=True)
    drawn = [part for part in _axes(scale, unit) if "tick x" not in part]
    for at, mark in enumerate(marks):
        drawn.append(
            f'<line class="grid" x1="{scale.x(at):.1f}" x2="{scale.x(at):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        drawn.append(f'<text class="tick x" x="{scale.x(at):.1f}" y="{HEIGHT - 8}">{mark:g} %</text>')
    drawn += [_path(line.points, scale, f"line c{line.colour}") for line in moved if line.points]
    legend = "".join(f'<span class="key c{line.colour}">{escape(line.name)}</span>' for line in lines)
    return _figure(title, unit, legend, title, drawn, f'<p class="note">{escape(note)}</p>')


def _nines(percent: float) -> float:
    """Return 2 for 90, 3 for 99, 4 for 99.9."""
    return 1 - math.log10(max(1e-9, 1 - percent / 100))
