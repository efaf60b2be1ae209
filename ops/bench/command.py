"""`inkfast bench`: what a durable save costs on this machine, beside the plain alternatives, in one run.

Absolute numbers belong to a machine and its mood. So every contestant is measured in every round, in turn, and what is
compared is the ratio within a round, of requests and of CPU-seconds. docs/benchmarks.md explains each figure.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from ops.arguments import Finite, Folder, NewFile, given
from ops.bench.cost import EDITS_PER_S_MAX, EDITS_PER_TEACHER_AND_S, GROWTHS, TEACHERS, compare_cost, risen_parts
from ops.bench.cost import RISE_MAX as COST_RISE_MAX
from ops.bench.cost_side import Load as CostLoad
from ops.bench.openings import compare_openings
from ops.bench.peers import DIRECT_RATIO_MIN, NOOP_RATIO_MIN, compare_peers
from ops.bench.peers import Load as PeersLoad
from ops.bench.report import Ratio, RoundOf, figures, machine, memory, ratios, snapshots
from ops.bench.rounds import Contestants, Memory, Round, contestants, measure_memory, sections_needed
from ops.bench.servers import compare_servers
from ops.bench.snapshots import SnapshotMemory, measure_snapshots
from ops.bench.stand import BenchError, RoundError, Stand
from ops.bench.steady import LATE_SHARE_MAX, RISE_MAX, compare_steady
from ops.bench.steady import Load as SteadyLoad

if TYPE_CHECKING:
    from collections.abc import Sequence

STEADY_EDITS_PER_S = 600.0
TEACHERS_MAX = 1_000_000
WRITES_JSON = {"all", "save", "memory", "cost"}
# Which of them heed an option, by the name of its parameter; what is not here all of them do.
TAKES_TURNS = {"all", "save", "peers", "servers", "steady", "openings", "cost"}
COMPARES_CHECKOUTS = {"steady", "openings"}
HEEDED_BY = {
    "rounds": TAKES_TURNS,
    "seconds": TAKES_TURNS,
    "connections": TAKES_TURNS - {"servers", "openings"},
    "flush_rows": {"all", "save", "steady", "cost"},
    "memory_edits": {"all", "memory"},
    "before": COMPARES_CHECKOUTS,
    "rate": {"steady", "cost"},
    "teachers": {"cost"},
    "growths": {"cost"},
    "in_turn": {"cost"},
    "out": {"peers"},
}
ONE_CROWD = {"peers", "steady", "cost"}  # of --connections they take one
SET_BY_SHORT = {"rounds", "seconds", "connections", "flush_rows", "memory_edits", "rate", "teachers"}
FLUSHERS = ("flusher", "flusher, 1 lane")
COPY_RATIO_MIN, MEMORY_BYTES_MAX = 0.5, 320


class Wanted(NamedTuple):
    """The options of `inkfast bench`."""

    what: str
    rounds: int
    seconds: float
    connections: tuple[int, ...]
    flush_rows: int
    memory_edits: int
    short: bool
    folder: Path | None
    json_path: Path | None
    before: Path | None
    rate: float | None
    out: Path | None
    teachers: tuple[int, int]
    growths: tuple[str, ...]
    in_turn: bool


class TwoNumbers(click.ParamType[tuple[int, int]]):
    """Two numbers with a comma between them, the smaller one first."""

    name = "FEW,MANY"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return them, or say what is wanted."""
        if isinstance(value, tuple):
            return value
        few, _, many = value.partition(",")
        if not (few.isdecimal() and many.isdecimal() and 0 < int(few) <= int(many) <= TEACHERS_MAX):
            self.fail(f"{value} is not two numbers such as 1000,26000", param, ctx)
        return int(few), int(many)


