"""Bars with their ranges, as one self-contained SVG: readable in a page, on paper, in light and in dark."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from ops.rehearse.charts import nice_ceiling, short

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, LEFT, RIGHT, ROW, BAR, TITLE = 720, 190, 70, 26, 16, 34
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.t{font-weight:600}.b{fill:#8aa6c1}.o{fill:#1f6f4a}"
    ".r{stroke:#333;stroke-width:1.5}.g{stroke:#ccc}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.r{stroke:#ddd}.g{stroke:#555}}"
)


class Bar(NamedTuple):
    """One contestant: its name, a figure of each round, and whether it is ours."""

    name: str
    values: Sequence[float]
    is_ours: bool = False


def draw(panels: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Return a picture of panels under each other; each bar is a median, the line on it the least and the most."""
    parts: list[str] = []
    top = 0.0
    for title, bars in panels:
        parts += _panel(title, bars, top)
        top += TITLE + ROW * len(bars) + 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:g}" role="img">'
    words = "; ".join(title for title, _ in panels)
    return "\n".join([head, f"<title>{escape(words)}</title><style>{_STYLE}</style>", *parts, "</svg>", ""])


def _panel(title: str, bars: Sequence[Bar], top: float) -> list[str]:
    most = nice_ceiling(max(value for bar in bars for value in bar.values))
    scale = (WIDTH - LEFT - RIGHT) / most
    bottom = top + TITLE + ROW * len(bars)
    parts = [f'<text class="t" x="4" y="{top + 20:g}">{escape(title)}</text>']
    parts += [
        f'<line class="g" x1="{LEFT + most * share * scale:g}" y1="{top + TITLE - 6:g}" '
        f'x2="{LEFT + most * share * scale:g}" y2="{bottom:g}"/>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    for number, bar in enumerate(bars):
        y = top + TITLE + ROW * number
        middle, low, high = median(bar.values), min(bar.values), max(bar.values)
        at, colour = y + BAR / 2, "o" if bar.is_ours else "b"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 13:g}" text-anchor="end">{escape(bar.name)}</text>',
            f'<rect class="{colour}" x="{LEFT}" y="{y:g}" width="{middle * scale:.1f}" height="{BAR}"/>',
            f'<line class="r" x1="{LEFT + low * scale:.1f}" y1="{at:g}" x2="{LEFT + high * scale:.1f}" y2="{at:g}"/>',
            f'<text x="{LEFT + high * scale + 6:.1f}" y="{y + 13:g}">{short(middle)}</text>',
        ]
    return parts
