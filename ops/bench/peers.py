"""`inkfast bench peers`: the save path beside what else one could build, on one machine, in turn, in every round.

From the bottom to the top of what could be expected: one PostgreSQL transaction a request; the same for many requests
at once; this service; a Litestar handler that does nothing; the same behind this service's own way of writing answers;
and the journal's entries alone, by redis-py in pipelines, without HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from loadtests.bench.plan import decode_recorded
from ops.bench.bars import Bar, draw
from ops.bench.report import Ratio, figures, ratios
from ops.bench.rounds import Measured, Round, read, sections_each, spent
from ops.bench.stand import BenchError, Dialogue, RoundError, Served, Stand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ops.bench.report import RoundOf

SAVE, NOOP, NOOP_WHOLE = "save path", "Litestar no-op", "no-op, one write"
DIRECT, BATCHED = "direct", "direct, batched"
PIPELINES = {"redis pipeline, 16": 16, "redis pipeline, 64": 64}  # name -> saves in one; 16 is what the committer makes
NAMES = (DIRECT, BATCHED, SAVE, NOOP, NOOP_WHOLE, *PIPELINES)
NOOP_RATIO_MIN, DIRECT_RATIO_MIN = 0.85, 3.0


class Load(NamedTuple):
    """For so many seconds, over so many connections, in so many rounds."""

    rounds: int
    seconds: float
    connections: int


def compare_peers(load: Load, folder: Path | None, out: Path | None, say: Callable[[str], None]) -> None:
    """Measure all of them, print the tables, and write `peers.svg` and `peers.json` into `out`."""
    handlers = len(NAMES) - len(PIPELINES)
    sections = load.rounds * handlers * load.connections * sections_each(load.seconds, load.connections) + 100
    rounds: list[RoundOf] = []
    with Stand(sections, flush_rows=1_000, folder=folder) as stand:
        say(stand.describe())
        programs = _start(stand)
        for number in range(1, load.rounds + 1):
            try:
                rounds.append(_round(stand, programs, number, load))
            except RoundError as error:
                say(f"round {number} of {load.rounds} does not count: {error}")
            else:
                brief = ", ".join(f"{name} {rounds[-1][name].per_second:,.0f}/s" for name in NAMES)
                say(f"round {number} of {load.rounds}: {brief}")
    if len(rounds) < load.rounds:
        raise BenchError(f"only {len(rounds)} of {load.rounds} rounds could be counted")
    say("\n" + figures(f"{load.connections} connections, saves of 3 edits", "saves", NAMES, rounds))
    say("CPU: seconds for each 1,000 saves; everything: median (least – most) of the rounds\n")
    say(ratios(_ratios(), rounds))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "peers.svg").write_text(chart(rounds))
        (out / "peers.json").write_bytes(msgspec.json.format(msgspec.json.encode(rounds)) + b"\n")


def _start(stand: Stand) -> dict[str, Served]:
    plain = ("loadtests.bench.serve",)
    programs = {
        DIRECT: stand.serve("direct", *plain, "direct", "--fd", "{fd}"),
        BATCHED: stand.serve("batched", *plain, "batched", "--fd", "{fd}"),
        SAVE: stand.serve("api", "app.main", "--fd", "{fd}"),
        NOOP: stand.serve("noop", *plain, "noop", "--fd", "{fd}"),
        NOOP_WHOLE: stand.serve("noop-whole", "ops.bench.app", "--fd", "{fd}"),
    }
    for name, served in programs.items():
        served.wait_ready("/readyz" if name == SAVE else "/")
    return programs


def _round(stand: Stand, programs: dict[str, Served], number: int, load: Load) -> RoundOf:
    """Measure each once; every other round in the opposite order, so that no drift favours one."""
    turn = Round(stand, number, load.seconds)
    done: RoundOf = {}
    for name in NAMES if number % 2 else NAMES[::-1]:
        turn.prepare()
        if name in PIPELINES:
            done[name] = _pipeline(stand, name, load.seconds)
        else:
            program = programs[name]
            done[name] = turn.load(name, program.port, program.pid, load.connections)
    return done


def _pipeline(stand: Stand, name: str, seconds: float) -> Measured:
    dialogue = Dialogue("ops.bench.pipeline", str(PIPELINES[name]), str(seconds), environment=stand.environment)
    meters = stand.meters()
    before = read(meters)
    added = decode_recorded(dialogue.go())
    cpu = spent(before, read(meters), added.rows)
    dialogue.close()
    return Measured(name, added.rows / added.elapsed_s, {"handler": added.cpu_s * 1000 / added.rows, **cpu})


def _ratios() -> list[Ratio]:
    return [
        Ratio("save path : Litestar no-op", SAVE, NOOP, NOOP_RATIO_MIN),
        Ratio("save path : no-op, one write", SAVE, NOOP_WHOLE),
        Ratio("save path : direct", SAVE, DIRECT, DIRECT_RATIO_MIN),
        Ratio("save path : direct, batched", SAVE, BATCHED),
        *(Ratio(f"save path : {name}", SAVE, name) for name in PIPELINES),
    ]


def chart(rounds: Sequence[RoundOf]) -> str:
    """Return both figures as one picture: saves a second, and CPU for 1,000 saves by process."""
    speeds = [Bar(name, [r[name].per_second for r in rounds], name == SAVE) for name in NAMES]
    costs = [Bar(name, [r[name].cpu_sum * 1000 for r in rounds], name == SAVE) for name in NAMES]
    return draw([("saves of 3 edits a second", speeds), ("ms of CPU for 1,000 saves, all processes", costs)])
