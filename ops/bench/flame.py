"""A flame graph as one small SVG: `python -m ops.bench.flame TITLE < stacks > picture.svg`.

Stacks come folded, one a line, as `py-spy record --gil --format raw` writes them. Of a frame only file and function
are kept: no path of the machine, no line number. What is narrower than half a percent is left out.
"""

from __future__ import annotations

import re
import sys
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH, ROW, TOP, CHAR = 1200, 17, 28, 6.6
SHARE_MIN = 0.005
_FRAME = re.compile(r"^(?P<function>.*) \((?P<file>[^()]*?)(?::\d+)?\)$")
_PLACE = re.compile(r"^.*(?:site-packages|lib/python3\.\d+)/|^/.*?/(?=(?:app|workers|loadtests|ops)/)")
_STYLE = "text{font:11px ui-monospace,monospace;fill:#222}.t{font:600 14px system-ui,sans-serif}rect{stroke:#fff}"
# Whose code it is, by the beginning of the module's path.
COLOURS = {"app/": "#9fd3b0", "litestar/": "#f2b48c", "uvicorn/": "#f5dd90", "": "#d5d8dd"}


class Node:
    """A function and what it called."""

    def __init__(self) -> None:
        self.samples = 0
        self.called: dict[str, Node] = {}


class Box(NamedTuple):
    """One rectangle: depth, left edge and width as shares, and its words."""

    depth: int
    left: float
    share: float
    name: str


def name_of(frame: str) -> str:
    """Return file and function of a frame, whatever folder it was run in."""
    found = _FRAME.match(frame)
    if found is None:
        return frame
    return f"{_PLACE.sub('', found['file'])}: {found['function']}"


def grow(lines: Iterable[str], root_frame: str = "run_asgi") -> Node:
    """Return the tree of what the event loop has called; the loop itself, which may be waiting, does not count."""
    root = Node()
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        if not count.isdigit() or "_bootstrap" in stack:
            continue
        frames = [name_of(frame) for frame in stack.split(";")]
        start = next((i for i, frame in enumerate(frames) if frame.endswith(root_frame)), None)
        above = max((i for i, frame in enumerate(frames) if frame.startswith("asyncio/runners")), default=-1) + 1
        called = frames[above if start is None else start :]
        node = root
        node.samples += int(count) if called else 0
        for frame in called:
            node = node.called.setdefault(frame, Node())
            node.samples += int(count)
    return root


def boxes(root: Node) -> list[Box]:
    """Return what is drawn, the widest first on each level."""
    found: list[Box] = []
    waiting = [(root, 0, 0.0)]
    while waiting:
        node, depth, left = waiting.pop()
        for name, child in sorted(node.called.items(), key=lambda item: -item[1].samples):
            share = child.samples / root.samples
            if share >= SHARE_MIN:
                found.append(Box(depth, left, share, name))
                waiting.append((child, depth + 1, left))
            left += share
    return found


def draw(title: str, lines: Iterable[str]) -> str:
    """Return the picture."""
    root = grow(lines)
    found = boxes(root)
    height = TOP + ROW * (1 + max((box.depth for box in found), default=0)) + 4
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    words = f"{title} ({root.samples:,} samples)"
    parts = [head, f"<title>{escape(words)}</title><style>{_STYLE}</style>"]
    parts += ['<rect width="100%" height="100%" fill="#fff"/>', f'<text class="t" x="4" y="18">{escape(words)}</text>']
    for depth, left, share, name in found:
        x, y, width = WIDTH * left, TOP + ROW * depth, WIDTH * share
        colour = next(colour for begin, colour in COLOURS.items() if name.startswith(begin))
        tip = escape(f"{name} {100 * share:.1f} %")
        rect = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" fill="{colour}"/>'
        short = name.rpartition(": ")[2][: int(width / CHAR)]
        label = f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(short)}</text>' if len(short) > 2 else ""
        parts.append(f"<g><title>{tip}</title>{rect}{label}</g>")
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    sys.stdout.write(draw(sys.argv[1], sys.stdin))
