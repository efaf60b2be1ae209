"""The demo district: the same seed is the same district, and it has the shape that it promises."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from app.model.kinds import Kind, parse_value
from app.rosters.demo_csv import write_demo_package
from app.rosters.demo_district import DemoDistrict
from app.rosters.demo_gradebook import calendar_around
from app.rosters.demo_people import person_name
from app.rosters.demo_schools import schools, sections
from app.rosters.package import open_package

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 6)


def digest_of(folder: Path, seed: int) -> str:
    write_demo_package(DemoDistrict(7, seed, TODAY), folder, with_results=True)
    return open_package(folder).digest()


def test_same_seed_same_district(tmp_path: Path) -> None:
    assert digest_of(tmp_path / "a", 2014) == digest_of(tmp_path / "b", 2014)
    assert digest_of(tmp_path / "c", 2015) != digest_of(tmp_path / "d", 2014)


def test_the_district_does_not_depend_on_the_process(tmp_path: Path) -> None:
    program = (
        "import datetime as dt, pathlib, sys\n"
        "from app.rosters.demo_csv import write_demo_package\n"
        "from app.rosters.demo_district import DemoDistrict\n"
        "district = DemoDistrict(7, 2014, dt.date(2026, 11, 6))\n"
        "write_demo_package(district, pathlib.Path(sys.argv[1]), with_results=True)\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "a"], check=True, env={"PYTHONHASHSEED": "1"})
    assert open_package(tmp_path / "a").digest() == digest_of(tmp_path / "b", 2014)


def test_a_full_district_is_as_large_as_promised() -> None:
    found = list(schools(26_000))
    assert len(found) == 1_000
    assert sum(school.students for school in found) == 700_000
    assert sum(school.sections for school in found) == 80_000
    assert sum(school.teachers for school in found if not school.is_secondary) == 12_500
    assert len({school.name for school in found if school.number <= 96}) == 96


def test_classes_are_as_large_as_classes_are() -> None:
    high, elementary = list(schools(52))
    sizes = [len(section.students) for section in sections(high, 2014)]
    assert min(sizes) >= 25
    assert max(sizes) <= 39
    assert sum(sizes) == 6 * high.students
    assert Counter(student for section in sections(elementary, 2014) for student in section.students).total() == 650
    assert all(20 <= len(section.students) <= 32 for section in sections(elementary, 2014))
    seats = Counter((student, section.period) for section in sections(high, 2014) for student in section.students)
    assert set(seats.values()) == {1}  # nobody sits in two rooms at once
    taught = Counter((section.teachers[0], section.period) for section in sections(high, 2014))
    assert set(taught.values()) == {1}


@pytest.mark.parametrize("teachers", [1, 2, 3, 7, 20, 53, 80])
def test_any_size_numbers_everything_without_gaps(teachers: int) -> None:
    district = DemoDistrict(teachers, 2014, TODAY)
    assert [person.number for person in district.people()] == list(range(1, district.people_count + 1))
    assert [planned.number for planned in district.sections()] == list(range(1, district.sections_max + 1))
    assert Counter(person.role for person in district.people())["teacher"] == teachers
    names = [person.username for person in district.people()]
    assert len(set(names)) == len(names)
    assert names[0] == "office1"


def test_the_first_section_is_good_to_look_at() -> None:
    district = DemoDistrict(20, 2014, TODAY)
    first = next(district.sections())
    assert len(first.section.students) == 28
    assert first.section.teachers == (1, 2)
    columns = [column for _, planned, column in district.line_items() if planned.number == 1]
    assert len(columns) == 8
    assert [column.is_scored for column in columns] == [True] * 6 + [False] * 2
    results = [result for _, planned, _, result in district.results() if planned.number == 1]
    assert 140 < len(results) <= 168
    for result in results:
        parse_value(Kind.SCORE, result.score_value.encode())
    assert any(result.comment for result in results)
    assert {"missing", "late"} <= {word for result in results for word in result.status}


@pytest.mark.parametrize(
    ("day", "year", "semester"),
    [
        (dt.date(2026, 11, 6), 2027, "Fall semester"),
        (dt.date(2027, 1, 2), 2027, "Spring semester"),
        (dt.date(2027, 6, 12), 2027, "Spring semester"),
        (dt.date(2027, 7, 4), 2028, "Fall semester"),
    ],
)
def test_the_school_year_is_around_today(day: dt.date, year: int, semester: str) -> None:
    calendar = calendar_around(day)
    assert (calendar.school_year, calendar.semester.title) == (year, semester)
    assert DemoDistrict(1, 1, day).begins <= day


def test_names_are_many() -> None:
    assert len({person_name(number * 2**18 + number) for number in range(5_000)}) > 3_000
