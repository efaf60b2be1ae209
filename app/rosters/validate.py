"""Turns the records of one file into rows for its staging table, good or refused, without holding more than one.

What one row shows by itself is checked here; what needs other rows (ids used twice, references) is checked in the
staging tables. A refused row is staged too: the record that it names has not disappeared from the file.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from app.rosters.fields import identifier, one_of, timestamp
from app.rosters.problems import CsvFaultError, FieldError, Problem, shown
from app.rosters.reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.rosters.files import Column, FileSpec
    from app.rosters.manifest import Mode

Row = tuple[Any, ...]

# The columns that every staging table begins with.
STAGE_COLUMNS = ("line", "sourced_id", "is_deleted", "modified_at", "refused", "reason")
_PROGRESS_ROWS = 20_000
_status = one_of({"active": "active", "tobedeleted": "tobedeleted"})


class FileStager:
    """Reads one file of the package. After `rows()` is used up, `problems` and `warnings` are complete."""

    def __init__(self, spec: FileSpec, mode: Mode, encoding: str | None = None) -> None:
        self.spec = spec
        self.mode = mode
        self.rows_read = 0
        self.last_line = 0
        self.problems: list[Problem] = []
        self.warnings: dict[str, tuple[str, int]] = {}
        self._encoding = encoding
        self._parse: _RowParser | None = None

    def rows(self, file: IO[bytes], progress: Callable[[int], None]) -> Iterator[Row]:
        """Yield a row per record. Trouble with the file as a whole ends it early, and goes to `problems`.

        `progress` is called now and then with the number of rows so far.
        """
        try:
            reader = iter(RecordReader(file, self._encoding))
            line, header = next(reader, (0, []))
            self._read_header(line, [name.strip() for name in header])
            parse = self._parse
            for line, values in reader:
                self.rows_read += 1
                self.last_line = line
                if self.rows_read % _PROGRESS_ROWS == 0:
                    progress(self.rows_read)
                if parse is not None:
                    yield parse(line, values)
        except CsvFaultError as fault:
            self._problem(fault.line, fault.code, fault.reason)
        if self._parse is not None:
            self.warnings |= self._parse.warnings()
        progress(self.rows_read)

    def _read_header(self, line: int, header: list[str]) -> None:
        """Check the header. Where it will not do, the rest of the file is still read for what else is wrong."""
        if not header:
            self._problem(0, "header_missing", "the file is empty; even a file without rows has a header")
            return
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            self._problem(line, "header_duplicate", f"the header names {', '.join(map(shown, twice))} more than once")
        needed = ["sourcedId", *(column.name for column in self.spec.columns if column.required)]
        if self.mode == "delta":
            needed += ["status", "dateLastModified"]
        missing = [name for name in needed if name not in header]
        if missing:
            alike = sorted({name for name in header if name.lower() in {wanted.lower() for wanted in missing}})
            hint = f" (letters count: {', '.join(map(shown, alike))} is not it)" if alike else ""
            self._problem(line, "header_column", f"the header lacks {', '.join(missing)}{hint}")
        if twice or missing:
            return
        known = {"sourcedId", "status", "dateLastModified", *self.spec.unused}
        known |= {column.name for column in self.spec.columns}
        strange = [name for name in header if name not in known and not name.startswith("metadata.")]
        if strange:
            names = ", ".join(map(shown, strange[:10])) + ("…" if len(strange) > 10 else "")
            self.warnings["columns_ignored"] = (f"columns that Inkfast does not know: {names}", len(strange))
        self._parse = _RowParser(self.spec, header, self.mode)

    def _problem(self, line: int, code: str, reason: str) -> None:
        self.problems.append(Problem(self.spec.csv_name, line, code, reason))


class _RowParser:
    """One row at a time; the columns are looked up once, here."""

    def __init__(self, spec: FileSpec, header: list[str], mode: Mode) -> None:
        self._spec = spec
        self._width = len(header)
        self._is_delta = mode == "delta"
        # A column that is not there reads an empty text that is put behind the row's last field.
        places = {name: index for index, name in enumerate(header)}
        self._id = places["sourcedId"]
        self._status = places.get("status", self._width)
        self._modified = places.get("dateLastModified", self._width)
        self._steps = [
            (places.get(column.name, self._width), column.parse, column.required, column.kept_when_deleted)
            for column in spec.columns
        ]
        self._watches = [
            (watch, tuple(places.get(name, self._width) for name in watch.columns), [0]) for watch in spec.watches
        ]
        self._finish = spec.finish
        self._nothing = (None,) * len(spec.targets)

    def __call__(self, line: int, values: list[str]) -> Row:
        """Return the staged row: parsed, or refused with every reason that its fields show."""
        if len(values) != self._width:
            reason = f"{len(values)} fields where the header has {self._width}"
            return self._refused(line, values, "width", reason)
        values.append("")
        try:
            sourced_id = identifier(values[self._id])
            status, modified = values[self._status].strip(), values[self._modified].strip()
            if not sourced_id or (self._is_delta and not (status and modified)):
                return self._explain(line, values)
            is_deleted = bool(status) and _status(status) == "tobedeleted"
            moment = timestamp(modified) if modified else None
            parsed: list[Any] = []
            for index, parse, is_required, is_kept in self._steps:
                text = values[index].strip()
                if text:
                    parsed.append(parse(text))
                elif is_required and (is_kept or not is_deleted):
                    return self._explain(line, values)
                else:
                    parsed.append(None)
        except FieldError:
            return self._explain(line, values)
        for watch, indexes, count in self._watches:
            if watch.is_odd(*(values[index] for index in indexes)):
                count[0] += 1
        staged = self._finish(parsed) if self._finish else parsed
        return (line, sourced_id, is_deleted, moment, None, None, *staged)

    def warnings(self) -> dict[str, tuple[str, int]]:
        """Return what the watches saw: code, sentence, number of rows."""
        return {watch.code: (watch.sentence, count[0]) for watch, _, count in self._watches if count[0]}

    def _explain(self, line: int, values: list[str]) -> Row:
        """Say everything that is wrong with the row: slowly, which is fine for few."""
        found: list[tuple[str, str]] = []
        status, modified = values[self._status].strip(), values[self._modified].strip()
        if not values[self._id].strip():
            found.append(("required", "sourcedId is empty"))
        if self._is_delta:
            empty = [name for name, text in (("status", status), ("dateLastModified", modified)) if not text]
            if empty:
                found.append(("delta_lifecycle", f"a row of a delta needs {' and '.join(empty)}"))
        checks = (("sourcedId", identifier, values[self._id]), ("status", _status, status))
        for name, parse, text in (*checks, ("dateLastModified", timestamp, modified)):
            found += _fault(name, parse, text.strip())
        is_deleted = status.lower() == "tobedeleted"
        for column, (index, *_) in zip(self._spec.columns, self._steps, strict=True):
            found += _fault_of_column(column, values[index].strip(), is_deleted=is_deleted)
        return self._refused(line, values, found[0][0], "; ".join(reason for _, reason in found))

    def _refused(self, line: int, values: list[str], code: str, reason: str) -> Row:
        # Only a short id that was read whole can be a record's; a row of another width may still hold it.
        sourced_id = values[self._id].strip() if self._id < len(values) else ""
        usable = sourced_id if 0 < len(sourced_id) <= 255 else None
        return (line, usable, False, None, code, reason, *self._nothing)


def _fault(name: str, parse: Any, text: str) -> list[tuple[str, str]]:
    if text:
        try:
            parse(text)
        except FieldError as error:
            return [("field", f"{name} {error}")]
    return []


def _fault_of_column(column: Column, text: str, *, is_deleted: bool) -> list[tuple[str, str]]:
    if not text and column.required and (column.kept_when_deleted or not is_deleted):
        return [("required", f"{column.name} is empty")]
    return _fault(column.name, column.parse, text)