@click.command()
@click.argument(
    "what",
    type=click.Choice(("all", "save", "memory", "peers", "servers", "steady", "openings", "cost")),
    default="all",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=7, show_default=True, help="Rounds; each measures everything."
)
@click.option("--seconds", type=Finite(0.2), default=4.0, show_default=True, help="Of load, for each cell.")
@click.option(
    "--connections",
    type=click.IntRange(1, 2000),
    multiple=True,
    default=(64, 256),
    show_default=True,
    help="Teachers who save at once; may be given several times.",
)
@click.option("--flush-rows", type=click.IntRange(10), default=1000, show_default=True, help="Edits in one flush.")
@click.option(
    "--memory-edits",
    type=click.IntRange(3000),
    default=300_000,
    show_default=True,
    help="Edits to fill the journal with, and cells for the snapshot cache.",
)
@click.option("--short", is_flag=True, help="One tiny round, to see that it works; its figures mean nothing.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the servers' files go: the disk that is measured.  [default: /tmp]",
)
@click.option("--json", "json_path", type=NewFile(), help="Also write every figure here.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="For steady and openings: another checkout of the repository, to compare with.",
)
@click.option(
    "--rate",
    type=Finite(1),
    help="For steady and cost: edits a second to each side.  [default: 600; for cost what MANY type, 2,000 at most]",
)
@click.option("--teachers", type=TwoNumbers(), default="1000,26000", show_default=True, help="For cost: how many type.")
@click.option(
    "--by",
    "growths",
    type=click.Choice(GROWTHS),
    multiple=True,
    default=GROWTHS,
    show_default=True,
    help="For cost: what grows; may be given several times.",
)
@click.option(
    "--in-turn", is_flag=True, help="For cost: one side after the other, where the machine cannot carry both."
)
@click.option(
    "--out", type=Folder(file_okay=False, path_type=Path), help="For peers: folder for the chart and the figures."
)
def bench(**options: object) -> None:
    """Measure the save path, the flusher and the journal's memory on this machine, against the plain alternatives.

    \b
    all      save and memory (the default)
    save     saves against a no-op handler and a direct-to-PostgreSQL one, and the flusher against a bare COPY
    memory   bytes of the journal's server for each drafted edit, and of the snapshot cache for each recorded cell
    peers    saves against direct writes, batched direct writes, no-op handlers and a plain redis pipeline; a chart
    servers  granian and uvicorn, and what happens to both when a worker is killed
    steady   CPU for 1,000 edits at a fixed rate, against another checkout (--before), pair by pair
    openings CPU for 1,000 openings of sections, in the same way
    cost     CPU and bytes for 1,000 edits by part, and how both grow with teachers, API processes, journal shards

    It starts servers of its own in a temporary directory, as durable as in production, and leaves nothing behind.
    """  # noqa: D301 -- \b is click's mark for "do not wrap"
    wanted = Wanted(**options)  # type: ignore[arg-type]  # click has checked them
    if wanted.short:
        wanted = wanted._replace(rounds=1, seconds=0.4, connections=(8,), flush_rows=100, memory_edits=3000, rate=300)
        wanted = wanted._replace(teachers=(16, 48))
    _check(wanted)
    runs_on = machine()
    click.echo(runs_on)
    if wanted.what == "servers":
        compare_servers(wanted.rounds, wanted.seconds, wanted.folder, click.echo)
        return
    if wanted.before is not None:  # these need it, and nothing else heeds it
        (_steady if wanted.what == "steady" else _openings)(wanted, wanted.before)
        return
    if wanted.what == "cost":
        _cost(wanted, runs_on)
        return
    if wanted.what == "peers":
        compare_peers(
            PeersLoad(wanted.rounds, wanted.seconds, wanted.connections[0]), wanted.folder, wanted.out, click.echo
        )
        return
    needed = sections_needed(wanted.rounds, wanted.seconds, wanted.connections, wanted.memory_edits)
    rounds: list[RoundOf] = []
    found: Memory | None = None
    kept: SnapshotMemory | None = None
    with Stand(needed, flush_rows=wanted.flush_rows, folder=wanted.folder) as stand, contestants(stand) as programs:
        click.echo(stand.describe())
        if wanted.what in {"all", "save"}:
            rounds = _rounds(stand, programs, wanted)
            _report_rounds(wanted, rounds)
        if wanted.what in {"all", "memory"}:
            found = measure_memory(stand, programs.save, wanted.memory_edits)
            click.echo("\n(d) journal's memory: " + memory(found, MEMORY_BYTES_MAX))
            kept = measure_snapshots(stand.folder, wanted.memory_edits)
            click.echo("\n(e) snapshot cache: " + snapshots(kept))
    if wanted.json_path is not None:
        everything = {"rounds": rounds, "memory": found._asdict() if found else None}
        everything["snapshots"] = kept._asdict() if kept else None
        wanted.json_path.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    if wanted.what in {"all", "save"} and len(rounds) < wanted.rounds:
        raise BenchError(f"only {len(rounds)} of {wanted.rounds} rounds could be counted")


