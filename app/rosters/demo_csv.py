"""Writes the demo district as a OneRoster 1.2 package: the same records that `load_demo_district` loads."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from app.rosters.demo_district import DISTRICT_NAME, DemoDistrict
from app.rosters.demo_gradebook import CATEGORIES
from app.rosters.demo_ids import (
    category_id,
    course_id,
    enrollment_id,
    line_item_id,
    org_id,
    person_id,
    result_id,
    section_id,
    session_id,
)
from app.rosters.demo_schools import COURSES
from app.rosters.manifest import IMPORTED_FILES, UNUSED_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Row = tuple[Any, ...]

_LEAD = "sourcedId,status,dateLastModified,"
_HEADERS = {
    "orgs": "name,type,identifier,parentSourcedId",
    "academicSessions": "title,type,startDate,endDate,parentSourcedId,schoolYear",
    "courses": "schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes",
    "users": (
        "enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,"
        "password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"
    ),
    "roles": "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId",
    "classes": (
        "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods"
    ),
    "enrollments": "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
    "categories": "title,weight",
    "lineItems": (
        "title,description,assignDate,dueDate,classSourcedId,categorySourcedId,academicSessionSourcedId,"
        "resultValueMin,resultValueMax,schoolSourcedId"
    ),
    "results": (
        "lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,"
        "inProgress,incomplete,late,missing"
    ),
}


def write_demo_package(
    district: DemoDistrict,
    folder: Path,
    *,
    with_results: bool,
    progress: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Write the district's files into an empty or new folder and return the number of rows of each.

    FileExistsError when the folder is not empty. The manifest is written last: without it nothing imports the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    writer = _Rows(district)
    counts: dict[str, int] = {}
    for name, rows in writer.files(with_results=with_results).items():
        if progress:
            progress(f"writing {name}.csv")
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow((_LEAD + _HEADERS[name]).split(","))
            counts[name] = sum(1 for row in rows if out.writerow((row[0], "", "", *row[1:])))
    modes = {name: "bulk" if name in counts else "absent" for name in (*IMPORTED_FILES, *UNUSED_FILES)}
    lines = ["propertyName,value", "manifest.version,1.0", "oneroster.version,1.2"]
    lines += [f"file.{name},{mode}" for name, mode in modes.items()]
    lines += [f"source.systemName,{DISTRICT_NAME}", "source.systemCode,inkfast-demo"]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return counts


class _Rows:
    """The rows of each file, sourcedId first, without status and dateLastModified (empty in a bulk file)."""

    def __init__(self, district: DemoDistrict) -> None:
        self._district = district

    def files(self, *, with_results: bool) -> dict[str, Iterator[Row]]:
        """Return the streams in the order in which they are written."""
        streams = {
            "orgs": self._orgs(),
            "academicSessions": self._sessions(),
            "courses": self._courses(),
            "users": self._users(),
            "roles": self._roles(),
            "classes": self._classes(),
            "enrollments": self._enrollments(),
            "categories": self._categories(),
            "lineItems": self._line_items(),
        }
        return streams | {"results": self._results()} if with_results else streams

    def _orgs(self) -> Iterator[Row]:
        yield org_id(1), DISTRICT_NAME, "district", "", ""
        for school in self._district.schools:
            yield org_id(1 + school.number), school.name, "school", "", org_id(1)

    def _sessions(self) -> Iterator[Row]:
        for s in self._district.calendar.sessions:
            parent = session_id(s.parent) if s.parent else ""
            yield session_id(s.number), s.title, s.type, s.begin, s.end, parent, self._district.calendar.school_year

    def _courses(self) -> Iterator[Row]:
        for course in COURSES.values():
            yield course_id(course.number), session_id(1), course.title, course.code, "", org_id(1), "", ""

    def _users(self) -> Iterator[Row]:
        for p in self._district.people():
            name = ("true", p.username, "", p.given_name, p.family_name, "", p.identifier, p.email, "", "", "")
            yield person_id(p.username), *name, p.grade or "", "", "", "", "", "", org_id(p.org), ""

    def _roles(self) -> Iterator[Row]:
        for p in self._district.people():
            yield f"demo-role-{p.username}", person_id(p.username), "primary", p.role, "", "", org_id(p.org), ""

    def _classes(self) -> Iterator[Row]:
        for planned in self._district.sections():
            s, school = planned.section, org_id(1 + planned.school.number)
            about = (s.title, "", course_id(s.course.number), s.code, "scheduled", s.location, school)
            yield section_id(planned.number), *about, session_id(planned.term.number), "", "", s.period

    def _enrollments(self) -> Iterator[Row]:
        begins, username = self._district.begins, self._district.username
        for planned, person, role, is_primary in self._district.enrollments():
            name = username(person)
            who = (section_id(planned.number), org_id(1 + planned.school.number), person_id(name), role)
            yield enrollment_id(planned.number, name), *who, "true" if is_primary else "false", begins, ""

    def _categories(self) -> Iterator[Row]:
        for number, (title, weight) in enumerate(CATEGORIES, 1):
            yield category_id(number), title, weight

    def _line_items(self) -> Iterator[Row]:
        for number, planned, c in self._district.line_items():
            section, school = section_id(planned.number), org_id(1 + planned.school.number)
            keys = (section, category_id(c.category), session_id(self._district.period_of(c.due).number))
            yield line_item_id(number), c.title, "", c.assigned, c.due, *keys, 0, c.maximum, school

    def _results(self) -> Iterator[Row]:
        for number, planned, column, result in self._district.results():
            name = self._district.username(self._district.student_number(result.student))
            status = "exempt" if "exempt" in result.status else "fully graded" if result.score else "not submitted"
            flags = ("false", "false", *("true" if flag in result.status else "false" for flag in ("late", "missing")))
            about = (status, result.score or "", column.due, result.comment or "", "", section_id(planned.number))
            yield result_id(number, name), line_item_id(number), person_id(name), *about, *flags
