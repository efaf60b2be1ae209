"""Imports a roster package: stage everything, check everything, and only then change the roster, a group at a time.

Nothing of the roster is touched before the whole package has been read and judged. Each group of files is one
transaction (orgs, sessions, courses; users, roles; classes, enrollments; categories, line items), and results are
recorded in stretches. A run that is cut short has done whole groups; importing again finishes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from app.records import rosters
from app.rosters.files import FileSpec, specs
from app.rosters.manifest import Manifest, read_manifest
from app.rosters.merging import merge_package
from app.rosters.package import Package, open_package
from app.rosters.problems import PackageRefusedError, Problem
from app.rosters.report import (
    STORED_ROWS_MAX,
    FileReport,
    ImportReport,
    ReportFile,
    Warned,
    held_sentence,
    imported_sentence,
    refused_sentence,
)
from app.rosters.validate import STAGE_COLUMNS, FileStager

if TYPE_CHECKING:
    from app.records.pool import Connection

# Orgs in orgs, sessions in sessions: each pass refuses the children of what the pass before refused.
_NESTING_MAX = 50
LOCK_WAIT_S_MAX = 10.0


class ImportBusyError(Exception):
    """Another import is running on this database; nothing was done."""


class ImportFailedError(Exception):
    """The run broke off: whole groups of files are done, the rest is not. Importing again finishes it."""


class ApprovalError(Exception):
    """The run cannot be approved: there is none, it is not held, or the package has changed since. Nothing was done."""


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an import is judged. Shares are in percent."""

    hide_share_max: float = 5.0
    refused_share_max: float = 1.0
    approve: bool = False
    encoding: str | None = None
    report_path: Path | None = None


class Progress(Protocol):
    """Somebody who shows how far it is."""

    def begin(self, what: str, total: int) -> None:
        """Begin a step of `total` units (0: unknown)."""

    def advance(self, done: int) -> None:
        """Set how many units of the step are done."""


class Silent:
    """Shows nothing."""

    def begin(self, what: str, total: int) -> None:
        """Show nothing."""

    def advance(self, done: int) -> None:
        """Show nothing."""


async def import_package(
    dsn: str, path: Path, options: ImportOptions | None = None, progress: Progress | None = None
) -> ImportReport:
    """Import a folder or zip and return the report, which is also stored in roster_import.

    A package that is refused or held has changed nothing. ImportBusyError when another import runs.
    ImportFailedError when it broke off: groups before that are done, the rest is not, and the run is recorded so.
    """
    connection = await rosters.connect_for_import(dsn)
    try:
        await _take_lock(connection)
        await rosters.roster_fail_stale_imports(connection)
        source = await asyncio.to_thread(path.absolute)
        return await _Run(connection, source, options or ImportOptions(), progress or Silent()).run()
    finally:
        await connection.close()


async def approve_import(
    dsn: str, roster_import_id: int, options: ImportOptions | None = None, progress: Progress | None = None
) -> ImportReport:
    """Import the package of a held run after all, if it is still the very same; that is noted on the held run.

    ApprovalError otherwise, and nothing was done.
    """
    options = msgspec.structs.replace(options or ImportOptions(), approve=True)
    connection = await rosters.connect_for_import(dsn)
    try:
        held = await rosters.roster_read_import(connection, roster_import_id)
        if held is None or held.outcome != "held":
            found = "there is no such run" if held is None else f"its outcome is {held.outcome}"
            raise ApprovalError(f"run {roster_import_id} is not held: {found}")
        if "approved_as" in msgspec.json.decode(held.report):
            raise ApprovalError(f"run {roster_import_id} has been approved already")
        path = await asyncio.to_thread(_same_package, held)
        report = await import_package(dsn, path, options, progress)
        if report.roster_import_id is not None and report.outcome == "imported":
            await rosters.roster_mark_approved(connection, roster_import_id, report.roster_import_id)
        return report
    finally:
        await connection.close()


