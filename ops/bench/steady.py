"""What steady running costs, of two checkouts: CPU-seconds for 1,000 edits that come at a fixed rate.

A rate at which nothing waits, so that both sides see the same batches; under full load each would make its own. Each
side has servers of its own, with its own schema. Both get the same load at the same time, save by save, so that what
else the machine does meanwhile slows both alike; the ratio is taken within each such pair, and the median over the
pairs is the result. Time on the CPU is read from `schedstat`, in nanoseconds: ticks are a hundredth of a second, a
percent of what a turn takes.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from threading import Barrier
from typing import TYPE_CHECKING, Final, NamedTuple

import redis

from app.drafts.keys import STREAM
from loadtests.bench.plan import EDITS_PER_SAVE, Plan, decode_result, encode
from ops.bench.report import spread, table
from ops.bench.rounds import read, spent
from ops.bench.stand import COLUMNS, READY_S_MAX, ROOT, BenchError, Dialogue, Stand, children_of
from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ops.bench.rounds import Meters

RISE_MAX: Final = 1.05
BEFORE, AFTER = "before", "after"
LATE_SHARE_MAX: Final = 1.02  # of the time that the load was to take: more, and it waited for the service
MIGRATE_S_MAX: Final = 60

Turn = dict[str, float]  # CPU-seconds for 1,000 edits, by part


class Load(NamedTuple):
    """Edits a second, for so many seconds, typed by so many teachers."""

    edits_per_s: float
    seconds: float
    teachers: int
    late_share_max: float = LATE_SHARE_MAX

    @property
    def saves(self) -> int:
        """How many saves a turn consists of."""
        return int(self.edits_per_s * self.seconds / EDITS_PER_SAVE)


class CheckoutStand(Stand):
    """A stand whose programs and schema are those of another checkout of the repository."""

    root: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are given: their modules are found there, and not where they are started."""
        return super().environment | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(self.root)}

    def meters(self) -> Meters:
        """Return what shows the seconds that both servers have been on a CPU, by `schedstat`."""
        return {
            "journal": lambda: on_cpu_s(self.valkey.pid),
            "PostgreSQL": lambda: sum(on_cpu_s(pid) for pid in (self.postgres.pid, *children_of(self.postgres.pid))),
        }

    def migrate(self) -> None:
        """Bring the database to the schema of the checkout."""
        command = [sys.executable, "-m", "ops.cli", "migrate"]
        done = subprocess.run(
            command, env=self.environment, cwd=self.root, capture_output=True, text=True, check=False,
            timeout=MIGRATE_S_MAX,
        )  # fmt: skip
        if done.returncode != 0:
            raise BenchError(f"the schema of {self.root}: {done.stderr.strip()[-500:]}")


class Side:
    """One checkout while it serves."""

    def __init__(self, stand: CheckoutStand) -> None:
        self._stand = stand
        self._api = stand.serve("api", "app.main", "--fd", "{fd}")
        self._api.wait_ready("/readyz")
        self._flusher = stand.start_flusher()
        self._turns = itertools.count()

    def stop(self) -> None:
        """End what the stand does not end by itself."""
        self._flusher.stop()

    def turn(self, load: Load, both: Barrier) -> Turn:
        """Put the load on it when `both` are ready, wait until all of it is recorded, and return what that took."""
        self._stand.settle(empty_journal=False)
        teachers = self._stand.teachers(load.teachers, 1, columns=COLUMNS)
        plan = Plan("127.0.0.1", self._api.port, next(self._turns), teachers, saves=load.saves)
        plan.saves_per_s = load.edits_per_s / EDITS_PER_SAVE
        # The load is this checkout's for both: an older one knows no pace.
        dialogue = Dialogue("loadtests.bench.generator", environment=dict(environment()), plan=encode(plan) + b"\n")
        self._until_recorded()
        meters = self._meters()
        both.wait(READY_S_MAX)
        before = read(meters)
        result = decode_result(dialogue.go())
        self._until_recorded()
        took = spent(before, read(meters), load.saves * EDITS_PER_SAVE)
        dialogue.close()
        if result.elapsed_s > load.seconds * load.late_share_max + result.p99_ms / 1000:
            raise BenchError(f"{load.edits_per_s:.0f} edits a second are too many for this machine")
        return took

    def _meters(self) -> Meters:
        return {
            "API": lambda: on_cpu_s(self._api.pid),
            **self._stand.meters(),
            "flusher": lambda: on_cpu_s(self._flusher.process.pid),
        }

    def _until_recorded(self) -> None:
        """Return when the journal holds nothing; looked at seldom, for a look is work of the journal."""
        deadline = time.monotonic() + READY_S_MAX
        with redis.Redis.from_url(self._stand.valkey.url) as client:
            while True:
                time.sleep(0.5)
                with client.pipeline(transaction=False) as pipeline:
                    for stream in STREAM:
                        pipeline.xlen(stream)
                    if not any(pipeline.execute()):
                        return
                if time.monotonic() > deadline:
                    raise BenchError("not everything was recorded")


