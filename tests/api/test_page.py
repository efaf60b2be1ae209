"""The plain page, as a browser without scripts uses it: over the whole application and real stores."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.errors import JournalUnavailableError
from app.model.grants import derive_secret
from app.model.receipts import read as read_receipt
from app.settings import Settings
from tests.api.conftest import client_of, running, services
from tests.conftest import SECRET_KEY, SILENCE_MS_MAX
from tests.old_browser import Form, OldBrowser, OldPage
from tests.plain_school import XSS, PlainSchool, make_plain_school
from tests.school import PASSWORD
from tests.world import fetch, flush_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg
    import httpx
    from litestar import Litestar

    from ops.servers import ValkeyServer


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def database_url(module_database_url: str) -> str:
    """One database for all: every test has a school of its own in it."""
    return module_database_url


@pytest.fixture(scope="module")
def settings(database_url: str, valkey: ValkeyServer) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=valkey.url,
        secret_key=SECRET_KEY,
        journal_silence_ms_max=SILENCE_MS_MAX,
    )


@pytest.fixture(scope="module")
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    async with running(settings) as app:
        yield app


@pytest.fixture
async def school(database: asyncpg.Connection[Any]) -> PlainSchool:
    return await make_plain_school(database, suffix=f"-{next(_numbers)}")


@pytest.fixture
async def teacher(school: PlainSchool, client: httpx.AsyncClient) -> OldBrowser:
    browser = OldBrowser(client)
    await browser.sign_in(school.teacher_name, PASSWORD)
    return browser


@pytest.fixture
async def colleague(school: PlainSchool, app: Litestar) -> AsyncIterator[OldBrowser]:
    async with client_of(app) as client:
        browser = OldBrowser(client)
        await browser.sign_in(school.colleague_name, PASSWORD)
        yield browser


def quiz_of(school: PlainSchool) -> str:
    return f"/sections/{school.section}/columns/{school.quiz}"


def roll_of(school: PlainSchool) -> str:
    return f"/sections/{school.section}/attendance"


async def open_quiz(browser: OldBrowser, school: PlainSchool) -> Form:
    return (await browser.get(quiz_of(school))).form(quiz_of(school))


def scored(school: PlainSchool, form: Form, *texts: str) -> Form:
    """Type scores, one student after the other."""
    return form.fill(**{f"s_{student}": text for student, text in zip(school.students, texts, strict=False)})


async def cells(settings: Settings, school: PlainSchool) -> dict[int, str]:
    """The recorded scores, by student."""
    query = "SELECT student_id, value->>'score' AS score FROM cell WHERE kind = 1 AND section_id = $1"
    rows = await fetch(settings, query, school.section)
    return {row["student_id"]: row["score"] for row in rows}


async def count_edits(settings: Settings, school: PlainSchool) -> int:
    return int((await fetch(settings, "SELECT count(*) FROM edit_log WHERE section_id = $1", school.section))[0][0])


def check_frame(page: OldPage) -> None:
    """What holds for every page: a language, a title, no script, and a policy that forbids one."""
    assert page.text.startswith("<!doctype html>\n<html lang=")
    assert page.title.endswith(" · Inkfast")
    assert not page.tags & {"script", "style", "iframe", "object", "embed", "base"}
    assert not {name for name in page.attributes if name.startswith("on")} | page.attributes & {"style"}
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"  # not `no-referrer`: Origin would be null


# --- sign in, look around


async def test_from_signing_in_to_a_receipt_that_is_recorded(
    settings: Settings, school: PlainSchool, client: httpx.AsyncClient
) -> None:
    browser = OldBrowser(client)
    page = await browser.get("/sections")
    check_frame(page)
    assert page.said.startswith("Sign in")
    page = await browser.send(page.form("/sign-in").fill(username=school.teacher_name, password=PASSWORD))
    check_frame(page)
    assert "You teach 2 sections today." in page.said
    assert "Algebra 1" in page.said
    page = await browser.get(f"/sections/{school.section}")
    check_frame(page)
    assert "You teach it together with Sam Okafor." in page.said
    assert "Quiz 3" in page.said
    assert "November 6, 2026" in page.said
    page = await browser.get(quiz_of(school))
    check_frame(page)
    assert "Nothing has been entered in this column yet." in page.said

    form = scored(school, page.form(quiz_of(school)), "17,5", " 18 ", "", "20")
    page = await browser.send(form)
    check_frame(page)
    assert page.status == 200
    assert "All 3 entries are accepted." in page.said
    assert "◐ 3 Drafted on the server’s disk in the journal, being copied into the records" in page.said
    assert "Alvarez, Mateo 17.5 ◐ Drafted" in page.said
    assert await cells(settings, school) == {}
    await flush_all(settings)
    page = await browser.send(page.form(quiz_of(school)))  # "Check again"
    assert "All 3 entries are in the records." in page.said
    assert "Alvarez, Mateo 17.5 ● Recorded" in page.said
    mateo, tanisha, _, wei, _ = school.students
    assert await cells(settings, school) == {mateo: "17.5", tanisha: "18", wei: "20"}
    assert await count_edits(settings, school) == 3
    page = await browser.get(quiz_of(school))
    assert "3 of 5 students have a score. Everything entered here is in the records." in page.said
    assert page.form(quiz_of(school)).value(f"s-{mateo}") == "17.5"
    assert "3 of 5" in (await browser.get(f"/sections/{school.section}")).said


async def test_a_wrong_password_keeps_the_user_name_and_says_no_more_than_that(
    school: PlainSchool, client: httpx.AsyncClient
) -> None:
    page = await OldBrowser(client).sign_in(school.teacher_name, "guess")
    check_frame(page)
    assert page.status == 401
    assert "The user name or the password is wrong." in page.said
    assert page.title.startswith("Error: ")
    assert page.form("/sign-in").value("username") == school.teacher_name
    assert "guess" not in page.text


async def test_too_many_wrong_passwords_say_when_to_come_back(school: PlainSchool, client: httpx.AsyncClient) -> None:
    browser = OldBrowser(client)
    for _ in range(11):
        page = await browser.sign_in("nobody-here", "guess")
    assert page.status == 429
    assert int(page.headers["retry-after"]) > 0
    assert "Try again in" in page.said


async def test_signing_out_ends_the_login_session(teacher: OldBrowser) -> None:
    page = await teacher.get("/sections")
    page = await teacher.send(page.form("/sign-out"))
    assert "You are signed out on this computer." in page.said
    assert (await teacher.get("/sections")).said.startswith("Sign in")


async def test_who_has_to_sign_in_first_comes_back_to_where_they_wanted(
    school: PlainSchool, client: httpx.AsyncClient
) -> None:
    browser = OldBrowser(client)
    page = await browser.get(f"{roll_of(school)}?day=2026-11-06")
    assert page.said.startswith("Sign in Sign in to see this page.")
    page = await browser.send(page.form("/sign-in").fill(username=school.teacher_name, password=PASSWORD))
    assert "Friday, November 6" in page.said


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "/\\evil.example", "/sections//evil", "javascript:1"]
)
async def test_signing_in_never_leads_elsewhere(teacher: OldBrowser, address: str) -> None:
    answer = await teacher.client.get("/", params={"next": address})
    assert answer.headers["location"] == "/sections"


async def test_somebody_elses_section_is_refused_with_a_page(teacher: OldBrowser, school: PlainSchool) -> None:
    for address in (f"/sections/{school.other_section}", f"/sections/{school.other_section}/attendance"):
        page = await teacher.get(address)
        check_frame(page)
        assert page.status == 403
        assert "Not one of your sections" in page.said
        assert "Geometry" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/columns/999999999",
        "/attendance?day=yesterday",
        "/attendance?day=2026-02-30",
        "/attendance?day=9999-12-31",
        "/attendance?day=0001-01-01",
    ],
)
async def test_what_is_not_there_is_said_with_a_page(teacher: OldBrowser, school: PlainSchool, path: str) -> None:
    section = school.section if path else 2**40
    page = await teacher.get(f"/sections/{section}{path}")
    check_frame(page)
    assert page.status == 404
    assert "There is nothing at this address." in page.said


async def test_an_address_that_nothing_stands_at_is_a_page_to_a_browser_and_a_problem_to_a_program(
    client: httpx.AsyncClient,
) -> None:
    browser = OldBrowser(client)
    page = await browser.get("/gradebook.html", accept="text/html,application/xhtml+xml", **{"accept-language": "es"})
    check_frame(page)
    assert page.status == 404
    assert "No existe esa página" in page.said
    for address, accept in (("/gradebook.html", "*/*"), ("/api/v1/nothing", "text/html")):
        answer = await client.get(address, headers={"accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_addresses_of_forms_can_be_followed_too(teacher: OldBrowser, school: PlainSchool) -> None:
    assert (await teacher.get(f"/sections/{school.section}/conflicts")).said.startswith("Algebra 1")
    for address in ("/sign-in", "/sign-out"):
        assert (await teacher.get(address)).said.startswith("My sections")


async def test_empty_states_have_a_sentence(
    teacher: OldBrowser, school: PlainSchool, database: asyncpg.Connection[Any], app: Litestar
) -> None:
    page = await teacher.get(f"/sections/{school.empty_section}")
    assert "Nobody is enrolled in this section yet." in page.said
    assert "This section has no columns to score yet." in page.said
    assert "You teach it alone." in page.said
    page = await teacher.get(f"/sections/{school.empty_section}/attendance")
    assert "there is no roll to take" in page.said
    assert [form.action for form in page.forms] == ["/sign-out"]
    await database.execute("DELETE FROM enrollment WHERE role = 'teacher' AND user_id = $1", school.co_teacher)
    async with client_of(app) as client:
        page = await OldBrowser(client).sign_in(school.colleague_name, PASSWORD)
    assert "You teach no section today." in page.said


# --- a column


async def test_the_same_form_sent_again_doubles_nothing(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17", "12")
    first = await teacher.send(form)
    assert "All 2 entries are accepted." in first.said
    assert "All 2 entries are accepted." in (await teacher.send(form)).said  # a double click
    await flush_all(settings)
    assert "All 2 entries are in the records." in (await teacher.send(form)).said  # a reload, later
    await flush_all(settings)
    assert await count_edits(settings, school) == 2


async def test_going_back_and_changing_a_value_is_a_change_and_no_conflict_with_oneself(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    mateo, tanisha = school.students[:2]
    form = scored(school, await open_quiz(teacher, school), "17", "12")
    await teacher.send(form)
    page = await teacher.send(scored(school, form, "17", "13"))
    assert "Two values" not in page.said
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: "17", tanisha: "13"}
    page = await teacher.send(scored(school, form, "", "13"))  # back to what the form once showed
    assert "Two values" not in page.said
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: None, tanisha: "13"}
    assert await count_edits(settings, school) == 4


async def test_what_cannot_be_understood_is_kept_in_its_box_and_the_rest_is_saved(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    mateo, tanisha, ana = school.students[:3]
    form = scored(school, await open_quiz(teacher, school), "17,5", "A+", "17/25")
    page = await teacher.send(form)
    assert page.status == 200
    assert "2 entries need you. The others are accepted." in page.said
    assert "“A+” is not a score." in page.said
    assert "“17/25” is out of another number: this column is out of 20." in page.said
    assert page.title.startswith("Error: ")
    correction = page.form(quiz_of(school))
    assert (correction.value(f"s-{tanisha}"), correction.value(f"s-{ana}")) == ("A+", "17/25")
    page = await teacher.send(correction.fill(**{f"s_{tanisha}": "19", f"s_{ana}": "14"}))
    assert "All 2 entries are accepted." in page.said
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: "17.5", tanisha: "19", ana: "14"}


async def test_nothing_but_nonsense_is_422_and_kept(teacher: OldBrowser, school: PlainSchool) -> None:
    page = await teacher.send(scored(school, await open_quiz(teacher, school), "A+"))
    assert page.status == 422
    assert "The entry needs you." in page.said


async def test_a_score_out_of_range_is_refused_by_the_service_and_can_be_corrected(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    mateo = school.students[0]
    form = scored(school, await open_quiz(teacher, school), "412")
    form.fields[f"f-{mateo}"] = ["late"]
    page = await teacher.send(form)
    assert "! Not accepted : The score has to be from 0 to 20." in page.said
    correction = page.form(quiz_of(school))
    assert correction.value(f"s-{mateo}") == "412"
    page = await teacher.send(correction.fill(**{f"s_{mateo}": "14"}))
    assert "14, late ◐ Drafted" in page.said
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: "14"}
    kept = await fetch(
        settings, "SELECT value->>'score', code FROM edit_log WHERE status = 'R' AND section_id = $1", school.section
    )
    assert [tuple(row) for row in kept] == [("412", "score_out_of_range")]


async def test_a_column_with_extra_credit_says_so_and_takes_more(
    settings: Settings, database: asyncpg.Connection[Any], teacher: OldBrowser, school: PlainSchool
) -> None:
    await database.execute("UPDATE line_item SET is_extra_credit = true WHERE line_item_id = $1", school.quiz)
    page = await teacher.get(quiz_of(school))
    assert "out of 20 · more counts as extra credit" in page.said
    page = await teacher.send(scored(school, page.form(quiz_of(school)), "23"))
    assert "Alvarez, Mateo 23 ◐ Drafted" in page.said


async def test_flags_and_comments_are_saved_with_the_scores(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    mateo = school.students[0]
    form = scored(school, await open_quiz(teacher, school), "16 la", "ex")
    form.fields[f"f-{mateo}"] = ["missing"]
    page = await teacher.send(form.fill(**{f"c_{mateo}": "Better.\r\nGo on!"}))
    assert "16, missing, late" in page.said
    assert "“Better. Go on!”" in page.said
    assert "Baker, Tanisha exempt" in page.said
    page = await teacher.get(quiz_of(school))
    shown = page.form(quiz_of(school))
    assert shown.fields[f"f-{mateo}"] == ["missing", "late"]
    assert shown.value(f"c-{mateo}") == "Better.\nGo on!"
    assert "3 entries are drafted" in page.said
    assert "Nothing was changed" in (await teacher.send(shown)).said
    shown.fields[f"f-{mateo}"] = ["late"]
    assert "16, late" in (await teacher.send(shown.fill(**{f"c_{mateo}": ""}))).said
    await flush_all(settings)
    rows = await fetch(settings, "SELECT value FROM cell WHERE student_id = $1 ORDER BY kind", mateo)
    assert [msgspec.json.decode(row[0]) for row in rows] == [{"score": "16", "status": ["late"]}, {"text": ""}]


async def test_a_comment_that_is_too_long_is_kept_and_said(teacher: OldBrowser, school: PlainSchool) -> None:
    mateo = school.students[0]
    long = "x" * 2_001
    page = await teacher.send((await open_quiz(teacher, school)).fill(**{f"c_{mateo}": long}))
    assert "This has 2001 characters; at most 2000 can be kept." in page.said
    assert page.form(quiz_of(school)).value(f"c-{mateo}") == long


async def test_a_class_of_more_than_one_save_is_saved_whole(
    settings: Settings, database: asyncpg.Connection[Any], app: Litestar
) -> None:
    school = await make_plain_school(database, students=230, suffix="-big")
    async with client_of(app) as client:
        browser = OldBrowser(client)
        await browser.sign_in(school.teacher_name, PASSWORD)
        form = scored(school, await open_quiz(browser, school), *(["18"] * 230))
        page = await browser.send(form)
        assert "All 230 entries are accepted." in page.said
        assert page.text.count('class="short"') == 2  # a receipt for each save
        await flush_all(settings)
        assert "All 230 entries are in the records." in (await browser.send(form)).said
    assert len(await cells(settings, school)) == 230


async def test_the_receipt_is_one_that_the_service_can_verify(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    page = await teacher.send(scored(school, await open_quiz(teacher, school), "17"))
    whole = page.text.partition("<code>")[2].partition("</code>")[0]
    key_id = derive_secret(settings.secret_key, "receipt key id")[:4].hex()
    receipt = read_receipt(whole, {key_id: derive_secret(settings.secret_key, "receipt")})
    assert (receipt.section_id, receipt.user_id, receipt.first_seq, receipt.last_seq) == (
        school.section, school.teacher, 1, 1,
    )  # fmt: skip
    assert receipt.short in page.said
    at = dt.datetime.fromtimestamp(receipt.at_ms / 1000, ZoneInfo(school.time_zone))
    assert f"{at:%Y}, {at.hour % 12 or 12}:{at:%M}" in page.said
    assert f"{at:%Z}" in page.said


async def test_a_form_that_was_cut_short_saves_nothing(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")
    del form.fields["end"]
    page = await teacher.send(form)
    assert page.status == 422
    assert "The form did not arrive whole, so nothing of it was saved." in page.said
    assert page.form(quiz_of(school)).value(f"s-{school.students[0]}") == "17"
    await flush_all(settings)
    assert await count_edits(settings, school) == 0


async def test_a_form_whose_state_cannot_be_read_is_shown_anew_with_what_was_typed(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17", "A+")
    state = form.value("state")
    page = await teacher.send(form.fill(state=state[:-8] + "AAAAAAAA"))
    assert page.status == 409
    assert "This form was opened too long ago to be saved as it is." in page.said
    fresh = page.form(quiz_of(school))
    assert [fresh.value(f"s-{student}") for student in school.students[:2]] == ["17", "A+"]
    assert "1 entry needs you. The others are accepted." in (await teacher.send(fresh)).said
    await flush_all(settings)
    assert await count_edits(settings, school) == 1


async def test_a_form_of_one_page_is_not_taken_by_another(teacher: OldBrowser, school: PlainSchool) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")
    form.action = f"/sections/{school.section}/columns/{school.essay}"
    assert (await teacher.send(form)).status == 422


# --- two teachers


async def disagree(teacher: OldBrowser, colleague: OldBrowser, school: PlainSchool) -> OldPage:
    """Both open the column; the colleague saves 19, then the teacher 17."""
    form = await open_quiz(teacher, school)
    await colleague.send(scored(school, await open_quiz(colleague, school), "19"))
    return await teacher.send(scored(school, form, "17", "12"))


@pytest.mark.parametrize(("choice", "score"), [("mine", "17"), ("theirs", "19")])
async def test_two_values_are_both_shown_and_a_person_chooses(
    settings: Settings, teacher: OldBrowser, colleague: OldBrowser, school: PlainSchool, choice: str, score: str
) -> None:
    mateo, tanisha = school.students[:2]
    page = await disagree(teacher, colleague, school)
    assert "1 entry needs you. The others are accepted." in page.said
    assert "Two values for one entry" in page.said
    assert "Alvarez, Mateo · Quiz 3 You entered 17 at" in page.said
    assert "Sam Okafor entered 19 at" in page.said
    assert "This one counts now." in page.said
    chooser = page.form(f"/sections/{school.section}/conflicts")
    assert chooser.buttons == [("choice", "mine"), ("choice", "theirs")]
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: "19", tanisha: "12"}
    page = await teacher.send(chooser, choice=choice)
    check_frame(page)
    assert "Your entry is drafted" in page.said
    await teacher.send(chooser, choice=choice)  # a double click
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: score, tanisha: "12"}
    statuses = await fetch(settings, "SELECT status::text FROM edit_log WHERE student_id = $1 ORDER BY 1", mateo)
    assert [row[0] for row in statuses] == ["A", "A", "S"]
    assert "Two values" not in (await teacher.get(quiz_of(school))).said


async def test_an_undecided_conflict_waits_on_the_columns_page_for_either_teacher(
    settings: Settings, teacher: OldBrowser, colleague: OldBrowser, school: PlainSchool
) -> None:
    await disagree(teacher, colleague, school)
    await flush_all(settings)
    page = await teacher.get(quiz_of(school))
    assert "You entered 17 at" in page.said
    assert "◤◥ 1 entry has two values" in (await teacher.get(f"/sections/{school.section}")).said
    page = await colleague.get(quiz_of(school))
    assert "Elena Ruiz entered 17 at" in page.said
    assert "You entered 19 at" in page.said
    page = await colleague.send(page.form(f"/sections/{school.section}/conflicts"), choice="mine")
    assert "Your entry is drafted" in page.said
    await flush_all(settings)
    assert (await cells(settings, school))[school.students[0]] == "17"
    assert "Two values" not in (await teacher.get(quiz_of(school))).said


async def test_typing_on_decides_ones_own_conflict(
    settings: Settings, teacher: OldBrowser, colleague: OldBrowser, school: PlainSchool
) -> None:
    await disagree(teacher, colleague, school)
    await flush_all(settings)
    await teacher.send(scored(school, await open_quiz(teacher, school), "15"))
    await flush_all(settings)
    assert (await cells(settings, school))[school.students[0]] == "15"
    assert "Two values" not in (await teacher.get(quiz_of(school))).said


async def test_checking_again_after_the_decision_says_decided(
    settings: Settings, teacher: OldBrowser, colleague: OldBrowser, school: PlainSchool
) -> None:
    page = await disagree(teacher, colleague, school)
    await teacher.send(page.form(f"/sections/{school.section}/conflicts"), choice="mine")
    await flush_all(settings)
    page = await teacher.send(page.form(quiz_of(school)))
    assert "● 1 Decided your value counts now" in page.said
    assert page.forms[-1].action != f"/sections/{school.section}/conflicts"


async def test_a_choice_without_a_choice_is_refused(
    teacher: OldBrowser, colleague: OldBrowser, school: PlainSchool
) -> None:
    page = await disagree(teacher, colleague, school)
    page = await teacher.send(page.form(f"/sections/{school.section}/conflicts"), choice="neither")
    check_frame(page)
    assert page.status == 422


# --- attendance


async def test_the_roll_is_taken_with_the_exceptions(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    ana, wei = school.students[2:4]
    page = await teacher.get(roll_of(school))
    check_frame(page)
    today = dt.datetime.now(ZoneInfo(school.time_zone)).date()
    assert f"Today, {today:%A, %B} {today.day}" in page.said
    assert "The roll is not taken yet." in page.said
    form = page.form(roll_of(school))
    assert [form.value(f"a-{student}") for student in school.students] == ["present"] * 5
    form.fill(**{f"a_{ana}": "unexcused_absence", f"a_{wei}": "tardy", f"t_{wei}": "8:07 am", f"n_{wei}": "bus"})
    page = await teacher.send(form)
    assert "All 6 entries are accepted." in page.said
    assert "Castillo, Ana Absent" in page.said
    assert "Chen, Wei Tardy, arrived at 8:07 am, “bus”" in page.said
    assert "The whole section roll taken" in page.said
    await flush_all(settings)
    rows = await fetch(
        settings, "SELECT kind, item, student_id, value FROM cell WHERE section_id = $1 ORDER BY 1, 3", school.section
    )
    item = int(f"{today:%Y%m%d}00")
    assert {row["item"] for row in rows} == {item}
    assert [msgspec.json.decode(row["value"]) for row in rows] == [
        {"category": "present"},
        {"category": "present"},
        {"category": "unexcused_absence"},
        {"category": "tardy", "arrival_time": "08:07", "note": "bus"},
        {"category": "present"},
        {"taken": True},
    ]
    page = await teacher.get(roll_of(school))
    assert "The roll was taken by Elena Ruiz at" in page.said
    assert "arrived at 8:07 am" in page.said
    assert "Nothing was changed" in (await teacher.send(page.form(roll_of(school)))).said
    assert "Taken. Change the roll of today" in (await teacher.get(f"/sections/{school.section}")).said


async def test_a_time_that_is_none_holds_back_the_roll_until_it_is_corrected(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    wei = school.students[3]
    form = (await teacher.get(roll_of(school))).form(roll_of(school))
    page = await teacher.send(form.fill(**{f"a_{wei}": "tardy", f"t_{wei}": "soon"}))
    assert "“soon” is not a time of day." in page.said
    assert "The roll is not taken: correct the entries first." in page.said
    assert "roll taken" not in page.said
    page = await teacher.send(page.form(roll_of(school)).fill(**{f"t_{wei}": "8.07"}))
    assert "Tardy, arrived at 8:07 am" in page.said
    assert "The whole section roll taken" in page.said
    await flush_all(settings)
    assert len(await fetch(settings, "SELECT FROM cell WHERE section_id = $1", school.section)) == 6


async def test_another_day_can_be_looked_at_and_a_day_to_come_assumes_nothing(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    day = dt.datetime.now(ZoneInfo(school.time_zone)).date() + dt.timedelta(days=30)
    page = await teacher.get(f"{roll_of(school)}?day={day}")
    assert "This day has not come yet." in page.said
    form = page.form(roll_of(school))
    ana = school.students[2]
    assert form.value(f"a-{ana}") == ""
    assert "roll" not in form.fields
    page = await teacher.send(form.fill(**{f"a_{ana}": "excused_absence"}))
    assert "Your entry is drafted" in page.said
    await flush_all(settings)
    rows = await fetch(settings, "SELECT kind, item, student_id FROM cell WHERE section_id = $1", school.section)
    assert [tuple(row) for row in rows] == [(3, int(f"{day:%Y%m%d}00"), ana)]


# --- when something is away


async def test_while_the_records_are_away_entries_are_drafted_and_recorded_later(
    settings: Settings, teacher: OldBrowser, school: PlainSchool, let_records: Callable[[str], Awaitable[None]]
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17", "A+")
    await let_records("go away")
    try:
        page = await teacher.send(form)
        check_frame(page)
        assert page.status == 200
        assert "Alvarez, Mateo 17 ◐ Drafted" in page.said
        assert page.form(quiz_of(school)).value(f"s-{school.students[1]}") == "A+"
        page = await teacher.get(quiz_of(school))
        assert page.status == 503
        assert int(page.headers["retry-after"]) > 0
        assert "The records cannot be read just now. Nothing is lost" in page.said
    finally:
        await let_records("come back")
    await flush_all(settings)
    assert await cells(settings, school) == {school.students[0]: "17"}
    assert await count_edits(settings, school) == 1


async def test_while_the_records_are_away_nobody_can_sign_in_and_nothing_typed_is_lost(
    settings: Settings,
    teacher: OldBrowser,
    school: PlainSchool,
    app: Litestar,
    monkeypatch: pytest.MonkeyPatch,
    let_records: Callable[[str], Awaitable[None]],
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")
    guard = services(app).guard
    now = guard._now
    await let_records("go away")
    try:
        with monkeypatch.context() as later:
            later.setattr(guard, "_now", lambda: now() + 48 * 3600)  # past the grace, too
            page = await teacher.send(form)
            assert page.status == 503
            kept = page.form(quiz_of(school))
            assert kept.value(f"s-{school.students[0]}") == "17"
        teacher.client.cookies.clear()
        page = await teacher.send(kept)
        assert page.status == 401
        page = await teacher.send(page.form("/sign-in").fill(username=school.teacher_name, password=PASSWORD))
        check_frame(page)
        assert page.status == 503
        assert int(page.headers["retry-after"]) > 0
        assert page.form("/sign-in").value("username") == school.teacher_name
    finally:
        await let_records("come back")
    page = await teacher.send(page.form("/sign-in").fill(password=PASSWORD))
    assert "Your entry is drafted" in page.said
    await flush_all(settings)
    assert await cells(settings, school) == {school.students[0]: "17"}


async def _both_away(_save: Any) -> Any:
    raise JournalUnavailableError("away", retry_after_s=3)


async def test_while_both_stores_are_away_the_form_comes_back_as_it_was_typed(
    settings: Settings, teacher: OldBrowser, school: PlainSchool, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    mateo, tanisha = school.students[:2]
    form = scored(school, await open_quiz(teacher, school), "17", "A+").fill(**{f"c_{mateo}": "<b>Go on</b>"})
    with monkeypatch.context() as away:
        away.setattr(services(app).edit_cells, "_settle", _both_away)
        page = await teacher.send(form)
    check_frame(page)
    assert page.status == 503
    assert int(page.headers["retry-after"]) > 0
    assert "The server cannot take entries just now, so this is not saved." in page.said
    assert "What you typed is still in this page." in page.said
    assert f"Try again in {page.headers['retry-after']} second" in page.said
    kept = page.form(quiz_of(school))
    assert (kept.value(f"s-{mateo}"), kept.value(f"s-{tanisha}")) == ("17", "A+")
    assert kept.value(f"c-{mateo}") == "<b>Go on</b>"
    page = await teacher.send(kept)
    assert "Alvarez, Mateo 17 ◐ Drafted" in page.said
    await teacher.send(form)  # and the first one too, with "back"
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: "17"}
    assert await count_edits(settings, school) == 2


async def test_what_was_typed_before_an_outage_keeps_its_time(
    settings: Settings, teacher: OldBrowser, school: PlainSchool, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")
    committer = services(app).edit_cells._committer

    async def commit(*_: Any) -> bytes:
        raise JournalUnavailableError("away")

    before = dt.datetime.now(dt.UTC)
    with monkeypatch.context() as away:
        away.setattr(committer, "commit", commit)
        page = await teacher.send(form)
    after = dt.datetime.now(dt.UTC)
    await teacher.send(page.form(quiz_of(school)))
    await flush_all(settings)
    entered = (await fetch(settings, "SELECT entered_at FROM cell WHERE section_id = $1", school.section))[0][0]
    assert before - dt.timedelta(milliseconds=1) <= entered <= after


async def test_an_unforeseen_error_is_a_page_that_keeps_what_was_typed(
    teacher: OldBrowser, school: PlainSchool, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")

    async def save(*_: Any) -> None:
        raise RuntimeError("a secret of the server")

    with monkeypatch.context() as broken:
        broken.setattr(services(app).edit_cells, "save_edits", save)
        page = await teacher.send(form)
    check_frame(page)
    assert page.status == 500
    assert "If you report it, give this number:" in page.said
    assert "secret" not in page.text
    assert page.form(quiz_of(school)).value(f"s-{school.students[0]}") == "17"
    with monkeypatch.context() as broken:
        broken.setattr(services(app).read_section, "read_section", save)
        page = await teacher.get(quiz_of(school))
    assert page.status == 500
    assert "Something unexpected went wrong on the server." in page.said


# --- a login session that ends


async def test_signing_in_again_saves_what_was_typed(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    mateo, tanisha = school.students[:2]
    form = scored(school, await open_quiz(teacher, school), "17", "A+").fill(**{f"c_{mateo}": "<i>"})
    teacher.client.cookies.clear()
    page = await teacher.send(form)
    check_frame(page)
    assert page.status == 401
    assert "What you typed for Quiz 3 is kept in this page: 3 entries." in page.said
    page = await teacher.send(page.form("/sign-in").fill(username=school.teacher_name, password="wrong"))
    assert page.status == 401
    assert "The user name or the password is wrong." in page.said
    page = await teacher.send(page.form("/sign-in").fill(username=school.teacher_name, password=PASSWORD))
    assert page.status == 200
    assert "Alvarez, Mateo 17 ◐ Drafted" in page.said
    assert "“<i>”" in page.said
    assert page.form(quiz_of(school)).value(f"s-{tanisha}") == "A+"
    assert (await teacher.get("/sections")).said.startswith("My sections")
    await flush_all(settings)
    assert await cells(settings, school) == {mateo: "17"}


async def test_what_one_person_typed_is_never_saved_in_the_name_of_another(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")
    teacher.client.cookies.clear()
    page = await teacher.send(form)
    page = await teacher.send(page.form("/sign-in").fill(username=school.colleague_name, password=PASSWORD))
    assert page.status == 409
    assert "Elena Ruiz typed these entries, and you signed in as Sam Okafor. So nothing was saved." in page.said
    page = await teacher.send(page.form("/sign-in").fill(username=school.teacher_name, password=PASSWORD))
    assert "Your entry is drafted" in page.said
    await flush_all(settings)
    authors = await fetch(settings, "SELECT author_id FROM edit_log WHERE section_id = $1", school.section)
    assert [row[0] for row in authors] == [school.teacher]


async def test_a_grant_past_its_term_is_renewed_on_the_way(
    teacher: OldBrowser, school: PlainSchool, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")
    guard = services(app).guard
    now = guard._now
    monkeypatch.setattr(guard, "_now", lambda: now() + 3600)
    before = teacher.client.cookies["inkfast_login"]
    page = await teacher.send(form)
    assert "Your entry is drafted" in page.said
    assert teacher.client.cookies["inkfast_grant"]
    assert teacher.client.cookies["inkfast_login"]
    assert before


async def test_a_renewed_login_session_is_handed_over_with_an_error_too(
    database: asyncpg.Connection[Any],
    teacher: OldBrowser,
    school: PlainSchool,
    app: Litestar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await database.execute("UPDATE login_session SET rotated_at = rotated_at - interval '2 minutes'")
    guard = services(app).guard
    now = guard._now
    monkeypatch.setattr(guard, "_now", lambda: now() + 3600)
    before = teacher.client.cookies["inkfast_login"]
    page = await teacher.get(f"/sections/{school.other_section}")
    assert page.status == 403
    assert teacher.client.cookies["inkfast_login"] != before


# --- other sites, other people's text


async def test_a_form_from_another_site_is_refused(
    settings: Settings, teacher: OldBrowser, school: PlainSchool
) -> None:
    form = scored(school, await open_quiz(teacher, school), "17")
    for headers in (
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ):
        other = OldBrowser(teacher.client, headers)
        for each in (form, (await teacher.get("/sections")).form("/sign-out")):
            page = await other.send(each)
            check_frame(page)
            assert page.status == 403
            assert "This request came from another site, so nothing was done." in page.said
        page = await other.send(Form("/sign-in", {"username": [school.teacher_name], "password": [PASSWORD]}))
        assert page.status == 403
    await flush_all(settings)
    assert await count_edits(settings, school) == 0
    assert (await teacher.get("/sections")).said.startswith("My sections")


async def test_a_browser_that_says_nothing_of_itself_needs_the_token_of_the_form(
    settings: Settings, teacher: OldBrowser, school: PlainSchool, colleague: OldBrowser
) -> None:
    oldest = OldBrowser(teacher.client, {})
    form = scored(school, await open_quiz(oldest, school), "17")
    theirs = (await open_quiz(colleague, school)).value("token")
    for token in ("", "0" * 32, theirs):
        page = await oldest.send(Form(form.action, form.fields | {"token": [token]}))
        assert page.status == 403
        assert "Please press the button once more." in page.said
    await flush_all(settings)
    assert await count_edits(settings, school) == 0
    again = page.form(quiz_of(school))
    assert again.value(f"s-{school.students[0]}") == "17"
    assert "Your entry is drafted" in (await oldest.send(again)).said
    page = await oldest.send(Form("/sign-out", {"token": [""]}))
    assert page.status == 403
    assert (await oldest.get("/sections")).said.startswith("My sections")


async def test_names_titles_and_comments_are_escaped_everywhere(
    settings: Settings, database: asyncpg.Connection[Any], app: Litestar
) -> None:
    school = await make_plain_school(database, suffix="-x", tricky=True)
    first = school.students[0]
    async with client_of(app) as one, client_of(app) as two:
        teacher, colleague = OldBrowser(one), OldBrowser(two)
        await teacher.sign_in(school.teacher_name, PASSWORD)
        await colleague.sign_in(school.colleague_name, PASSWORD)
        late = await open_quiz(colleague, school)
        form = scored(school, await open_quiz(teacher, school), "17", XSS)
        form.fill(**{f"c_{first}": f'</textarea>{XSS}"'})
        pages = [await teacher.send(form), await colleague.send(scored(school, late, "12"))]
        await flush_all(settings)
        pages += [await browser.get(quiz_of(school)) for browser in (teacher, colleague)]
        roll = (await teacher.get(roll_of(school))).form(roll_of(school))
        pages += [await teacher.send(roll.fill(**{f"n_{first}": f'</textarea>{XSS}"', f"t_{first}": XSS}))]
        pages += [
            await teacher.get(address) for address in ("/sections", f"/sections/{school.section}", roll_of(school))
        ]
        one.cookies.clear()
        pages += [await teacher.send(form)]
    assert "&lt;script&gt;" in pages[0].text
    for page in pages:
        check_frame(page)
        assert XSS not in page.text
        assert "script" not in page.tags


async def test_a_page_that_was_mistyped_in_the_address_reflects_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", params={"next": f"/sections/{XSS}", "lang": XSS, "signed-out": XSS})
    assert XSS not in answer.text


# --- Spanish, assets


async def test_in_spanish_from_the_browsers_wish_to_the_receipt(
    settings: Settings, school: PlainSchool, client: httpx.AsyncClient
) -> None:
    browser = OldBrowser(client)
    page = await browser.get("/", **{"accept-language": "es-MX,es;q=0.9,en;q=0.5"})
    assert '<html lang="es">' in page.text
    assert page.said.startswith("Iniciar sesión")
    page = await browser.get("/?lang=es")
    assert client.cookies["inkfast_language"] == "es"
    page = await browser.send(page.form("/sign-in").fill(username=school.teacher_name, password=PASSWORD))
    assert page.said.startswith("Mis secciones")
    assert page.headers["content-language"] == "es"
    page = await browser.send(scored(school, await open_quiz(browser, school), "17", "A+", "412"))
    check_frame(page)
    assert "«A+» no es una calificación." in page.said
    assert "La calificación tiene que ser de 0 a 20." in page.said
    assert "En borrador" in page.said
    await flush_all(settings)
    page = await browser.get(f"{roll_of(school)}?day=2026-11-06")
    assert "viernes 6 de noviembre" in page.said
    page = await browser.get(f"/sections/{school.other_section}?lang=es")
    assert "No es una de sus secciones" in page.said
    page = await browser.get("/sections?lang=en")
    assert page.said.startswith("My sections")


async def test_the_language_can_be_changed_on_the_page_where_one_is(teacher: OldBrowser, school: PlainSchool) -> None:
    for address, link in (
        ("/sections", "/sections?lang=es"),
        (quiz_of(school), f"{quiz_of(school)}?lang=es"),
        (f"{roll_of(school)}?day=2026-11-06", f"{roll_of(school)}?day=2026-11-06&amp;lang=es"),
    ):
        assert f'href="{link}" lang="es" hreflang="es">Español</a>' in (await teacher.get(address)).text


async def test_the_style_sheet_is_kept_for_good_under_its_own_name(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    href = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await client.get(href)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert "@import" not in answer.text
    assert "url(" not in answer.text
    answer = await client.get("/plain/plain.000000000000.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, no-cache"
    assert (await client.get("/plain/other.css")).status_code == 404
    icon = page.partition('type="image/svg+xml" href="')[2].partition('"')[0]
    assert (await client.get(icon)).headers["content-type"] == "image/svg+xml"


async def test_more_than_a_form_can_hold_is_refused_with_a_page(teacher: OldBrowser, school: PlainSchool) -> None:
    form = await open_quiz(teacher, school)
    page = await teacher.send(form.fill(**{f"c_{school.students[0]}": "x" * 2_100_000}))
    check_frame(page)
    assert page.status == 413
    page = await teacher.send(form.fill(**{f"c_{school.students[0]}": "", "x": ["1"] * 6_000}))
    assert page.status == 400
