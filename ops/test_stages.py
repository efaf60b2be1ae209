"""Everything CI checks: stages with a time budget each, all run whatever fails, and one closing line.

A stage that mostly waits runs beside those that need one core, and says what it has to say when it is waited for.
`N passed, N failed` counts tests; a check that fails (format, types, …) counts as one failure. The exit status is 0
only when nothing failed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

import click

from app.api.web_files import WEB
from ops.build_web import WebBuildError, build_web, find_node, install_modules
from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
REPORTS = ROOT / "build" / "test"
# Debian package: a program that shows it is there.
DEBIAN = {"strace": "strace", "redis-server": "redis-server", "chromium": "chromium"}
POLICY = Path("/usr/sbin/policy-rc.d")
HANG_FACTOR = 4  # a stage that takes this many budgets hangs
FOR_TESTS = {"INKFAST_CHROMIUM"}
MIGRATIONS = "app/records/migrations"


class Count(NamedTuple):
    """What a stage found."""

    passed: int
    failed: int

    def plus(self, other: Count) -> Count:
        """Add two."""
        return Count(self.passed + other.passed, self.failed + other.failed)


NOTHING = Count(0, 0)
FAILURE = Count(0, 1)


class Stage(NamedTuple):
    """A named group of checks with the time it may take."""

    name: str
    budget_s: int
    check: Callable[[float], Count]
    beside: frozenset[str] = frozenset()  # stages that may run while it waits; those that come right after it


class Aside:
    """A stage in a process of its own, until it is waited for; what it says is kept until then."""

    def __init__(self, name: str, command: list[str | Path]) -> None:
        REPORTS.mkdir(parents=True, exist_ok=True)
        self._said = REPORTS / f"{name}.txt"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)

    def wait(self, limit_s: float) -> Count:
        """Return what it has counted, having said what it said; one that is too late or has counted nothing failed."""
        is_late = False
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            is_late = True
        finally:
            self.stop()
        said = self._said.read_text(errors="replace")
        click.echo(said, nl=False)
        count = read_closing_line(said)
        return count.plus(FAILURE) if is_late or (self._process.returncode and not count.failed) else count

    @property
    def spoke_last(self) -> float:
        """When it last said something, in unix seconds: once it has ended, when that was."""
        return self._said.stat().st_mtime

    def stop(self) -> None:
        """End it if it goes on."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def read_closing_line(said: str) -> Count:
    """Return what the last line says; another last line has failed."""
    lines = said.splitlines()
    found = re.fullmatch(r"(\d+) passed, (\d+) failed", lines[-1] if lines else "")
    return Count(int(found[1]), int(found[2])) if found else FAILURE


def _clean_environment() -> dict[str, str]:
    # The tests start their own servers, whatever the developer's shell points at.
    given = environment()
    names = {"DATABASE_URL", "REDIS_URL", "PYTHONPATH", *(name for name in given if name.startswith("INKFAST_"))}
    kept = {name: value for name, value in given.items() if name not in names - FOR_TESTS}
    return {**kept, "DEBIAN_FRONTEND": "noninteractive"}


def _run(title: str, command: list[str | Path], limit_s: float) -> bool:
    began = time.monotonic()
    click.echo(f"--- {title}")
    try:
        status = subprocess.run(command, cwd=ROOT, env=_clean_environment(), timeout=limit_s, check=False).returncode
    except subprocess.TimeoutExpired:
        click.echo(f"{title}: stopped after {limit_s:.0f} s")
        return False
    except OSError as error:
        click.echo(f"{title}: {error}")
        return False
    click.echo(f"    {title}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - began:.1f} s")
    return status == 0


def _checks(limit_s: float, commands: dict[str, list[str | Path]]) -> Count:
    failed = [title for title, command in commands.items() if not _run(title, command, limit_s)]
    return Count(0, len(failed))