async def _take_lock(connection: Connection) -> None:
    """Wait a little: what a killed import was doing in PostgreSQL ends a moment after it."""
    give_up_at = time.monotonic() + LOCK_WAIT_S_MAX
    while not await rosters.roster_lock_imports(connection):
        if time.monotonic() >= give_up_at:
            raise ImportBusyError("another roster import is running on this database")
        await asyncio.sleep(0.1)


class _Run:
    """One run, from the package to the report."""

    def __init__(self, connection: Connection, path: Path, options: ImportOptions, progress: Progress) -> None:
        self._connection = connection
        self._path = path
        self._options = options
        self._progress = progress
        self._report = ImportReport(source=str(path))
        self._last_lines: dict[str, int] = {}

    async def run(self) -> ImportReport:
        begun = time.monotonic()
        report = self._report
        package: Package | None = None
        with ReportFile(self._options.report_path) as file:
            try:
                try:
                    package = open_package(self._path)
                    report.source_digest = package.digest()
                finally:
                    report.roster_import_id = await rosters.roster_start_import(
                        self._connection, report.source, report.source_digest
                    )
                await self._import(package)
                await self._collect_refused(file)
                report.sentence = report.sentence or imported_sentence(report)
            except PackageRefusedError as refusal:
                await self._collect_refused(file)
                report.outcome = "refused"
                report.problems = refusal.problems
                report.sentence = refused_sentence(report)
            except Exception as error:
                report.sentence = f"Failed: {type(error).__name__}: {error}"
                raise ImportFailedError(report.sentence) from error
            finally:
                if package:
                    package.close()
                report.seconds = round(time.monotonic() - begun, 2)
                report.peak_rss_mib = peak_rss_mib()
                file.finish(report)
                await self._finish()
        return report

    async def _finish(self) -> None:
        """Store the report; when even that fails, the next run finds this one `running` and marks it failed."""
        report = self._report
        with contextlib.suppress(Exception):
            await rosters.roster_empty_staging(self._connection)
            if report.roster_import_id is not None:
                await rosters.roster_finish_import(
                    self._connection, report.roster_import_id, report.outcome, msgspec.json.encode(report)
                )

    async def _import(self, package: Package) -> None:
        report = self._report
        await rosters.roster_empty_staging(self._connection)
        manifest = read_manifest(package)
        report.oneroster_version = manifest.version
        report.ignored = manifest.ignored
        report.warnings += [Warned(package.name, "package", note, 1) for note in package.notes]
        wanted = {name: spec for name, spec in specs(manifest.version).items() if name in manifest.modes}
        problems: list[Problem] = []
        for name, spec in wanted.items():
            problems += await self._stage(package, spec, manifest)
            await rosters.roster_stage_file(self._connection, name, manifest.modes[name])
        if "roles" in manifest.modes and "roles" not in wanted:
            report.ignored["roles.csv"] = "not a file of OneRoster 1.1"
        if problems:
            raise PackageRefusedError(problems)
        self._progress.begin("checking references", 0)
        await self._check(manifest)
        hides = await self._judge(manifest)
        if self._is_held(await self._count_hiding(manifest, hides)):
            return
        await merge_package(self._connection, report, manifest, hides, self._last_lines, self._progress)
        report.outcome = "imported"

    async def _stage(self, package: Package, spec: FileSpec, manifest: Manifest) -> list[Problem]:
        mode = manifest.modes[spec.name]
        stager = FileStager(spec, mode, self._options.encoding)
        self._progress.begin(f"reading {spec.csv_name}", package.size(spec.csv_name))
        with package.open(spec.csv_name) as file:
            rows = stager.rows(file, lambda _: self._progress.advance(file.tell()))
            columns = (*STAGE_COLUMNS, *spec.targets)
            await rosters.copy_into(self._connection, spec.table, columns, rows, schema=rosters.STAGE)
        self._report.files.append(FileReport(spec.csv_name, mode, rows=stager.rows_read))
        self._report.warnings += [
            Warned(spec.csv_name, code, sentence, count) for code, (sentence, count) in stager.warnings.items()
        ]
        self._last_lines[spec.name] = stager.last_line
        return stager.problems

    async def _check(self, manifest: Manifest) -> None:
        """Check what needs more than one row. Raises for what makes the package as a whole unusable."""
        connection = self._connection
        await rosters.roster_analyze_staging(connection)
        for table in ("org", "academic_session"):
            for _ in range(_NESTING_MAX):
                if not await rosters.roster_refuse(connection, table):
                    break
        cycles = (
            ("orgs.csv", await rosters.roster_find_org_cycle(connection)),
            ("academicSessions.csv", await rosters.roster_find_academic_session_cycle(connection)),
        )
        problems = [
            Problem(file, found[0], "cycle", f"parentSourcedId goes in a circle: {found[1]}")
            for file, found in cycles
            if found
        ]
        if problems:
            raise PackageRefusedError(problems)
        await rosters.roster_refuse(connection, "course")
        await rosters.roster_refuse(connection, "user_account")
        while await rosters.roster_refuse_usernames(connection):
            pass
        if manifest.version == "1.1":
            await rosters.roster_stage_roles_of_users(connection)
        else:
            await rosters.roster_refuse(connection, "user_role")
        for table in ("section", "enrollment", "category", "line_item", "result"):
            await rosters.roster_refuse(connection, table)

    async def _judge(self, manifest: Manifest) -> dict[str, bool]:
        """Count refused rows; raise where they are too many, else say for which files absence means hiding."""
        counts = await rosters.roster_count_refused(self._connection)
        problems, hides = [], {}
        for file in self._report.files:
            name = file.file.removesuffix(".csv")
            file.refused, unnamed = counts[name]
            # A refused row protects the record that it names; a role is named by user and org, which may be the fault.
            is_safe = not unnamed and not (name == "roles" and file.refused)
            hides[name] = manifest.modes[name] == "bulk" and is_safe
            if manifest.modes[name] == "bulk" and not is_safe:
                sentence = "refused rows do not say whom they are about: nothing of this file is hidden in this run"
                self._report.warnings.append(Warned(file.file, "hiding_suspended", sentence, unnamed or file.refused))
            share = 100 * file.refused / max(file.rows, 1)
            if share > self._options.refused_share_max:
                reason = (
                    f"{file.refused:,} of {file.rows:,} rows are refused ({share:.1f} %); more than "
                    f"{self._options.refused_share_max:g} % (--refused-share-max) refuses the package"
                )
                problems.append(Problem(file.file, 0, "too_many_refused", reason))
        if problems:
            raise PackageRefusedError(problems)
        return hides

    async def _count_hiding(self, manifest: Manifest, hides: dict[str, bool]) -> list[rosters.HidingCount]:
        self._progress.begin("counting what would be hidden", 0)
        return await rosters.roster_count_hiding(
            self._connection,
            sections=hides.get("classes", False),
            users=hides.get("users", False),
            roles=manifest.version != "1.1" and hides.get("roles", False),
            enrollments=hides.get("enrollments", False),
        )

    def _is_held(self, hiding: list[rosters.HidingCount]) -> bool:
        report, share_max = self._report, self._options.hide_share_max
        report.hiding = hiding
        over = [count for count in hiding if count.hiding * 100 > share_max * count.visible]
        if not over or self._options.approve:
            return False
        report.outcome = "held"
        report.sentence = held_sentence(report, over, share_max)
        return True

    async def _collect_refused(self, file: ReportFile) -> None:
        report = self._report
        async for row in rosters.roster_list_refused(self._connection):
            file.add(row)
            if row.code == "kept":
                report.kept_total += 1
            else:
                report.refused_total += 1
            if len(report.refused_rows) < STORED_ROWS_MAX:
                report.refused_rows.append(row)


def peak_rss_mib() -> int:
    """Return the most memory that this process has ever held."""
    unit = 1024**2 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def _same_package(held: rosters.ImportRun) -> Path:
    path = Path(held.source)
    package = open_package(path)
    try:
        if package.digest() != held.source_digest:
            raise ApprovalError(f"{path} has changed since run {held.roster_import_id}: import it again")
    finally:
        package.close()
    return path
