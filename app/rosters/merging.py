"""Brings a checked package from the staging tables into the roster, one transaction for each group of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.model.kinds import Kind
from app.records import rosters
from app.rosters.report import FileReport, ImportReport, Warned
from app.rosters.results import merge_line_items, record_results

if TYPE_CHECKING:
    from app.records.pool import Connection
    from app.rosters.importer import Progress
    from app.rosters.manifest import Manifest


async def merge_package(
    connection: Connection,
    report: ImportReport,
    manifest: Manifest,
    hides: dict[str, bool],
    last_lines: dict[str, int],
    progress: Progress,
) -> None:
    """Merge group by group, filling in the report. After an error the groups before it are done, the rest is not."""
    merge = _Merge(connection, report, manifest, hides, progress)
    await merge.places()
    await merge.people()
    await merge.sections()
    await merge.gradebook(last_lines.get("results", 0))
    progress.begin("refreshing statistics", 0)
    await rosters.roster_analyze(connection)


class _Merge:
    def __init__(
        self,
        connection: Connection,
        report: ImportReport,
        manifest: Manifest,
        hides: dict[str, bool],
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._report = report
        self._manifest = manifest
        self._hides = hides
        self._progress = progress

    async def places(self) -> None:
        """Orgs, academic sessions, courses."""
        self._progress.begin("recording orgs, sessions, courses", 0)
        async with self._connection.transaction():
            await self._table("orgs", "org")
            await rosters.roster_link_org(self._connection)
            await self._table("academicSessions", "academic_session")
            await rosters.roster_link_academic_session(self._connection)
            await self._table("courses", "course")
            await rosters.roster_name_district(self._connection)

    async def people(self) -> None:
        """Users and their roles."""
        self._progress.begin("recording users and roles", 0)
        async with self._connection.transaction():
            if "users" in self._manifest.modes:
                await rosters.roster_park_usernames(self._connection)
            await self._table("users", "user_account")
            is_1_1 = self._manifest.version == "1.1"
            if "users" in self._manifest.modes and is_1_1:
                self._report.files.append(FileReport("roles in users.csv", self._manifest.modes["users"]))
                await self._roles("roles in users.csv", hides_unlisted=True)
            elif "roles" in self._manifest.modes and not is_1_1:
                await self._roles("roles.csv", hides_unlisted=False)

    async def _roles(self, file: str, *, hides_unlisted: bool) -> None:
        counts = await rosters.roster_merge_user_role(
            self._connection, hides_absent=self._hides.get("roles", False), hides_unlisted=hides_unlisted
        )
        _fill(self._report.of(file), counts)

    async def sections(self) -> None:
        """Classes and enrollments; the history gets a partition for each school year first, in a moment of its own."""
        self._progress.begin("recording classes and enrollments", 0)
        for year in await rosters.roster_list_school_years(self._connection):
            await rosters.roster_ensure_school_year(self._connection, year)
        async with self._connection.transaction():
            if "classes" in self._manifest.modes:
                moved = await rosters.roster_count_moved_school_years(self._connection)
                self._warn(
                    "classes.csv", "school_year_kept", "classes moved to another school year and keep theirs", moved
                )
            await self._table("classes", "section")
            await rosters.roster_link_section(self._connection)
            await self._table("enrollments", "enrollment")

    async def gradebook(self, last_line: int) -> None:
        """Categories and line items in one transaction, then results in stretches."""
        modes = self._manifest.modes
        self._progress.begin("recording categories and line items", 0)
        async with self._connection.transaction():
            await self._table("categories", "category")
            if "lineItems" in modes:
                counts = await merge_line_items(self._connection, hides_absent=self._hides["lineItems"])
                _fill(self._report.of("lineItems.csv"), counts)
            if "results" in modes:
                others = await rosters.roster_count_results_of_others(self._connection)
                sentence = "results are of people who are not students of the class: recorded, and on no screen"
                self._warn("results.csv", "not_a_student", sentence, others)
                items = await rosters.roster_allow_extra_credit(self._connection, Kind.LINE_ITEM)
                sentence = "line items hold scores above their maximum: they are extra credit now"
                self._warn("results.csv", "above_maximum", sentence, items)
        if "results" not in modes or self._report.roster_import_id is None:
            return
        self._progress.begin("recording results", last_line)
        found = await record_results(self._connection, self._report.roster_import_id, last_line, self._progress.advance)
        file = self._report.of("results.csv")
        file.added, file.changed, file.kept = found.added, found.changed, found.kept
        file.unchanged = found.results - found.added - found.changed - found.kept

    async def _table(self, name: str, table: str) -> None:
        if name in self._manifest.modes:
            counts = await rosters.roster_merge(self._connection, table, hides_absent=self._hides[name])
            _fill(self._report.of(f"{name}.csv"), counts)

    def _warn(self, file: str, code: str, sentence: str, count: int) -> None:
        if count:
            self._report.warnings.append(Warned(file, code, sentence, count))


def _fill(file: FileReport, counts: rosters.MergeCounts) -> None:
    file.added, file.changed, file.returned = counts.added, counts.changed, counts.returned
    file.hidden = counts.hidden
    file.unchanged = counts.incoming - counts.added - counts.changed - counts.returned
