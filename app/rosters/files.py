"""What each file of a package holds: its columns, how each is parsed, what is required, and where it is staged.

Required is what Inkfast cannot do without; the standard requires more, and refusing a whole district for an empty
`classType` would help nobody. docs/roster-import.md lists the differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import msgspec

from app.model.kinds import CommentValue, ScoreStatus, ScoreValue, canonical
from app.rosters.fields import (
    KEEP,
    boolean,
    identifier,
    identifiers,
    iso_date,
    one_of,
    same,
    score,
    words,
    year,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_STATUS_ORDER: tuple[Any, ...] = get_args(ScoreStatus)
Parser = Any  # Callable[[str], value]; mypy cannot see through lru_cache

ORG_TYPES = same("department", "school", "district", "local", "state", "national")
SESSION_TYPES = same("schoolYear", "semester", "term", "gradingPeriod")
USER_ROLES = same(
    *("administrator", "aide", "counselor", "districtAdministrator", "guardian", "parent", "principal", "proctor"),
    *("relative", "siteAdministrator", "student", "systemAdministrator", "teacher"),
)
ENROLLMENT_ROLES = same("student", "teacher", "administrator", "proctor", "aide")
# What a cell says of a score_status; "fully graded" says nothing that the score does not.
SCORE_STATUSES = {
    "exempt": "exempt",
    "fully graded": "",
    "not submitted": "not_submitted",
    "partially graded": "partially_graded",
    "submitted": "submitted",
}


class Column(msgspec.Struct, frozen=True):
    """One column of a CSV file. `kept_when_deleted`: without it a row `tobedeleted` says nothing."""

    name: str
    parse: Parser
    target: str
    required: bool = False
    kept_when_deleted: bool = False


class Watch(msgspec.Struct, frozen=True):
    """Something worth a warning: `is_odd` gets the texts of the columns, and rows are counted, not listed."""

    code: str
    columns: tuple[str, ...]
    is_odd: Any  # Callable[..., bool]
    sentence: str


class FileSpec(msgspec.Struct, frozen=True):
    """One file: columns that are staged, columns of the standard that are not, and what rows become."""

    name: str
    table: str
    columns: tuple[Column, ...]
    unused: tuple[str, ...] = ()
    watches: tuple[Watch, ...] = ()
    finish: Any = None  # Callable[[list[Any]], list[Any]]: parsed values to staged ones
    staged: tuple[str, ...] = ()  # the staged columns, where `finish` makes others

    @property
    def csv_name(self) -> str:
        """Return the file's name in the package."""
        return f"{self.name}.csv"

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the staging table's columns, after those that every table has."""
        return self.staged or tuple(column.target for column in self.columns)


def _texts(*names: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, words, target) for name, target in names)


_NO_CODES = Watch(
    "subjects_without_codes",
    ("subjects", "subjectCodes"),
    lambda subjects, codes: bool(subjects and not codes),
    "rows have subjects without subjectCodes (1.2 wants both; Inkfast needs neither)",
)
_DATES = (Column("beginDate", iso_date, "begin_date"), Column("endDate", iso_date, "end_date"))

ORGS = FileSpec(
    "orgs",
    "org",
    (
        Column("name", words, "name", required=True),
        Column("type", one_of(ORG_TYPES, extension=KEEP), "type", required=True),
        Column("identifier", words, "identifier"),
        Column("parentSourcedId", identifier, "parent_sourced_id"),
    ),
)
ACADEMIC_SESSIONS = FileSpec(
    "academicSessions",
    "academic_session",
    (
        Column("title", words, "title", required=True),
        Column("type", one_of(SESSION_TYPES, extension="term"), "type", required=True),
        Column("startDate", iso_date, "start_date", required=True),
        Column("endDate", iso_date, "end_date", required=True),
        Column("parentSourcedId", identifier, "parent_sourced_id"),
        Column("schoolYear", year, "school_year", required=True),
    ),
)
COURSES = FileSpec(
    "courses",
    "course",
    (
        Column("title", words, "title", required=True),
        Column("courseCode", words, "course_code"),
        Column("orgSourcedId", identifier, "org_sourced_id", required=True),
        Column("schoolYearSourcedId", identifier, "school_year_sourced_id"),
    ),
    unused=("grades", "subjects", "subjectCodes"),
    watches=(_NO_CODES,),
)
CLASSES = FileSpec(
    "classes",
    "section",
    (
        Column("title", words, "title", required=True),
        Column("courseSourcedId", identifier, "course_sourced_id", required=True),
        Column("classCode", words, "class_code"),
        Column("location", words, "location"),
        Column("schoolSourcedId", identifier, "org_sourced_id", required=True),
        Column("termSourcedIds", identifiers, "term_sourced_ids", required=True),
        Column("periods", words, "periods"),
    ),
    unused=("grades", "classType", "subjects", "subjectCodes"),
    watches=(_NO_CODES,),
)
_USER_COLUMNS = (
    Column("enabledUser", boolean, "is_enabled", required=True),
    Column("username", words, "username", required=True),
    Column("givenName", words, "given_name", required=True),
    Column("familyName", words, "family_name", required=True),
    *_texts(("middleName", "middle_name"), ("identifier", "identifier"), ("email", "email"), ("grades", "grades")),
)
_PASSWORDS = Watch(
    "password_ignored",
    ("password",),
    bool,
    "rows carry a password: not read (`inkfast roster set-password` gives an account one)",
)
_USER_UNUSED = ("userIds", "sms", "phone", "agentSourcedIds", "password")
USERS_1_1 = FileSpec(
    "users",
    "user_account",
    (
        *_USER_COLUMNS,
        Column("orgSourcedIds", identifiers, "org_sourced_ids", required=True),
        Column("role", one_of(USER_ROLES, extension=KEEP), "role", required=True),
    ),
    unused=_USER_UNUSED,
    watches=(_PASSWORDS,),
)
USERS_1_2 = FileSpec(
    "users",
    "user_account",
    (
        *_USER_COLUMNS,
        *_texts(("preferredGivenName", "preferred_given_name"), ("preferredFamilyName", "preferred_family_name")),
        Column("primaryOrgSourcedId", identifier, "primary_org_sourced_id"),
    ),
    unused=(*_USER_UNUSED, "userMasterIdentifier", "preferredMiddleName", "pronouns"),
    watches=(_PASSWORDS,),
)
ROLES = FileSpec(
    "roles",
    "user_role",
    (
        Column("userSourcedId", identifier, "user_sourced_id", required=True, kept_when_deleted=True),
        Column("roleType", one_of({"primary": "primary", "secondary": "secondary"}), "is_primary", required=True),
        Column("role", one_of(USER_ROLES, extension=KEEP), "role", required=True, kept_when_deleted=True),
        *_DATES,
        Column("orgSourcedId", identifier, "org_sourced_id", required=True, kept_when_deleted=True),
    ),
    unused=("userProfileSourcedId",),
    finish=lambda values: [values[0], values[1] == "primary", *values[2:]],
    staged=("user_sourced_id", "is_primary", "role", "begin_date", "end_date", "org_sourced_id"),
)
ENROLLMENTS = FileSpec(
    "enrollments",
    "enrollment",
    (
        Column("classSourcedId", identifier, "section_sourced_id", required=True),
        Column("schoolSourcedId", identifier, "org_sourced_id"),
        Column("userSourcedId", identifier, "user_sourced_id", required=True),
        Column("role", one_of(ENROLLMENT_ROLES), "role", required=True),
        Column("primary", boolean, "is_primary"),
        *_DATES,
    ),
)
CATEGORIES = FileSpec(
    "categories",
    "category",
    (Column("title", words, "title", required=True), Column("weight", score, "weight")),
)