def _check(wanted: Wanted) -> None:
    """Refuse at the beginning what would be found out after an hour."""
    if wanted.json_path is not None and wanted.what not in WRITES_JSON:
        raise click.UsageError(f"{wanted.what} writes no --json ({', '.join(sorted(WRITES_JSON))} do; peers has --out)")
    for name, heeding in HEEDED_BY.items():
        if wanted.what not in heeding and (unheeded := given({name})):
            raise click.UsageError(
                f"{unheeded[0]} is for {', '.join(sorted(heeding))}: {wanted.what} would not heed it"
            )
    if wanted.short and (unheeded := given(SET_BY_SHORT)):
        raise click.UsageError(f"--short says how much, and would not heed {unheeded[0]}")
    if wanted.what in ONE_CROWD and given({"connections"}) and len(wanted.connections) > 1:
        raise click.UsageError(f"{wanted.what} takes one number of --connections")
    if wanted.what in COMPARES_CHECKOUTS and wanted.before is None:
        raise click.UsageError(f"{wanted.what} needs --before: what is it to be compared with?")
    if wanted.before is not None and not (wanted.before / "app" / "main.py").is_file():
        raise click.UsageError(f"--before {wanted.before}: that is no checkout of this repository")
    if wanted.out is not None:
        try:
            wanted.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"--out {wanted.out}: {error.strerror}") from error


def _steady(wanted: Wanted, before: Path) -> None:
    load = SteadyLoad(wanted.rate or STEADY_EDITS_PER_S, wanted.seconds, wanted.connections[0], _late_share_max(wanted))
    risen = compare_steady(
        before, wanted.rounds, load, flush_rows=wanted.flush_rows, folder=wanted.folder, say=click.echo
    )
    _refuse_risen(wanted, risen)


def _openings(wanted: Wanted, before: Path) -> None:
    risen = compare_openings(before, wanted.rounds, wanted.seconds, folder=wanted.folder, say=click.echo)
    _refuse_risen(wanted, risen)


def _refuse_risen(wanted: Wanted, risen: Sequence[str]) -> None:
    if risen and not wanted.short:
        raise BenchError(f"more than {RISE_MAX:g} times the CPU of before: {', '.join(risen)}")


def _late_share_max(wanted: Wanted) -> float:
    """Return how late a turn may be: more, and it has waited for the service. In a short one that is a mere hiccup."""
    return math.inf if wanted.short else LATE_SHARE_MAX