def _install(limit_s: float) -> Count:
    """Install what is not Python: the floor's Redis, a tracer, a browser. Without root they have to be there."""
    missing = [package for package, program in DEBIAN.items() if shutil.which(program) is None]
    if not missing:
        return NOTHING
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None:
        click.echo(f"missing, and this is no Debian: {' '.join(missing)}")
        return FAILURE
    with _no_services():
        updated = _run("apt-get update", ["apt-get", "-qq", "update"], limit_s)
        done = updated and _run(" ".join(command), [*command, "-qq"], limit_s)
    return NOTHING if done else FAILURE


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian from starting a redis service with the package."""
    if POLICY.exists():
        yield
        return
    try:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    except OSError:  # not root: apt-get will say so
        yield
        return
    try:
        yield
    finally:
        POLICY.unlink()


def _static(limit_s: float) -> Count:
    migrations: list[str | Path] = [*sorted((ROOT / MIGRATIONS).glob("*.sql"))]
    return _checks(
        limit_s,
        {
            "format": [BIN / "ruff", "format", "--check", "--quiet", "."],
            "lint": [BIN / "ruff", "check", "--quiet", "."],
            "types": [BIN / "mypy"],
            "layers": [BIN / "lint-imports", "--no-logo"],
            "schema.sql": [sys.executable, "-m", "ops.cli", "migrate", "--check"],
            "migrations": [BIN / "squawk", "--config", ".squawk.toml", *migrations],
        },
    )


def _scripts(limit_s: float) -> Count:
    """Build the browser side; check its types; run its unit tests in node."""
    try:
        install_modules(node := find_node(), with_dev=True)
        build_web(click.echo)
    except WebBuildError as error:
        click.echo(f"{error}")
        return FAILURE
    types = _checks(limit_s, {"types of scripts": [node.program, WEB / "node_modules/typescript/bin/tsc", "-p", WEB]})
    return types.plus(_node_tests(node.program, limit_s))


def _node_tests(node: Path, limit_s: float) -> Count:
    click.echo("--- node test.mjs")
    runner = subprocess.Popen(
        [node, WEB / "test.mjs"],
        cwd=ROOT,
        env=_clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a test that hangs is the grandchild of the process that is stopped
    )
    try:
        said, _ = runner.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        click.echo(f"node test.mjs: stopped after {limit_s:.0f} s")
        return FAILURE
    finally:
        with suppress(ProcessLookupError):
            os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
    count = read_node_totals(said)
    click.echo(said if count.failed or runner.returncode else f"    {count.passed} tests")
    return count if runner.returncode == 0 or count.failed else count.plus(FAILURE)


def read_node_totals(said: str) -> Count:
    """Return what node's test runner counted, whichever of its two ways of saying it; nothing counted has failed."""
    totals = {name: int(number) for name, number in re.findall(r"^\S (\w+) (\d+)$", said, re.MULTILINE)}
    if "pass" not in totals:
        return FAILURE
    # A skipped test shows nothing, so it counts as failed: there are none.
    return Count(totals["pass"], sum(totals.get(name, 0) for name in ("fail", "cancelled", "skipped", "todo")))


def _pytest(name: str, *folders: str) -> Callable[[float], Count]:
    def check(limit_s: float) -> Count:
        REPORTS.mkdir(parents=True, exist_ok=True)
        report = REPORTS / f"{name}.xml"
        report.unlink(missing_ok=True)
        command: list[str | Path] = [sys.executable, "-m", "pytest", *folders, f"--junitxml={report}", "--durations=5"]
        well = _run(f"pytest {' '.join(folders)}", command, limit_s)
        count = _read_report(report)
        return count if well or count.failed else count.plus(FAILURE)

    return check


def _read_report(report: Path) -> Count:
    if not report.exists():
        return NOTHING
    suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314 -- pytest wrote it a moment ago
    passed = failed = 0
    for suite in suites:
        # A skipped test shows nothing, so it counts as failed: there are none.
        bad = sum(int(suite.get(key, "0")) for key in ("failures", "errors", "skipped"))
        failed += bad
        passed += max(0, int(suite.get("tests", "0")) - bad)
    return Count(passed, failed)