def _line_items(session_column: str) -> FileSpec:
    return FileSpec(
        "lineItems",
        "line_item",
        (
            Column("title", words, "title", required=True),
            Column("description", words, "description"),
            Column("assignDate", iso_date, "assign_date"),
            Column("dueDate", iso_date, "due_date"),
            Column("classSourcedId", identifier, "section_sourced_id", required=True),
            Column("categorySourcedId", identifier, "category_sourced_id"),
            Column(session_column, identifier, "academic_session_sourced_id"),
            Column("resultValueMin", score, "result_value_min"),
            Column("resultValueMax", score, "result_value_max"),
        ),
        unused=("schoolSourcedId",),
        watches=(
            Watch("maximum_assumed", ("resultValueMax",), lambda text: not text, "line items have no maximum: 100"),
        ),
    )


def _result(values: list[Any]) -> list[Any]:
    """Make the two values of a result's cells: its score with the flags, and its comment."""
    line_item, student, section, status, number, day, comment, *flags = values
    found = {
        name for name, is_set in zip(("in_progress", "incomplete", "late", "missing"), flags, strict=True) if is_set
    }
    if status and not (status == "not_submitted" and "missing" in found):
        found.add(status)
    score_value = None
    if number is not None or found:
        # In the order of the vocabulary: the same flags are the same value.
        flagged = tuple(word for word in _STATUS_ORDER if word in found)
        score_value = canonical(ScoreValue(score=number, status=flagged)).decode()
    comment_value = canonical(CommentValue(text=comment)).decode() if comment else None
    return [line_item, student, section, day, number, score_value, comment_value]


RESULTS = FileSpec(
    "results",
    "result",
    (
        Column("lineItemSourcedId", identifier, "", required=True, kept_when_deleted=True),
        Column("studentSourcedId", identifier, "", required=True, kept_when_deleted=True),
        Column("classSourcedId", identifier, ""),
        Column("scoreStatus", one_of(SCORE_STATUSES, extension=""), ""),
        Column("score", score, ""),
        Column("scoreDate", iso_date, ""),
        Column("comment", words, ""),
        Column("inProgress", boolean, ""),
        Column("incomplete", boolean, ""),
        Column("late", boolean, ""),
        Column("missing", boolean, ""),
    ),
    unused=("textScore",),
    watches=(
        Watch(
            "text_score_alone",
            ("score", "textScore"),
            lambda number, text: bool(text and not number),
            "rows have a textScore and no score: a cell holds numbers only, so these scores are not recorded",
        ),
    ),
    finish=_result,
    staged=(
        *("line_item_sourced_id", "student_sourced_id", "section_sourced_id", "score_date"),
        *("score", "score_value", "comment_value"),
    ),
)


def specs(version: str) -> dict[str, FileSpec]:
    """Return the files of OneRoster 1.1 or 1.2 that are imported; each can refer to those before it."""
    is_1_1 = version == "1.1"
    listed: Iterable[FileSpec] = (
        *(ORGS, ACADEMIC_SESSIONS, COURSES),
        USERS_1_1 if is_1_1 else USERS_1_2,
        *(() if is_1_1 else (ROLES,)),
        *(CLASSES, ENROLLMENTS, CATEGORIES),
        _line_items("gradingPeriodSourcedId" if is_1_1 else "academicSessionSourcedId"),
        RESULTS,
    )
    return {spec.name: spec for spec in listed}
