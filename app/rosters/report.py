"""What an import did, in numbers and sentences: for the terminal, for roster_import, and as a file with every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import msgspec

from app.records.rosters import HidingCount, RefusedRow
from app.rosters.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

Outcome = Literal["imported", "held", "refused", "failed"]

REASONS_MAX = 3  # in one sentence
STORED_ROWS_MAX = 1_000  # refused rows kept in roster_import; `--report` writes all of them


class FileReport(msgspec.Struct):
    """One file's numbers. `kept` are results that were not recorded because a teacher's value stands."""

    file: str
    mode: str
    rows: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    returned: int = 0
    hidden: int = 0
    refused: int = 0
    kept: int = 0


class Warned(msgspec.Struct, frozen=True):
    """Something odd that was accepted, counted."""

    file: str
    code: str
    sentence: str
    count: int


class ImportReport(msgspec.Struct):
    """One run. `refused_rows` are the first ones; `refused_total` says how many there are."""

    source: str
    source_digest: str = ""
    roster_import_id: int | None = None
    oneroster_version: str | None = None
    outcome: Outcome = "failed"
    sentence: str = ""
    problems: list[Problem] = []
    files: list[FileReport] = []
    hiding: list[HidingCount] = []
    warnings: list[Warned] = []
    ignored: dict[str, str] = {}
    refused_rows: list[RefusedRow] = []
    refused_total: int = 0
    kept_total: int = 0
    seconds: float = 0.0
    peak_rss_mib: int = 0

    def of(self, name: str) -> FileReport:
        """Return the numbers of one file, which must be in the package."""
        return next(file for file in self.files if file.file == name)


def imported_sentence(report: ImportReport) -> str:
    """Say what a finished run did."""
    total = FileReport("", "")
    for file in report.files:
        total.added += file.added
        total.changed += file.changed
        total.returned += file.returned
        total.hidden += file.hidden
    parts = [f"{total.added:,} added", f"{total.changed:,} changed", f"{total.hidden:,} hidden"]
    if total.returned:
        parts.append(f"{total.returned:,} back")
    if report.refused_total:
        parts.append(f"{report.refused_total:,} rows refused")
    if report.kept_total:
        parts.append(f"{report.kept_total:,} results not recorded because a teacher's value stands")
    if not report.files:
        return "Nothing to import: the manifest says that every file is absent."
    return f"Imported: {', '.join(parts)}."


def refused_sentence(report: ImportReport) -> str:
    """Say why a package is refused: the first reasons, and where too many rows were refused, the first of those."""
    reasons = [str(problem) for problem in report.problems[:REASONS_MAX]]
    if report.problems[0].code == "too_many_refused" and report.refused_rows:
        first = report.refused_rows[0]
        reasons = [f"{first.file} line {first.line}: {first.reason} [{first.code}]", *reasons[: REASONS_MAX - 1]]
    return f"Refused, nothing was changed: {'; '.join(reasons)}"


def held_sentence(report: ImportReport, over: list[HidingCount], share_max: float) -> str:
    """Say why a run waits for a person."""
    listed = ", ".join(
        f"{count.hiding:,} of {count.visible:,} {count.what} ({100 * count.hiding / count.visible:.1f} %)"
        for count in over
    )
    return (
        f"Held: this package would hide {listed}, and more than {share_max:g} % needs a person's word. "
        f"Nothing was changed. If it is right: inkfast roster approve {report.roster_import_id}"
    )


def text_lines(report: ImportReport, rows_max: int = 20) -> list[str]:
    """Return the report as lines for a terminal or a log; what a package says cannot steer the terminal."""
    lines = [f"{report.source}: {report.sentence}"]
    if len(report.problems) > 1:
        lines += [f"  {problem}" for problem in report.problems[:rows_max]]
    if report.files:
        heads = ("rows", "added", "changed", "unchanged", "back", "hidden", "refused", "kept")
        lines.append(f"  {'file':<22}{'mode':<7}" + "".join(f"{head:>11}" for head in heads))
    for file in report.files:
        numbers = (
            file.rows,
            file.added,
            file.changed,
            file.unchanged,
            file.returned,
            file.hidden,
            file.refused,
            file.kept,
        )
        lines.append(f"  {file.file:<22}{file.mode:<7}" + "".join(f"{number:>11,}" for number in numbers))
    lines += [f"  {warned.file}: {warned.count:,} {warned.sentence} [{warned.code}]" for warned in report.warnings]
    lines += [f"  {file}: ignored, {reason}" for file, reason in report.ignored.items()]
    for row in report.refused_rows[:rows_max]:
        verb = "not recorded" if row.code == "kept" else "refused"
        lines.append(f"  {row.file} line {row.line}: {verb}: {row.reason} [{row.code}]")
    more = report.refused_total + report.kept_total - rows_max
    if more > 0:
        lines.append(f"  … and {more:,} more rows (--report FILE writes all of them)")
    lines.append(f"  {report.seconds:.1f} s, at most {report.peak_rss_mib} MiB")
    return ["".join(char if char.isprintable() else "\ufffd" for char in line) for line in lines]


class ReportFile:
    """The report as JSON with every refused row, written as they come; valid JSON only after `finish`."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("wb") if path else None
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def add(self, row: RefusedRow) -> None:
        """Write one refused row."""
        if self._file:
            self._file.write(b",\n" if self._rows else b'{"all_refused_rows":[\n')
            self._file.write(msgspec.json.encode(row))
        self._rows += 1

    def finish(self, report: ImportReport) -> None:
        """Write the rest of the report behind the rows."""
        if self._file:
            self._file.write(b"\n]," if self._rows else b'{"all_refused_rows":[],')
            self._file.write(msgspec.json.encode(report)[1:] + b"\n")