STAGES = (
    Stage("install", 180, _install),
    Stage("static", 60, _static),
    Stage("scripts", 90, _scripts),
    Stage(
        "faults",
        480,
        _pytest("faults", "tests/faults"),
        beside=frozenset({"unit", "api", "simulation", "documents"}),
    ),
    Stage("unit", 180, _pytest("unit", "tests/unit", "tests/properties")),
    Stage("api", 120, _pytest("api", "tests/api")),
    Stage("simulation", 90, _pytest("simulation", "tests/simulation")),
    Stage("documents", 60, _pytest("documents", "tests/tidy")),
    Stage("integration", 330, _pytest("integration", "tests/integration"), beside=frozenset({"browser", "grid"})),
    Stage("browser", 240, _pytest("browser", "tests/browser")),
    Stage("grid", 180, _pytest("grid", "tests/web/grid")),
    Stage("offline", 480, _pytest("offline", "tests/web/offline"), beside=frozenset({"web"})),
    Stage("web", 480, _pytest("web", "tests/web", "--ignore=tests/web/offline", "--ignore=tests/web/grid")),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("stages", nargs=-1, type=click.Choice([stage.name for stage in STAGES]))
@click.option("--began", type=float, hidden=True, help="When ./ops/test began to install, in unix seconds.")
def run_stages(stages: tuple[str, ...], began: float | None) -> None:
    """Run the named STAGES, or all of them; then print one line, `N passed, N failed`."""
    wanted = [stage for stage in STAGES if not stages or stage.name in stages]
    run = _Run()
    try:
        for at, stage in enumerate(wanted):
            run.end_aside(unless_beside=stage.name)
            start = began if began is not None and stage.name == "install" else time.time()
            if at + 1 < len(wanted) and wanted[at + 1].name in stage.beside:
                run.begin_aside(stage, start)
            else:
                click.echo(f"=== {stage.name}")
                count = stage.check(stage.budget_s * HANG_FACTOR)
                run.note(stage, count, time.time() - start)
        run.end_aside()
    finally:
        run.stop()
    click.echo("\n" + "\n".join(run.times))
    click.echo(f"{run.total.passed} passed, {run.total.failed} failed")
    sys.exit(1 if run.total.failed else 0)


class _Run:
    """What was counted and how long it took; and the stage that goes on meanwhile, if there is one."""

    def __init__(self) -> None:
        self.total = NOTHING
        self.times: list[str] = []
        self._aside: tuple[Stage, Aside, float] | None = None

    def note(self, stage: Stage, count: Count, took_s: float) -> None:
        self.total = self.total.plus(count)
        verdict = "ok" if count.failed == 0 else f"{count.failed} failed"
        over = ", OVER ITS BUDGET" if took_s > stage.budget_s else ""
        self.times.append(f"{stage.name:<12} {took_s:6.1f} s of {stage.budget_s:3} s   {verdict}{over}")
        click.echo(self.times[-1])

    def begin_aside(self, stage: Stage, start: float) -> None:
        click.echo(f"=== {stage.name}, beside the next ones")
        self._aside = stage, Aside(stage.name, [sys.executable, "-m", "ops.test_stages", stage.name]), start

    def end_aside(self, *, unless_beside: str = "") -> None:
        if self._aside is None or unless_beside in self._aside[0].beside:
            return
        stage, aside, start = self._aside
        click.echo(f"=== {stage.name}, waited for")
        count = aside.wait(max(1.0, start + (stage.budget_s + 30) * HANG_FACTOR - time.time()))
        self._aside = None
        self.note(stage, count, aside.spoke_last - start)

    def stop(self) -> None:
        if self._aside is not None:
            self._aside[1].stop()


if __name__ == "__main__":
    run_stages()
