"""What `inkfast bench` prints: medians over the rounds, with the least and the most, and ratios within each round."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from ops.bench.snapshots import DISTRICT_BYTES_MAX, DISTRICT_CELLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ops.bench.rounds import Measured, Memory
    from ops.bench.snapshots import SnapshotMemory

RoundOf = dict[str, "Measured"]  # by name
PROCESSES = ("handler", "flusher", "journal", "postgres")


class Ratio(NamedTuple):
    """A comparison within each round. `target`: the least that the median should be, None for information."""

    title: str
    ours: str
    other: str
    target: float | None = None


def spread(values: Iterable[float], digits: int = 0) -> str:
    """Return `median (least – most)`."""
    found = list(values)
    middle, least, most = median(found), min(found), max(found)
    return f"{middle:,.{digits}f} ({least:,.{digits}f} – {most:,.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under their heads, in columns."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join([first, *rest]).rstrip()

    return "\n".join([line(head), *map(line, rows)])


def figures(title: str, unit: str, names: Sequence[str], rounds: Sequence[RoundOf]) -> str:
    """Return the table of contestants: how many a second, their CPU by process, how long an answer took."""
    head = [title, f"{unit}/s", *(f"{name} CPU" for name in PROCESSES), "all CPU", "p50 ms", "p99 ms", "generator"]
    rows = []
    for name in names:
        cells = [r[name] for r in rounds if name in r]
        if not cells:
            continue
        row = [name, spread(c.per_second for c in cells)]
        row += [_median_of(cells, lambda c, p=process: c.cpu.get(p), 3) for process in PROCESSES]  # type: ignore[misc]
        row += [f"{median(c.cpu_sum for c in cells):.3f}"]
        row += [_median_of(cells, lambda c: c.p50_ms, 1), _median_of(cells, lambda c: c.p99_ms, 1)]
        row += [_median_of(cells, lambda c: c.generator_share, 2)]
        rows.append(row)
    used = [i for i in range(len(head)) if i < 2 or any(row[i] not in {"", "0.000"} for row in rows)]
    return table([head[i] for i in used], [[row[i] for i in used] for row in rows])


def _median_of(cells: Sequence[Measured], value: Callable[[Measured], float | None], digits: int) -> str:
    found = [v for v in map(value, cells) if v is not None]
    return f"{median(found):.{digits}f}" if found else ""


def ratios(wanted: Sequence[Ratio], rounds: Sequence[RoundOf]) -> str:
    """Return the table of ratios: of what was done in a second, and of what was done with one CPU-second."""
    rows = []
    for title, ours, other, target in wanted:
        pairs = [(r[ours], r[other]) for r in rounds if ours in r and other in r]
        if not pairs:
            continue
        by_time = [a.per_second / b.per_second for a, b in pairs]
        by_cpu = [b.cpu_sum / a.cpu_sum for a, b in pairs if a.cpu_sum]
        by_handler = [b.cpu["handler"] / a.cpu["handler"] for a, b in pairs if a.cpu["handler"]]
        verdict = "" if target is None else f">= {target:g}: {'met' if median(by_time) >= target else 'MISSED'}"
        rows.append([title, spread(by_time, 2), verdict, *(spread(v, 2) if v else "" for v in (by_handler, by_cpu))])
    return table(["ratio", "a second", "target", "a CPU-second of the process", "a CPU-second of all"], rows)


def memory(found: Memory, target: float) -> str:
    """Return what a drafted edit occupies."""
    verdict = "met" if found.without_positions <= target else "MISSED"
    return (
        f"{found.without_positions:.0f} bytes for each drafted edit of a new cell, stream and head and all "
        f"(target <= {target:g}: {verdict});\n"
        f"{found.with_positions:.0f} with the positions of {found.clients:,} clients; {found.stream:.0f} of it is the "
        f"stream; {found.edits:,} edits in saves of 3"
    )


def snapshots(found: SnapshotMemory) -> str:
    """Return what a recorded cell occupies in the snapshot cache."""
    verdict = "met" if found.district_bytes <= DISTRICT_BYTES_MAX else "MISSED"
    return (
        f"{found.used:.1f} bytes of its memory for each cell, students and columns included, {found.packed:.1f} of "
        f"them the value;\n"
        f"{DISTRICT_CELLS:,} cells take {found.district_bytes / 1e6:,.0f} MB (target <= 2 GiB: {verdict});\n"
        f"{found.cells:,} cells in {found.sections:,} sections, {found.pack_ms:.2f} ms to pack one, "
        f"{found.unpack_ms:.2f} ms to unpack it"
    )


def machine() -> str:
    """Return what this runs on."""
    text = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    load = Path("/proc/loadavg").read_text().split()[0]
    model = f"{models[0]}, " if models else ""
    python = platform.python_version()
    return f"{model}{os.cpu_count()} cores, Python {python}, load average {load} before it began"
