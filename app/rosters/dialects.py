"""Names what a set of CSV files without a manifest is, so that its refusal says what to ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.rosters.problems import CsvFaultError
from app.rosters.reader import RecordReader

if TYPE_CHECKING:
    from app.rosters.package import Package

_ROSTER_NAMES = {"orgs.csv", "users.csv", "classes.csv", "enrollments.csv", "courses.csv", "academicSessions.csv"}
_SDS_V1_NAMES = {
    "School.csv",
    "Section.csv",
    "Student.csv",
    "Teacher.csv",
    "StudentEnrollment.csv",
    "TeacherRoster.csv",
}
_ASK = "ask the sender for a OneRoster 1.1 or 1.2 CSV export with its manifest.csv"


def without_manifest(package: Package) -> str:
    """Return the reason why this package is refused: what it looks like, and by which files or columns."""
    names = set(package.names())
    if not names:
        return "there is no manifest.csv: the package is empty"
    headers = {name: _header(package, name) for name in sorted(names & (_ROSTER_NAMES | _SDS_V1_NAMES | {"roles.csv"}))}
    v1_names = names & _SDS_V1_NAMES
    if len(v1_names) > 1:
        flavour = "UK format" if "DfE Number" in headers.get("School.csv", ()) else "v1 format"
        listed = ", ".join(sorted(v1_names))
        kind = f"Microsoft School Data Sync files ({flavour})"
        return f"there is no manifest.csv: {listed} are {kind}, not OneRoster; {_ASK}"
    if version := _sds_v2(names, headers):
        return f"there is no manifest.csv: {version}, not OneRoster; {_ASK}"
    columns = headers.get("users.csv") or next((header for header in headers.values() if "status" in header), ())
    if {"sourcedId", "status", "dateLastModified"} <= set(columns):
        version = "1.1" if "role" in headers.get("users.csv", ()) else "1.2" if "roles.csv" in names else "1.1 or 1.2"
        return (
            f"there is no manifest.csv: the files look like OneRoster {version}, but only a manifest says whether "
            "each is the whole (bulk) or changes (delta), and what is missing from a whole is hidden"
        )
    listed = ", ".join(sorted(names)[:6]) + ("…" if len(names) > 6 else "")
    return f"there is no manifest.csv, and the files ({listed}) are not those of OneRoster"


def _sds_v2(names: set[str], headers: dict[str, tuple[str, ...]]) -> str | None:
    """Tell Microsoft's v2 and v2.1 by what OneRoster does not have: no status column, and these names."""
    if "status" in headers.get("users.csv", ()) or "users.csv" not in names:
        return None
    signs = sorted(names & {"relationships.csv", "userFlags.csv"})
    if "sessionSourcedIds" in headers.get("classes.csv", ()):
        signs.append("the column sessionSourcedIds of classes.csv")
    if signs:
        return f"this is Microsoft School Data Sync v2.1 (by {', '.join(signs)})"
    if "orgSourcedId" in headers.get("classes.csv", ()):
        return "this is Microsoft School Data Sync v2 (by the column orgSourcedId of classes.csv)"
    return None


def _header(package: Package, name: str) -> tuple[str, ...]:
    try:
        with package.open(name) as file:
            return tuple(next(iter(RecordReader(file)), (0, []))[1])
    except (CsvFaultError, OSError):
        return ()
