"""One run: the load in a process of its own, the service measured beside it, faults, audit, verdict, files."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from loadtests.rehearsal.profiles import PROFILES, STREAMING
from ops.audit.checks import audit_stores
from ops.audit.command import lines_of
from ops.endings import NothingDoneError, ends_as
from ops.environment import environment
from ops.processes import ServerError
from ops.rehearse.faults import Breaker, FaultAt, not_under_load
from ops.rehearse.figures import FORMAT, Audited, audit_of, faults_of, measured
from ops.rehearse.machine import load_average, machine, revision
from ops.rehearse.overload import overload_of, too_little
from ops.rehearse.prepare import statement
from ops.rehearse.sampler import Sampler
from ops.rehearse.series import Series, write_csv
from ops.rehearse.slo import default_slo, judge
from ops.rehearse.verdict import INVALID, Verdict, decide, generator_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from app.records.pool import Connection
    from ops.rehearse.slo import Judged
    from ops.rehearse.stand import Target

ROOT = Path(__file__).resolve().parent.parent.parent
LOOK_S = 0.5
BEGIN_S_MAX = 120.0
OVER_S_MAX = 60.0  # beyond typing and draining
REST_S_MAX = 120.0
HEAL_S_MAX = 120.0
STOP_S_MAX = 20.0
GENERATOR_REFUSED = 3
AHEAD = 10  # steps of niceness


class Wanted(NamedTuple):
    """What is to be run. `processes`: of the generator; `sources`: addresses that its sockets come from."""

    profile: str
    teachers: int
    scale: float
    duration_s: float
    seed: int
    faults: Sequence[FaultAt]
    slo: Mapping[str, float] | None
    out: Path
    grants: Path
    processes: int
    sources: Sequence[str]
    drain_s: float
    may_write_anywhere: bool
    late_ms_max: float
    command: str


class Outcome(NamedTuple):
    """A finished run: what run.json says, its rows, what came of each objective, and the verdict."""

    run: dict[str, Any]
    rows: list[dict[str, float]]
    judged: list[Judged]
    verdict: Verdict


class Generator:
    """Use as a context: Locust with the rehearsal's file, headless; it ends with the context."""

    def __init__(self, wanted: Wanted, url: str) -> None:
        self._log = wanted.out / "logs" / "generator.log"
        self._command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
        self._command += ["--host", url, "--only-summary", "--loglevel", "WARNING", "--rehearsal", wanted.profile]
        self._command += ["--teachers", str(wanted.teachers), "--seconds", str(wanted.duration_s)]
        self._command += ["--seed", str(wanted.seed), "--grants", str(wanted.grants), "--drain", str(wanted.drain_s)]
        self._command += ["--ledgers", str(wanted.out / "ledgers"), "--figures", str(wanted.out / "figures.jsonl")]
        self._command += ["--sources", ",".join(wanted.sources)]
        if wanted.processes > 1:
            self._command += ["--processes", str(wanted.processes)]
        if wanted.may_write_anywhere:
            self._command += ["--write-outside-rehearsal-sections", "yes"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        # Ahead of the service, as on a machine of its own: a generator that waits for a core would hide what it is to
        # measure. Only root may; others have it measured, and a late one is no valid run.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, os.getpriority(os.PRIO_PROCESS, 0) - AHEAD)
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None  # noqa: S101 -- used inside the context
        return self._process.pid

    def status(self) -> int | None:
        """Return its exit status; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def last_words(self) -> str:
        """Return why it refused, if its log says so; else the last line of the log."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        refusals = [line for line in lines if line.startswith("refused: ")]
        return (refusals or lines or ["it said nothing"])[-1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S_MAX)
            self._process.kill()
            self._process.wait()


def rehearse_at(
    target: Target, wanted: Wanted, look: Callable[[Series, Sampler], None], say: Callable[[str], None]
) -> Outcome:
    """Run it and return what came of it; files that the report needs are in `wanted.out` by then.

    `look` is called twice a second while it runs.
    """
    load_before = load_average()
    series = Series(wanted.out / "figures.jsonl")
    broken: list[str] = []
    began_at = dt.datetime.now(dt.UTC)
    breaker: Breaker | None = None
    heal_s = 0.0  # who interrupts it does not wait for a fault to heal
    with Generator(wanted, target.url) as generator:
        sampler = Sampler(target, generator.pid)
        sampler.start()
        try:
            _wait_for_load(generator, series)
            if target.installation is not None and wanted.faults:
                breaker = Breaker(target.installation, wanted.faults, wanted.out, wanted.grants, wanted.seed)
                breaker.start()
            _watch(generator, wanted, lambda: look(series, sampler), series, broken)
            heal_s = HEAL_S_MAX
        finally:
            if breaker is not None:
                breaker.end(heal_s)
            sampler.end()
        series.read()
    broken += dict.fromkeys(series.refusals)
    audited = audit_target(target, sorted((wanted.out / "ledgers").glob("*.jsonl")), wanted.processes, say)
    about = _about(target, wanted, began_at, load_before)
    marks, began = breaker.marks if breaker is not None else [], series.first or 0
    broken += not_under_load(wanted.faults, marks, began, wanted.duration_s)
    return _judged(wanted, about, series, sampler, audited, faults_of(marks, began), broken)


def _wait_for_load(generator: Generator, series: Series) -> None:
    deadline = time.monotonic() + BEGIN_S_MAX
    while not series.read():
        if generator.status() is not None:
            raise ServerError(f"the generator ended before it began: {generator.last_words()}")
        if time.monotonic() > deadline:
            raise ServerError(f"the generator did not begin in {BEGIN_S_MAX:.0f} s: {generator.last_words()}")
        time.sleep(LOOK_S)


def _watch(generator: Generator, wanted: Wanted, look: Callable[[], None], series: Series, broken: list[str]) -> None:
    """Look until it has ended; note what ended it too early, or not at all."""
    deadline = time.monotonic() + wanted.duration_s + wanted.drain_s + OVER_S_MAX
    while generator.status() is None:
        if time.monotonic() > deadline:
            broken.append("the generator did not end in time")
            return
        series.read()
        look()
        time.sleep(LOOK_S)
    status = generator.status()
    if status not in {0, GENERATOR_REFUSED}:
        broken.append(f"the generator ended with status {status}: {generator.last_words()}")
    elif status == GENERATOR_REFUSED and not series.refusals:
        broken.append(generator.last_words())


def audit_target(target: Target, ledgers: Sequence[Path], processes: int, say: Callable[[str], None]) -> Audited:
    """Compare what the generator wrote down with what is stored, if the stores can be reached."""
    nothing: dict[str, float | None] = dict.fromkeys(("p50", "p95", "p99", "max"))
    if target.settings is None:
        return Audited(None, "no access to the stores (DATABASE_URL, REDIS_URL, or --data-dir)", 0.0, nothing)
    if len(ledgers) < processes:
        why = f"the generator's {processes} processes have left {len(ledgers)} ledgers here"
        return Audited(None, why, 0.0, nothing)
    ages = dict(nothing)

    async def also(connection: Connection) -> None:
        row = await connection.fetchrow(statement("recorded_ages"))
        if row is not None and row["edits"]:
            ages.update(zip(("p50", "p95", "p99"), row["percentiles"], strict=True))
            ages["max"] = row["max"]

    began = time.monotonic()
    try:
        # Neither a mistake in here nor an interrupt takes the report of an hour with it: nobody has looked, it says.
        with ends_as(NothingDoneError):
            report = asyncio.run(audit_stores(target.settings, ledgers, REST_S_MAX, say, also))
    except NothingDoneError as error:
        return Audited(None, error.message, time.monotonic() - began, nothing)
    return Audited(report, "", time.monotonic() - began, ages, lines_of(report))


def _about(target: Target, wanted: Wanted, began_at: dt.datetime, load_before: float) -> dict[str, Any]:
    profile = PROFILES[wanted.profile]
    return {
        "format": FORMAT,
        "profile": profile.name,
        "title": profile.title,
        "source": profile.source,
        "command": wanted.command,
        "began_at": began_at.isoformat(timespec="seconds"),
        "teachers": wanted.teachers,
        "scale": wanted.scale,
        "duration_s": wanted.duration_s,
        "seed": wanted.seed,
        "host": target.url if target.installation is None else "an installation of its own",
        "processes": {"generator": wanted.processes, "api": sum(n.startswith("api-") for n in target.pids())},
        "machine": machine(),
        "revision": revision(),
        "load_average_before": round(load_before, 2),
    }


def _judged(
    wanted: Wanted,
    about: dict[str, Any],
    series: Series,
    sampler: Sampler,
    audited: Audited,
    faults: list[dict[str, Any]],
    broken: list[str],
) -> Outcome:
    rows = series.rows(sampler.rows)
    run = {"verdict": INVALID, "verdict_words": "", "reasons": []} | about
    run |= measured(series, rows, sampler, wanted.teachers, wanted.duration_s)
    run["audit"] = audit_of(audited)
    run["age_ms"]["recorded"] = audited.recorded_age_ms
    run["faults"] = faults
    run["generator"]["late_ms_max"] = wanted.late_ms_max
    limits = generator_limits(run, series.cpu_of)
    run["generator"] |= {"valid": not limits, "reasons": limits}
    streams = wanted.teachers if PROFILES[wanted.profile].work == STREAMING else 0
    window_ms = run["next_save_ms_max"] or 0
    only_loss = bool(wanted.faults) or not PROFILES[wanted.profile].has_objectives
    profile = PROFILES[wanted.profile]
    if profile.overload is not None:
        run["overload"] = overload_of(rows, profile, wanted.duration_s)
        broken = [*broken, *too_little(run["overload"])]
    objectives = (
        wanted.slo
        if wanted.slo is not None
        else default_slo(window_ms, streams, only_loss=only_loss, is_overload=profile.overload is not None)
    )
    judged = judge(objectives, run)
    run["slo"] = [one._asdict() | {"holds": one.holds} for one in judged]
    verdict = decide(run, judged, broken)
    run |= {"verdict": verdict.name, "verdict_words": verdict.sentence(run), "reasons": list(verdict.reasons)}
    run["histograms"] = {name: series.whole.histograms[name].as_plain() for name in ("drafted", "told", "request")}
    return Outcome(run, rows, judged, verdict)


def write_files(outcome: Outcome, folder: Path) -> None:
    """Write run.json and series.csv."""
    (folder / "run.json").write_text(json.dumps(outcome.run, indent=2) + "\n")
    write_csv(outcome.rows, folder / "series.csv")