def on_cpu_s(pid: int) -> float:
    """Return the seconds that the threads of a process have been on a CPU; 0 for one that has ended."""
    nanoseconds = 0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


@contextlib.contextmanager
def _side(root: Path, sections: int, flush_rows: int, folder: Path | None) -> Iterator[Side]:
    stand = CheckoutStand(sections, flush_rows=flush_rows, folder=folder)
    stand.root = root
    with stand:
        side = Side(stand)
        try:
            yield side
        finally:
            side.stop()


class Comparison(NamedTuple):
    """Two checkouts, pair by pair: CPU for 1,000 of `what`, and the parts that may not take more than RISE_MAX."""

    what: str
    parts: Sequence[str]

    def of_pairs(
        self,
        before: Callable[[Barrier], Turn],
        after: Callable[[Barrier], Turn],
        rounds: int,
        say: Callable[[str], None],
    ) -> list[str]:
        """Measure both at once, as often as wanted; say what was seen, and return the parts that take more."""
        pairs: list[dict[str, Turn]] = []
        for number in range(rounds + 1):
            both = Barrier(2)
            with ThreadPoolExecutor(2) as threads:
                turns = {BEFORE: threads.submit(before, both), AFTER: threads.submit(after, both)}
                pair = {name: turn.result() for name, turn in turns.items()}
            if number:  # the first pair warms both up
                pairs.append(pair)
                say(f"pair {number}: " + ", ".join(f"{part} {_ratio(pair, part):.3f}" for part in pair[AFTER]))
        say("\n" + self.figures_of(pairs))
        return self.risen_parts(pairs)

    def risen_parts(self, pairs: Sequence[Mapping[str, Turn]]) -> list[str]:
        """Return the parts that take more than they may, by the median over the pairs."""
        return [part for part in self.parts if median(_ratio(pair, part) for pair in pairs) > RISE_MAX]

    def figures_of(self, pairs: Sequence[Mapping[str, Turn]]) -> str:
        """Return the table of what each part took on both sides, and of the ratios."""
        rows = []
        for part in pairs[0][AFTER]:
            ratio = [_ratio(pair, part) for pair in pairs]
            is_met = median(ratio) <= RISE_MAX
            verdict = "" if part not in self.parts else f"<= {RISE_MAX:g}: {'met' if is_met else 'MISSED'}"
            row = [f"{1000 * median(pair[side][part] for pair in pairs):.1f}" for side in (BEFORE, AFTER)]
            rows.append([part, *row, spread(ratio, 3), verdict])
        return table(
            [f"ms of CPU for 1,000 {self.what}", BEFORE, AFTER, "ratio: median (least – most)", "target"], rows
        )


STEADY: Final = Comparison("edits", ("API", "journal", "flusher"))


def compare_steady(
    before: Path, rounds: int, load: Load, *, flush_rows: int, folder: Path | None, say: Callable[[str], None]
) -> list[str]:
    """Measure this checkout against the one at `before`; return the parts whose CPU has risen by more than 5 %."""
    sections = (2 * rounds + 2) * load.teachers
    say(f"{load.edits_per_s:,.0f} edits/s for {load.seconds:g} s a turn, {load.teachers} teachers, {rounds} pairs")
    with (
        _side(before.resolve(), sections, flush_rows, folder) as one,
        _side(ROOT, sections, flush_rows, folder) as other,
    ):
        return STEADY.of_pairs(partial(one.turn, load), partial(other.turn, load), rounds, say)


def _ratio(pair: Mapping[str, Turn], part: str) -> float:
    return pair[AFTER][part] / pair[BEFORE][part]
