"""`inkfast audit`: compare what clients typed with what is stored; name every lost edit, or prove that none is."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.settings import Settings
from ops.arguments import Finite, NewFile
from ops.audit.checks import DISORDER, LOST, MISMATCH, TWICE, WAITING, Report, Verdict, audit_stores
from ops.endings import NothingDoneError, ends_as, written
from ops.installation import data_dir_option, settings_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

REST_S_MAX = 30.0
_WORDS = {
    LOST: "lost",
    TWICE: "stored twice",
    DISORDER: "out of order",
    MISMATCH: "wrong",
    WAITING: "still in the journal",
}


@click.command()
@click.argument(
    "ledgers", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[LEDGER]..."
)
@data_dir_option
@click.option("--json", "json_path", type=NewFile(), help="Write the report here too.")
@click.option(
    "--wait-s",
    type=Finite(min=0),
    default=REST_S_MAX,
    show_default=True,
    help="How long the journal may take to hand over what it holds now.",
)
def audit(ledgers: tuple[Path, ...], data_dir: Path, json_path: Path | None, wait_s: float) -> None:
    """Check the invariants of the promise against PostgreSQL and the journal.

    LEDGER is what clients wrote down (docs/ledger.md); of several, all are read. Without one, only what needs none is
    checked: that the stored history is whole, and agrees with the current values, the clients' positions and the
    journal.
    Reads only; may run while the service does. Exit status 1 on any loss, duplicate, gap or mismatch; 2 where it was
    asked for wrongly; 3 where nobody has looked, as a ledger cannot be read or a store not reached, or --json could not
    be written.
    """
    files = [path.resolve() for path in ledgers]
    if len(set(files)) < len(files):
        raise click.UsageError("one ledger is given twice: what its clients did would count twice")
    if json_path is not None and json_path.resolve() in files:
        raise click.UsageError(f"--json {json_path} is a ledger, and would be gone")
    with ends_as(NothingDoneError):  # nobody has looked: never status 1, which says that something was found
        settings = Settings.from_env(settings_environment(data_dir))
        report = asyncio.run(audit_stores(settings, ledgers, wait_s, lambda text: click.echo(text, err=True)))
    for line in lines_of(report):
        click.echo(line)
    found = 0 if report.holds else 1
    if json_path is not None and not written(json_path, json.dumps(as_json(report, ledgers), indent=2) + "\n"):
        found = found or NothingDoneError.exit_code
    sys.exit(found)


def lines_of(report: Report) -> list[str]:
    """Return the report for a person: a line for each invariant, its offenders below it, and a verdict."""
    lines: list[str] = []
    for verdict in report.verdicts:
        lines.append(_line(verdict))
        lines += [f"           {o.edit_id or '-'}  section {o.section_id}: {o.detail}" for o in verdict.offending]
    found = [f"{report.total(category)} {word}" for category, word in _WORDS.items() if report.total(category)]
    lines.append(f"FOUND: {', '.join(found)}" if found else _all_is_well(report))
    return lines


def _line(verdict: Verdict) -> str:
    if not verdict.checked:
        return f"-      {verdict.name:<4} {verdict.title}: needs a ledger"
    found = [f"{count} {_WORDS[category].upper()}" for category, count in verdict.violations.items() if count]
    said = f"{', '.join(found)} ({verdict.checked})" if found else verdict.checked
    return f"{'ok' if verdict.holds else 'BROKEN':<6} {verdict.name:<4} {verdict.title}: {said}"


def _all_is_well(report: Report) -> str:
    acknowledged = report.counts["acknowledged"]
    if acknowledged:
        return f"all is well: {acknowledged} acknowledged edits, none lost, none twice, none out of order"
    agreed = f"{report.counts['edits_in_history']} edits, their cells and the journal agree"
    if any(verdict.checked for verdict in report.verdicts if verdict.name == "I1"):
        return f"nothing of what the ledgers hold was acknowledged; {agreed}"
    return f"all is well: {agreed}"


def as_json(report: Report, ledgers: Sequence[Path]) -> dict[str, Any]:
    """Return the report for a program."""
    return {
        "holds": report.holds,
        "ledgers": [str(path) for path in ledgers],
        "counts": dict(report.counts),
        "found": {category: report.total(category) for category in _WORDS},
        "invariants": [
            {
                "name": v.name,
                "title": v.title,
                "checked": v.checked,
                "holds": v.holds,
                "violations": dict(v.violations),
                "offending": [o._asdict() for o in v.offending],
            }
            for v in report.verdicts
        ],
    }


__all__ = ["audit"]
