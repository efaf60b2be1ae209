"""The plan of the demo district: schools, who teaches what when, and which students sit there.

The unit is a complex of one secondary school (27 teachers, 750 students) and one elementary school (25 teachers, 650
students). 500 of them are the district that this service was made for: 26,000 teachers and 700,000 students, with
12,500 teachers of one class of 26 and 13,500 of five classes of 25 to 39.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.rosters.demo_people import chance, school_name

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDARY_TEACHERS = 27
ELEMENTARY_TEACHERS = 25
PERIODS = 6
SECTIONS_OF_A_TEACHER = 5  # one period is for preparation
SECONDARY_SIZES = (25, 39)
ELEMENTARY_SIZES = (20, 32)
ELEMENTARY_MEAN = 26
FIRST_SECTION_STUDENTS = 28  # teacher1's first section is the one that everybody looks at
CO_TEACHER_PERCENT = 3

_SIZE, _SEAT, _CO_TEACHER = 1, 2, 3  # topics of chance

SUBJECTS = ("MATH", "ENG", "SCI", "HIST", "ART", "PE")
GRADE_NAMES = ("KG", *(f"{grade:02d}" for grade in range(1, 13)))  # by number of the grade
_TITLES = {
    "MATH": ("Math 6", "Math 7", "Pre-Algebra", "Algebra 1", "Geometry", "Algebra 2", "Precalculus"),
    "ENG": (
        "English 6",
        "English 7",
        "English 8",
        "English 9",
        "English 10",
        "American Literature",
        "Expository Writing",
    ),
    "SCI": (
        "Earth Science",
        "Life Science",
        "Physical Science",
        "Biology",
        "Chemistry",
        "Physics",
        "Environmental Science",
    ),
    "HIST": (
        "World History 6",
        "World History 7",
        "US History 8",
        "Geography",
        "World History",
        "US History",
        "Government",
    ),
    "ART": ("Art 6", "Music 7", "Art 8", "Drawing", "Photography", "Theater", "Ceramics"),
    "PE": ("PE 6", "PE 7", "PE 8", "PE 9", "PE 10", "Dance", "Health"),
}


class Course(msgspec.Struct, frozen=True):
    """A course of the district, numbered from 1."""

    number: int
    code: str
    title: str


def _courses() -> dict[tuple[str, int], Course]:
    found: dict[tuple[str, int], Course] = {}
    for grade in range(6):
        name = "Kindergarten" if grade == 0 else f"Grade {grade}"
        found["ELEM", grade] = Course(len(found) + 1, f"ELEM-{GRADE_NAMES[grade]}", name)
    for subject, titles in _TITLES.items():
        for grade, title in enumerate(titles, 6):
            found[subject, grade] = Course(len(found) + 1, f"{subject}-{GRADE_NAMES[grade]}", title)
    return found


COURSES = _courses()


class School(msgspec.Struct, frozen=True):
    """A school; numbers of teachers, students and sections count through the district from 1."""

    number: int
    is_secondary: bool
    grades: tuple[int, ...]
    teachers: int
    students: int
    first_teacher: int
    first_student: int
    first_section: int

    @property
    def sections(self) -> int:
        """Return how many sections it has."""
        return self.teachers * SECTIONS_OF_A_TEACHER if self.is_secondary else self.teachers

    @property
    def name(self) -> str:
        """Return its name with its kind."""
        kind = (
            "Elementary School" if not self.is_secondary else "High School" if self.grades[0] == 9 else "Middle School"
        )
        return f"{school_name(self.number - 1)} {kind}"

    def grade_of(self, student: int) -> int:
        """Return the grade of the school's n-th student (from 0)."""
        return self.grades[student * len(self.grades) // self.students]


class Section(msgspec.Struct, frozen=True):
    """A section: who teaches it (the first one mainly), and who sits in it, by numbers of the district."""

    number: int
    title: str
    course: Course
    subject: str
    code: str
    location: str
    period: str
    teachers: tuple[int, ...]
    students: tuple[int, ...]


def schools(teachers: int) -> Iterator[School]:
    """Yield the schools of a district with so many teachers; the last ones may be small."""
    number = teacher = student = section = 1
    left = teachers
    # A district smaller than one complex still has both kinds of school.
    complex_teachers = SECONDARY_TEACHERS + ELEMENTARY_TEACHERS
    secondary_max = min(SECONDARY_TEACHERS, -(-teachers * SECONDARY_TEACHERS // complex_teachers))
    while left:
        is_secondary = number % 2 == 1
        staff = min(left, secondary_max if is_secondary else ELEMENTARY_TEACHERS)
        # 100 / 3 students in each of five sections a teacher, six sections a student.
        body = (staff * SECTIONS_OF_A_TEACHER * 100 + 9) // 18 if is_secondary else staff * ELEMENTARY_MEAN
        grades = tuple(range(6))
        if is_secondary:
            grades = (9, 10, 11, 12) if number % 4 == 1 else (6, 7, 8)
        school = School(number, is_secondary, grades, staff, body, teacher, student, section)
        yield school
        number, teacher, student = number + 1, teacher + staff, student + body
        section, left = section + school.sections, left - staff


def sections(school: School, seed: int) -> list[Section]:
    """Return the sections of a school in the order of their numbers."""
    return _secondary(school, seed) if school.is_secondary else _elementary(school, seed)


def _secondary(school: School, seed: int) -> list[Section]:
    """Six periods; in each, students are dealt out in the order of their grades to the teachers who are free."""
    found: list[Section] = []
    # Preparation periods are spread so that every period has teachers of every subject.
    preparation = [PERIODS - 1 - (k + k // PERIODS) % PERIODS for k in range(school.teachers)]
    for period in range(PERIODS):
        free = [k for k in range(school.teachers) if preparation[k] != period]
        if not free:
            continue
        is_first = school.number == 1 and period == 0
        sizes = _sizes(school, seed, period, len(free), SECONDARY_SIZES, FIRST_SECTION_STUDENTS if is_first else None)
        # Classmates stay together by and large, and not quite: a group of friends is not in every class together.
        order = sorted(range(school.students), key=lambda j: (j + _jitter(school, seed, period, j), j))
        start = 0
        for teacher, size in zip(_dealt(free, period), sizes, strict=True):
            seated = order[start : start + size]
            start += size
            if seated:
                found.append(_section(school, seed, teacher, period, preparation[teacher], seated))
    return sorted(found, key=lambda section: section.number)


def _dealt(free: list[int], period: int) -> Iterator[int]:
    """Yield the period's teachers so that a group that stays together has another subject in each period."""
    of_subject: list[list[int]] = [[k for k in free if k % len(SUBJECTS) == place] for place in range(len(SUBJECTS))]
    for group in range(len(free)):
        wanted = (of_subject[(group + period + shift) % len(SUBJECTS)] for shift in range(len(SUBJECTS)))
        yield next(teachers for teachers in wanted if teachers).pop(0)


def _jitter(school: School, seed: int, period: int, student: int) -> int:
    return chance(seed, _SEAT, school.first_student + student, period) % 24


def _section(school: School, seed: int, teacher: int, period: int, preparation: int, seated: list[int]) -> Section:
    place = period if period < preparation else period - 1
    number = school.first_section + teacher * SECTIONS_OF_A_TEACHER + place
    subject = SUBJECTS[teacher % len(SUBJECTS)]
    course = COURSES[subject, school.grade_of(seated[len(seated) // 2])]
    return Section(
        number=number,
        title=f"{course.title}, period {period + 1}",
        course=course,
        subject=subject,
        code=f"{course.code}-{number}",
        location=f"Room {101 + teacher}",
        period=str(period + 1),
        teachers=_teachers(school, seed, number, teacher),
        students=tuple(sorted(school.first_student + j for j in seated)),
    )


def _elementary(school: School, seed: int) -> list[Section]:
    found, start = [], school.first_student
    for teacher, size in enumerate(_sizes(school, seed, 0, school.teachers, ELEMENTARY_SIZES, None)):
        number = school.first_section + teacher
        course = COURSES["ELEM", teacher * len(school.grades) // school.teachers]
        found.append(
            Section(
                number=number,
                title=f"{course.title}, room {teacher + 1}",
                course=course,
                subject="ELEM",
                code=f"{course.code}-{number}",
                location=f"Room {teacher + 1}",
                period="",
                teachers=_teachers(school, seed, number, teacher),
                students=tuple(range(start, start + size)),
            )
        )
        start += size
    return found


def _teachers(school: School, seed: int, number: int, teacher: int) -> tuple[int, ...]:
    main = school.first_teacher + teacher
    bits = chance(seed, _CO_TEACHER, number)
    if number == 1 and school.teachers > 1:
        return main, main + 1  # teacher2 helps in teacher1's first section
    if school.teachers > 1 and bits % 100 < CO_TEACHER_PERCENT:
        other = (teacher + 1 + (bits >> 8) % (school.teachers - 1)) % school.teachers
        return main, school.first_teacher + other
    return (main,)


def _sizes(
    school: School, seed: int, period: int, groups: int, limits: tuple[int, int], first: int | None
) -> list[int]:
    """Deal all students out to groups of different sizes within the limits; in a small school groups may be smaller."""
    low, high = limits
    sizes = [low + chance(seed, _SIZE, school.number, period * 100 + g) % (high - low + 1) for g in range(groups)]
    fixed = 0
    if first is not None:
        sizes[0], fixed = min(first, school.students), 1
    wanted = min(school.students, sum(sizes[:fixed]) + high * (groups - fixed))
    low = min(low, (wanted - sum(sizes[:fixed])) // max(groups - fixed, 1))
    place = 0
    while sum(sizes) != wanted and groups > fixed:
        at = fixed + place % (groups - fixed)
        step = 1 if sum(sizes) < wanted else -1
        if low <= sizes[at] + step <= high:
            sizes[at] += step
        place += 1
    return sizes