def _cost(wanted: Wanted, runs_on: str) -> None:
    rate = wanted.rate or min(wanted.teachers[1] * EDITS_PER_TEACHER_AND_S, EDITS_PER_S_MAX)
    load = CostLoad(rate, wanted.seconds, wanted.connections[0], wanted.flush_rows, _late_share_max(wanted))
    found = compare_cost(
        wanted.growths,
        wanted.teachers,
        wanted.rounds,
        load,
        in_turn=wanted.in_turn,
        folder=wanted.folder,
        say=click.echo,
    )
    if wanted.json_path is not None:
        everything = {"machine": runs_on, "load": load._asdict(), "compared": found}
        wanted.json_path.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    risen = [part for each in found if each.growth == TEACHERS for part in risen_parts(each)]
    if risen and not wanted.short:
        raise BenchError(
            f"an edit of many teachers takes more than {COST_RISE_MAX:g} times the CPU: {', '.join(risen)}"
        )


def _rounds(stand: Stand, programs: Contestants, wanted: Wanted) -> list[RoundOf]:
    rounds: list[RoundOf] = []
    for number in range(1, wanted.rounds + 1):
        try:
            rounds.append(_round(stand, programs, number, wanted))
        except RoundError as error:
            click.echo(f"round {number} of {wanted.rounds} does not count: {error}")
        else:
            click.echo(f"round {number} of {wanted.rounds}: {_brief(rounds[-1])}")
    if not rounds:
        raise BenchError("no round could be counted")
    return rounds


def _round(stand: Stand, programs: Contestants, number: int, wanted: Wanted) -> RoundOf:
    """Measure every contestant once; every other round in the opposite order, so that no drift favours one."""
    turn = Round(stand, number, wanted.seconds)
    turn.prepare()
    done: RoundOf = {}
    contestants_of = (("no-op", programs.noop), ("save", programs.save), ("direct", programs.direct))
    for at, count in enumerate(wanted.connections):
        for name, program in contestants_of if number % 2 else contestants_of[::-1]:
            cell = f"{name} {count}"
            done[cell] = turn.load(cell, program.port, program.pid, count, is_save=program is programs.save)
        # The saves of the first are recorded by the flusher as it is, those of the second by a single lane of it.
        if at < len(FLUSHERS):
            done[FLUSHERS[at]] = turn.flush(FLUSHERS[at], lanes=at or None)
    done["copy"] = turn.copy()
    done["save + flusher"] = turn.load_and_record("save + flusher", programs.save, wanted.connections[0])
    return done


def _brief(done: RoundOf) -> str:
    return ", ".join(f"{name} {cell.per_second:,.0f}/s" for name, cell in done.items())


def _report_rounds(wanted: Wanted, rounds: Sequence[RoundOf]) -> None:
    for count in wanted.connections:
        names = [f"{name} {count}" for name in ("no-op", "save", "direct")]
        if count == wanted.connections[0]:
            names.append("save + flusher")
        click.echo("\n" + figures(f"{count} connections", "requests", names, rounds))
    click.echo("\n" + figures(f"{wanted.flush_rows:,} rows a flush", "rows", (*FLUSHERS, "copy"), rounds))
    click.echo("CPU: seconds for each 1,000 requests or rows; everything: median (least – most) of the rounds\n")
    click.echo(ratios(_ratios(wanted.connections), rounds))


def _ratios(connections: Sequence[int]) -> list[Ratio]:
    # The targets are for the first number of connections; the others are there to be seen.
    wanted = []
    for at, count in enumerate(connections):
        is_first = at == 0
        wanted += [
            Ratio(
                f"(a) save : no-op, {count}", f"save {count}", f"no-op {count}", NOOP_RATIO_MIN if is_first else None
            ),
            Ratio(
                f"(b) save : direct, {count}",
                f"save {count}",
                f"direct {count}",
                DIRECT_RATIO_MIN if is_first else None,
            ),
        ]
    wanted.append(Ratio("(c) flusher : bare COPY", "flusher", "copy", COPY_RATIO_MIN))
    wanted.append(Ratio("    one lane of it", "flusher, 1 lane", "copy"))
    wanted.append(Ratio("save, flusher beside it : alone", "save + flusher", f"save {connections[0]}"))
    return wanted
