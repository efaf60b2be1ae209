"""A small district as OneRoster files, to be bent by tests before it is imported."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.rosters.report import ImportReport

Rows = list[dict[str, str]]
Files = dict[str, Rows]

HEADERS = {
    "orgs": "name type identifier parentSourcedId",
    "academicSessions": "title type startDate endDate parentSourcedId schoolYear",
    "courses": "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
    "users": "enabledUser username givenName familyName email grades password primaryOrgSourcedId",
    "roles": "userSourcedId roleType role beginDate endDate orgSourcedId",
    "classes": (
        "title courseSourcedId classCode classType location schoolSourcedId termSourcedIds subjects subjectCodes "
        "periods"
    ),
    "enrollments": "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
    "categories": "title weight",
    "lineItems": (
        "title description assignDate dueDate classSourcedId categorySourcedId academicSessionSourcedId "
        "resultValueMin resultValueMax"
    ),
    "results": (
        "lineItemSourcedId studentSourcedId scoreStatus score scoreDate comment textScore classSourcedId "
        "inProgress incomplete late missing"
    ),
}
STUDENTS = 20
PERSON = {"enabledUser": "true", "givenName": "Given", "familyName": "Family"}
CLASS = {"courseSourcedId": "k", "schoolSourcedId": "o", "termSourcedIds": "y"}
GRADED = {"scoreStatus": "fully graded", "scoreDate": "2026-10-01"}


def small_district() -> Files:
    """One school, two teachers, two sections, 20 students in both, one line item each, results in the first."""
    students = [f"s{number}" for number in range(1, STUDENTS + 1)]
    roles = dict.fromkeys(("t1", "t2"), "teacher") | dict.fromkeys(students, "student")
    taught = {"c1": "t1", "c2": "t2"}
    year = {
        "title": "Year",
        "type": "schoolYear",
        "startDate": "2026-08-01",
        "endDate": "2027-06-10",
        "schoolYear": "2027",
    }
    item = {"title": "Quiz 1", "categorySourcedId": "q", "academicSessionSourcedId": "y", "resultValueMin": "0"}
    enrolled = [(section, name) for section in taught for name in roles if name in (taught[section], *students)]
    return {
        "orgs": [
            {"sourcedId": "d", "name": "District", "type": "district"},
            {"sourcedId": "o", "name": "School", "type": "school", "parentSourcedId": "d"},
        ],
        "academicSessions": [{"sourcedId": "y"} | year],
        "courses": [{"sourcedId": "k", "title": "Math", "orgSourcedId": "d"}],
        "users": [{"sourcedId": name, "username": name} | PERSON for name in roles],
        "roles": [
            {"sourcedId": f"r-{name}", "userSourcedId": name, "roleType": "primary", "role": role, "orgSourcedId": "o"}
            for name, role in roles.items()
        ],
        "classes": [{"sourcedId": name, "title": f"Math {name}"} | CLASS for name in taught],
        "enrollments": [
            {"sourcedId": f"e-{section}-{name}", "classSourcedId": section, "userSourcedId": name, "role": roles[name]}
            for section, name in enrolled
        ],
        "categories": [{"sourcedId": "q", "title": "Quizzes", "weight": "40"}],
        "lineItems": [
            {"sourcedId": f"i-{section}", "classSourcedId": section, "resultValueMax": "20"} | item
            for section in taught
        ],
        "results": [
            {"sourcedId": f"g-{name}", "lineItemSourcedId": "i-c1", "studentSourcedId": name, "score": str(number)}
            | GRADED
            for number, name in enumerate(students)
        ],
    }


def changes(**files: Rows) -> Files:
    """Rows of a delta: status and dateLastModified filled in where they are not given."""
    lead = {"status": "active", "dateLastModified": "2026-11-01T08:00:00.000Z"}
    return {name: [lead | row for row in rows] for name, rows in files.items()}


def csv_bytes(name: str, rows: Rows, encoding: str = "utf-8") -> bytes:
    """One file's bytes."""
    out = io.StringIO(newline="")
    fields = ["sourcedId", "status", "dateLastModified", *HEADERS[name].split()]
    writer = csv.DictWriter(out, fields, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def manifest(modes: Mapping[str, str], version: str = "1.2") -> bytes:
    """A manifest that names these files."""
    lines = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
    return "\r\n".join([*lines, *(f"file.{name},{mode}" for name, mode in modes.items())]).encode()


def write_package(folder: Path, files: Files, mode: str = "bulk", **raw: bytes) -> Path:
    """Write a folder with a manifest; `raw` replaces the bytes of a file by name."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / "manifest.csv").write_bytes(manifest(dict.fromkeys(files, mode)))
    for name, rows in files.items():
        (folder / f"{name}.csv").write_bytes(raw[name] if name in raw else csv_bytes(name, rows))
    return folder


def write_zip(path: Path, entries: Mapping[str, bytes]) -> Path:
    """Write a zip with these entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in entries.items():
            package.writestr(name, content)
    return path


def numbers(report: ImportReport, name: str) -> dict[str, int]:
    """The numbers of one file that are not zero."""
    file = report.of(name)
    fields = ("rows", "added", "changed", "unchanged", "returned", "hidden", "refused", "kept")
    return {field: getattr(file, field) for field in fields if getattr(file, field)}


def refused(report: ImportReport) -> list[tuple[str, int, str]]:
    """File, line and code of every refused row in the report."""
    return [(row.file, row.line, row.code) for row in report.refused_rows]
