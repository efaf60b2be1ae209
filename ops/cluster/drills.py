"""Drills of whole failovers: teachers type, a primary is killed, another takes over, and what is stored is audited."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from ops.audit.checks import DISORDER, LOST, MISMATCH, TWICE, audit_stores
from ops.cluster.failover import fail_journal, fail_records
from ops.drill.figures import read_facts
from ops.drill.installation import HEAL_S_MAX, ROOT, DrillInstallation, wait_until
from ops.drill.load import Load, Road, Size
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from ops.cluster.failover import Failover

TEACHERS, RATE = 20, 100.0
START_S_MAX = 240.0  # the first time Patroni is installed
STOP_S_MAX = 60.0
AWAY_S = 30.0  # longer than Patroni takes to notice: who is back before is the primary still
QUIET_S_MIN = 3.0


class ClusterStores:
    """Use as a context: `inkfast cluster start` in a folder of its own."""

    def __init__(self, data_dir: Path, journal: str, records: str, away_s: float = AWAY_S) -> None:
        self.data_dir = data_dir
        self._output = data_dir.with_suffix(".out")
        self._command = [sys.executable, "-m", "ops.cli", "cluster", "start", "--data-dir", str(data_dir)]
        self._command += ["--journal", journal, "--records", records, "--away-s", str(away_s)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(self._is_running, START_S_MAX, "the stores")
        except BaseException:
            self._stop()
            raise
        return self

    def _is_running(self) -> bool:
        said = self._output.read_text()
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"the stores did not start: {said.strip().splitlines()[-1:]}")
        return "are running;" in said

    @property
    def settings(self) -> dict[str, str]:
        """Return what `inkfast up` needs in its environment to run on them."""
        lines = (self.data_dir / "environment").read_text().splitlines()
        return dict(shlex.split(line)[0].split("=", 1) for line in lines)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S_MAX)
            self._process.kill()
            self._process.wait()


def journal_cluster_failover(folder: Path, *, seconds: float, seed: int) -> dict[str, Any]:
    """Kill a primary of a Cluster of three with a replica each, under load; return what became of it."""
    return _drill(folder, ("cluster", "single"), [fail_journal], seconds, seed)


def journal_sentinel_failover(folder: Path, *, seconds: float, seed: int) -> dict[str, Any]:
    """Kill the primary of a pair watched by three sentinels, under load; return what became of it."""
    return _drill(folder, ("sentinel", "single"), [fail_journal], seconds, seed)


def records_failover(folder: Path, *, seconds: float, seed: int) -> dict[str, Any]:
    """Kill PostgreSQL's primary and its Patroni under load; return what became of it."""
    return _drill(folder, ("single", "patroni"), [fail_records], seconds, seed)


def both_failover(folder: Path, *, seconds: float, seed: int) -> dict[str, Any]:
    """Let PostgreSQL and the Cluster fail over in turn under one load; return what became of it."""
    return _drill(folder, ("cluster", "patroni"), [fail_records, fail_journal], seconds, seed)


def _drill(
    folder: Path,
    kinds: tuple[str, str],
    failures: Sequence[Callable[[Path], Failover]],
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """`seconds`: of typing around each failover. The counts are over the whole load; times are in seconds."""
    ledger, tokens = folder / "ledger.jsonl", folder / "tokens.jsonl"
    quiet_s = max(QUIET_S_MIN, seconds / 2)
    takeovers: list[float] = []
    with (
        ClusterStores(folder / "stores", *kinds) as stores,
        DrillInstallation(folder / "data", TEACHERS, stores.settings) as installation,
    ):
        installation.write_tokens(tokens)
        with Load(Road(installation.url), tokens, ledger, Size(TEACHERS, RATE, seed)) as load:
            for fail in failures:
                time.sleep(quiet_s)
                takeovers.append(fail(stores.data_dir).seconds)
                wait_until(installation.is_serving, HEAL_S_MAX, "readiness after the failover")
                time.sleep(quiet_s)
            ended_at = time.time_ns() // 1000
        report = asyncio.run(audit_stores(installation.settings, [ledger], HEAL_S_MAX, lambda _: None))
    facts = read_facts(ledger, ended_at)
    return {
        "acknowledged": report.counts["acknowledged"],
        "lost": report.total(LOST),
        "duplicated": report.total(TWICE),
        "out_of_order": report.total(DISORDER),
        "wrong": report.total(MISMATCH),
        "stall_s": facts.stall_s,
        "drain_s": facts.drain_s,
        "takeover_s": max(takeovers),
        "all_recorded": load.all_recorded,
    }
