"""`inkfast bench cost`: how the cost of an edit grows with teachers, with API processes, and with journal shards.

Each comparison is of two installations that differ in one thing. Both get the same edits a second over as many sockets,
at the same time, save by save, so that what else the machine does meanwhile slows both alike; or, where it cannot carry
both, in turn, the next round in the opposite order. What is compared is the ratio within a round.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from statistics import median
from threading import Barrier
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from app.settings import Settings
from ops.bench.cost_side import PARTS, Load, Shape, Turn, serving
from ops.bench.report import spread, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ops.bench.cost_side import Side

RISE_MAX: Final = 1.10
ALL: Final = "all of it"
TEACHERS, PROCESSES, SHARDS = GROWTHS = ("teachers", "processes", "shards")
PROCESSES_MANY, SHARDS_MANY = 2, 3
# What everybody typing at once makes (docs/sizing.md): the larger district of a comparison types as it does in life.
EDITS_PER_TEACHER_AND_S: Final = 5_110 / 26_000
EDITS_PER_S_MAX: Final = 2_000.0  # unless it is asked for more: two of them are to leave two cores some rest
RULES_KEPT_S: Final[int] = next(f.default for f in msgspec.structs.fields(Settings) if f.name == "roster_cache_s")

Pair = tuple[Turn, Turn]  # the smaller installation and the larger one, of one round


class Growth(NamedTuple):
    """Two installations that differ in one thing."""

    few: Shape
    many: Shape


class Compared(msgspec.Struct):
    """One comparison, round by round."""

    growth: str
    few: str
    many: str
    rounds: list[Pair]


def growth_of(what: str, teachers: tuple[int, int]) -> Growth:
    """Return what is compared when `what` grows; all but the first comparison are at the smaller number of teachers."""
    few, many = teachers
    if what == PROCESSES:
        return Growth(
            Shape("1 API process", few), Shape(f"{PROCESSES_MANY} API processes", few, api_processes=PROCESSES_MANY)
        )
    if what == SHARDS:
        one = Shape("1 shard", few, is_over_tcp=True)
        return Growth(one, one._replace(name=f"{SHARDS_MANY} shards", shards=SHARDS_MANY))
    return Growth(Shape(f"{few:,} teachers", few), Shape(f"{many:,} teachers", many))


def compare_cost(
    growths: Sequence[str],
    teachers: tuple[int, int],
    rounds: int,
    load: Load,
    *,
    in_turn: bool,
    folder: Path | None,
    say: Callable[[str], None],
) -> list[Compared]:
    """Measure every comparison, print its tables, and return them; every acknowledged edit is in the history."""
    how = "one after the other" if in_turn else "both at the same time"
    say(
        f"{load.edits_per_s:,.0f} edits/s to each for {load.seconds:g} s, over {load.sockets} sockets, "
        f"{how}, {rounds} rounds"
    )
    if load.seconds < RULES_KEPT_S:
        say(f"(sections' rules are read anew after {RULES_KEPT_S} s: how many within so short a turn is chance)")
    done = []
    for what in growths:
        growth = growth_of(what, teachers)
        columns = load.columns(rounds + 1, growth.few.teachers)
        say(f"\n{growth.few.name} and {growth.many.name}, sections of {columns} columns")
        with serving(growth.few, load, columns, folder) as few, serving(growth.many, load, columns, folder) as many:
            found = Compared(what, growth.few.name, growth.many.name, [])
            for number in range(rounds + 1):
                pair = _turns(few, many, number if in_turn else None)
                if number:  # the first one warms both up
                    found.rounds.append(pair)
                    say(f"round {number} of {rounds}: {_brief(pair)}")
            few.audit()
            many.audit()
        say("\n" + cpu_table(found) + "\n\n" + bytes_table(found))
        done.append(found)
    return done


def _turns(few: Side, many: Side, number: int | None) -> Pair:
    """Measure both: at the same time, or in turn, each one first in every other round."""
    if number is None:
        both = Barrier(2)
        with ThreadPoolExecutor(2) as threads:
            turns = [threads.submit(side.turn, both) for side in (few, many)]
            return turns[0].result(), turns[1].result()
    if number % 2:
        return few.turn(), many.turn()
    later = many.turn()
    return few.turn(), later


def _brief(pair: Pair) -> str:
    ratios = ", ".join(f"{part} {pair[1].cpu[part] / pair[0].cpu[part]:.3f}" for part in PARTS)
    waits = " and ".join(f"{turn.p99_ms:.0f}" for turn in pair)
    share = max(turn.generator_share for turn in pair)
    return f"{ratios}; p99 {waits} ms, generator {share:.2f} of a core"


def risen_parts(found: Compared) -> list[str]:
    """Return the parts that take more than they may for an edit of the larger district, by the median."""
    return [part for part in (*PARTS, ALL) if median(_ratios(found.rounds, part)) > RISE_MAX]


def _of(turn: Turn, part: str) -> float:
    return sum(turn.cpu.values()) if part == ALL else turn.cpu[part]


def _ratios(rounds: Sequence[Pair], part: str) -> list[float]:
    return [_of(many, part) / _of(few, part) for few, many in rounds]


def cpu_table(found: Compared) -> str:
    """Return what each part takes of a CPU, on both sides, and the ratio within the rounds."""
    rows = []
    for part in (*PARTS, ALL):
        ratios = _ratios(found.rounds, part)
        verdict = f"<= {RISE_MAX:g}: {'met' if median(ratios) <= RISE_MAX else 'MISSED'}"
        sides = [f"{1000 * median(_of(pair[side], part) for pair in found.rounds):.1f}" for side in (0, 1)]
        rows.append([part, *sides, spread(ratios, 3), verdict if found.growth == TEACHERS else ""])
    return table(["ms of CPU for 1,000 edits", found.few, found.many, "ratio: median (least – most)", "target"], rows)


def bytes_table(found: Compared) -> str:
    """Return what is written, kept and sent for 1,000 edits, on both sides, and the ratio within the rounds."""
    rows = []
    for what in found.rounds[0][0].bytes:
        pairs = [(few.bytes[what], many.bytes[what]) for few, many in found.rounds]
        sides = [f"{median(pair[side] for pair in pairs) / 1000:,.1f}" for side in (0, 1)]
        # A table grows by several pages at once, and in a short turn not at all: then there is nothing to divide by.
        ratios = [many / few for few, many in pairs if few > 0]
        rows.append([what, *sides, spread(ratios, 3) if len(ratios) == len(pairs) else ""])
    return table(["kB for 1,000 edits", found.few, found.many, "ratio: median (least – most)"], rows)
