"""The manifest of a roster package: which version of OneRoster; and is each file the whole, changes, or absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from app.rosters import dialects
from app.rosters.problems import CsvFaultError, PackageRefusedError, Problem, shown
from app.rosters.reader import RecordReader

if TYPE_CHECKING:
    from app.rosters.package import Package

Mode = Literal["bulk", "delta"]
MODES: dict[str | None, Mode] = {"bulk": "bulk", "delta": "delta"}

MANIFEST = "manifest.csv"
VERSIONS = {"1.1": "1.1", "1.2": "1.2", "1.2.0": "1.2", "1.2.1": "1.2"}
PROPERTIES_MAX = 200

# The files that Inkfast reads, in the order in which each may refer to those before it.
IMPORTED_FILES = (
    "orgs",
    "academicSessions",
    "courses",
    "users",
    "roles",
    "classes",
    "enrollments",
    "categories",
    "lineItems",
    "results",
)
# Files of the standard that a gradebook has no use for. Their mode is checked, their rows are not read.
UNUSED_FILES = (
    "demographics",
    "userProfiles",
    "resources",
    "classResources",
    "courseResources",
    "userResources",
    "scoreScales",
    "lineItemScoreScales",
    "resultScoreScales",
    "lineItemLearningObjectiveIds",
    "resultLearningObjectiveIds",
)


class Manifest(msgspec.Struct, frozen=True):
    """What is in the package. `modes` names every file to import; `ignored` every other file, with the reason."""

    version: str
    modes: dict[str, Mode]
    ignored: dict[str, str]
    source_name: str | None = None


def read_manifest(package: Package) -> Manifest:
    """Read manifest.csv and compare it with the files that are there.

    PackageRefusedError with every disagreement found; then nothing else of the package has been read.
    """
    names = package.names()
    if MANIFEST not in names:
        raise PackageRefusedError([Problem(package.name, 0, "manifest_missing", dialects.without_manifest(package))])
    properties, problems = _properties(package)
    version = properties.get("oneroster.version")
    if version is None and not problems:
        problems.append(Problem(MANIFEST, 0, "manifest_version", "the property oneroster.version is missing"))
    elif version is not None and version not in VERSIONS:
        reason = f"oneroster.version is {shown(version)}; Inkfast reads 1.1 and 1.2"
        problems.append(Problem(MANIFEST, 0, "manifest_version", reason))
    modes: dict[str, Mode] = {}
    ignored: dict[str, str] = {}
    if not problems:
        problems += _compare(properties, set(names), modes, ignored)
    if problems:
        raise PackageRefusedError(problems)
    return Manifest(VERSIONS[version or ""], modes, ignored, properties.get("source.systemName"))


def _properties(package: Package) -> tuple[dict[str, str], list[Problem]]:
    properties: dict[str, str] = {}
    problems: list[Problem] = []
    header: list[str] | None = None
    try:
        with package.open(MANIFEST) as file:
            for line, values in RecordReader(file):
                if header is None:
                    header = values
                    if header != ["propertyName", "value"]:
                        found = shown(",".join(header))
                        reason = f'the header is {found}; it has to be "propertyName,value", in just these letters'
                        return {}, [Problem(MANIFEST, line, "manifest_header", reason)]
                elif len(values) != 2:
                    problems.append(_problem(line, "width", f"{len(values)} fields where 2 belong"))
                elif values[0] in properties:
                    problems.append(_problem(line, "manifest_duplicate", f"{shown(values[0])} for the second time"))
                elif len(properties) >= PROPERTIES_MAX:
                    return {}, [_problem(line, "manifest_too_long", f"more than {PROPERTIES_MAX} properties")]
                else:
                    properties[values[0]] = values[1].strip()
    except CsvFaultError as fault:
        return {}, [_problem(fault.line, fault.code, fault.reason)]
    if header is None:
        problems.append(_problem(0, "manifest_header", "the file is empty"))
    return properties, problems


def _compare(
    properties: dict[str, str], names: set[str], modes: dict[str, Mode], ignored: dict[str, str]
) -> list[Problem]:
    problems: list[Problem] = []
    for name in (*IMPORTED_FILES, *UNUSED_FILES):
        file, mode = f"{name}.csv", properties.get(f"file.{name}")
        is_there = file in names
        if mode not in MODES and mode not in {"absent", None}:
            reason = f"file.{name} is {shown(mode or '')}; it can be absent, bulk or delta"
            problems.append(_problem(0, "manifest_mode", reason))
        elif is_there and mode is None:
            reason = f"{file} is in the package, but file.{name} is not in the manifest: bulk or delta?"
            problems.append(_problem(0, "manifest_file_unlisted", reason))
        elif is_there and mode == "absent":
            reason = f"{file} is in the package, but the manifest says file.{name} is absent"
            problems.append(_problem(0, "manifest_file_marked_absent", reason))
        elif not is_there and mode in MODES:
            reason = f"the manifest says file.{name} is {mode}, but there is no {file} in the package"
            problems.append(_problem(0, "manifest_file_missing", reason))
        elif is_there and name in UNUSED_FILES:
            ignored[file] = "a file of the standard that Inkfast does not use"
        elif mode in MODES:
            modes[name] = MODES[mode]
    known = {f"{name}.csv" for name in (*IMPORTED_FILES, *UNUSED_FILES)} | {MANIFEST}
    for file in sorted(names - known):
        alike = next((name for name in known if name.lower() == file.lower()), None)
        ignored[file] = f"not a file of the standard (did you mean {alike}?)" if alike else "not a file of the standard"
    return problems


def _problem(line: int, code: str, reason: str) -> Problem:
    return Problem(MANIFEST, line, code, reason)
