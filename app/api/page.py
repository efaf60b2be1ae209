"""The plain page: sign in, my sections, one column or today's roll, without any script. For the oldest computers."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from litestar import Controller, Request, get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath

from app.api.exchange import Answer, header_of
from app.api.guards import cookie_of
from app.api.page_forms import crumbs, form_page, note_snapshot, open_form
from app.api.page_html import see_other
from app.api.page_saving import kept_fields, save_kept, save_sent
from app.api.page_visit import Visit, refuse_foreign_form, respond
from app.api.problems import EXCEPTION_HANDLERS
from app.errors import (
    InkfastError,
    NotFoundError,
    OverloadedError,
    RecordsUnavailableError,
    SignInRequiredError,
    TooManyRequestsError,
    WrongPasswordError,
)
from app.gradebook.open_form import plain_number
from app.model.kinds import COMMENT, KIND_OF_NAME, SCORE, Kind, attendance_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from app.gradebook.read_section import SectionSnapshot
    from app.model.plain_fields import Fields

_HOME: Final = "/sections"


class PlainPageController(Controller):
    """What a person reads, and where the forms are sent; app/api/page_saving.py saves them."""

    path = "/"
    include_in_schema = False

    @get("/")
    async def home(self, request: Request[Any, Any, Any]) -> Answer:
        """Show the sign-in page, or go on to the sections of who is signed in."""
        return await respond(request, _home)

    @get("/sign-in")
    async def sign_in_page(self, request: Request[Any, Any, Any]) -> Answer:
        """Go to the sign-in page: the address of its form was typed or kept."""
        return await respond(request, _home)

    @post("/sign-in", status_code=200)
    async def sign_in(self, request: Request[Any, Any, Any]) -> Answer:
        """Sign in; go on to where one was, and save what the page has kept."""
        return await respond(request, _sign_in)

    @post("/sign-out", status_code=200)
    async def sign_out(self, request: Request[Any, Any, Any]) -> Answer:
        """End the login session."""
        return await respond(request, _sign_out)

    @get("/sign-out")
    async def signed_out(self, request: Request[Any, Any, Any]) -> Answer:
        """Go to where one is asked to sign in, or back to work: nobody is signed out by following a link."""
        return await respond(request, _home)

    @get("/sections")
    async def sections(self, request: Request[Any, Any, Any]) -> Answer:
        """Show what somebody teaches today."""
        return await respond(request, _sections)

    @get("/sections/{section_id:int}")
    async def section(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:
        """Show a section: its roll of today, its columns, and who else teaches it."""
        return await respond(request, lambda visit: _section(visit, section_id))

    @get("/sections/{section_id:int}/columns/{line_item_id:int}")
    async def column(
        self, request: Request[Any, Any, Any], section_id: FromPath[int], line_item_id: FromPath[int]
    ) -> Answer:
        """Show a column of scores, to be filled in."""

        async def show(visit: Visit) -> Answer:
            opened = await open_form(visit, section_id, line_item_id)
            return form_page(visit, opened.state, opened=opened)

        return await respond(request, show)

    @get("/sections/{section_id:int}/attendance")
    async def attendance(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:
        """Show a day's roll, to be taken: today's where the school is, or that of `?day=`."""

        async def show(visit: Visit) -> Answer:
            opened = await open_form(visit, section_id, None, visit.asked("day"))
            return form_page(visit, opened.state, opened=opened)

        return await respond(request, show)

    @post("/sections/{section_id:int}/columns/{line_item_id:int}", status_code=200)
    async def save_column(
        self, request: Request[Any, Any, Any], section_id: FromPath[int], line_item_id: FromPath[int]
    ) -> Answer:
        """Save a column of scores."""
        return await respond(request, lambda visit: save_sent(visit, f"/sections/{section_id}/columns/{line_item_id}"))

    @post("/sections/{section_id:int}/attendance", status_code=200)
    async def save_roll(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:
        """Save a day's roll."""

        async def save(visit: Visit) -> Answer:
            day = visit.asked("day")
            return await save_sent(visit, f"/sections/{section_id}/attendance{f'?day={day}' if day else ''}")

        return await respond(request, save)

    @get("/sections/{section_id:int}/conflicts")
    async def conflicts(self, section_id: FromPath[int]) -> Answer:
        """Go to the section: the address of a form's answer was kept or typed."""
        return see_other(f"/sections/{section_id}")

    @post("/sections/{section_id:int}/conflicts", status_code=200)
    async def save_choice(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:
        """Save what a person decided about a conflict."""
        return await respond(request, lambda visit: save_sent(visit, f"/sections/{section_id}/conflicts"))


def _missing_page(request: Request[Any, Any, Any], error: HTTPException) -> Answer:
    """Return what there is to say of an address that nothing stands at: a page to a browser, a problem to a program."""
    accepts = header_of(request.scope, b"accept") or b""
    if b"text/html" not in accepts or request.scope["path"].startswith("/api/"):
        return cast("Answer", EXCEPTION_HANDLERS[HTTPException](request, error))
    visit = Visit(request)
    return visit.finish(visit.problem(NotFoundError("no such page")))


# An Answer is all that Litestar asks of the response of an exception handler.
MISSING_PAGE: Final[dict[int | type[Exception], Any]] = {NotFoundException: _missing_page}


async def _home(visit: Visit) -> Answer:
    try:
        await visit.require_grant()
    except SignInRequiredError:
        pass
    else:
        return see_other(_next_of(visit.asked("next")))
    lead = [visit.words("sign_in.lead")]
    if visit.asked("next"):
        lead = [visit.words("sign_in.page")]
    elif visit.asked("signed-out"):
        lead = [visit.words("sign_in.signed_out" if visit.asked("signed-out") == "1" else "sign_in.signed_out_later")]
    return _sign_in_page(visit, {}, lead=lead)


def _sign_in_page(visit: Visit, fields: Fields, *, lead: Sequence[Markup], error: InkfastError | None = None) -> Answer:
    words = visit.words
    kept = kept_fields(fields)
    following = visit.asked("next") or fields.get("next", [""])[0]
    if following:
        kept = [("next", _next_of(following)), *kept]
    problem = [words.of_code(error.code, error.params)] if error is not None else []
    is_saving = any(name.startswith("kept.") for name, _ in kept)
    return visit.page(
        "sign_in.html",
        words("sign_in.again.title" if is_saving else "sign_in.title"),
        here=None if is_saving else "/" + (f"?next={quote(_next_of(following), safe='/?=')}" if following else ""),
        lead=lead,
        problem=problem,
        kept=kept,
        username=fields.get("username", [""])[0],
        button=words("sign_in.again.button" if is_saving else "sign_in.button"),
        is_wrong=isinstance(error, WrongPasswordError),
        status=error.status if error is not None else 200,
        retry_after_s=error.retry_after_s if error is not None else None,
    )


def _next_of(address: str | None) -> str:
    """Return where to go after signing in: a page of ours, or the sections."""
    is_ours = address is not None and address.startswith("/sections/") and "//" not in address and "\\" not in address
    return quote(address, safe="/?=&-") if is_ours and address is not None else _HOME


async def _sign_in(visit: Visit) -> Answer:
    fields = await visit.read_form()
    guard, scope = visit.services.guard, visit.scope
    guard.refuse_other_sites(scope, is_strict=False)
    user_agent = header_of(scope, b"user-agent")
    try:
        signed_in = await visit.services.sign_in.sign_in(
            fields.get("username", [""])[0].strip(),
            fields.get("password", [""])[0],
            device=cookie_of(scope, guard.cookie_name("device")),
            user_agent=user_agent.decode("latin-1") if user_agent else None,
            replaced=cookie_of(scope, guard.cookie_name("login")),
        )
    except (WrongPasswordError, TooManyRequestsError, OverloadedError, RecordsUnavailableError) as error:
        kept = kept_fields(fields)
        lead = [visit.words("sign_in.again.lead_open")] if kept else []
        return _sign_in_page(visit, fields, lead=lead, error=error)
    visit.enter(signed_in)
    if kept_fields(fields):
        return await save_kept(visit, fields)
    return see_other(_next_of(fields.get("next", [""])[0]))


async def _sign_out(visit: Visit) -> Answer:
    fields = await visit.read_form()
    try:
        await visit.require_grant()
    except SignInRequiredError:
        visit.leave()
        return see_other("/?signed-out=1")
    except RecordsUnavailableError:
        pass
    if not (visit.is_from_own_page() or visit.has_token(fields)):
        raise refuse_foreign_form()
    token = cookie_of(visit.scope, visit.services.guard.cookie_name("login"))
    told = "1"
    try:
        if token is not None:
            await visit.services.sign_in.end(token)
    except (RecordsUnavailableError, OverloadedError):
        told = "later"
    visit.leave()
    return see_other(f"/?signed-out={told}")


async def _sections(visit: Visit) -> Answer:
    grant = await visit.require_grant()
    listed = await visit.services.read_section.list_sections(grant)
    if listed.records_are_away:
        visit.note_as_of(listed.as_of_ms, None)
    return visit.page(
        "sections.html",
        visit.words("sections.title"),
        here="/sections",
        sections=listed.sections,
        gradebook=visit.gradebook(),
    )


async def _section(visit: Visit, section_id: int) -> Answer:
    words = visit.words
    grant = await visit.require_grant()
    snapshot = await visit.services.read_section.read_section(grant, section_id)
    note_snapshot(visit, snapshot)
    facts = snapshot.section
    students = {s["student_id"] for s in snapshot.students if s["is_active"]}
    about = [facts["course_title"]] if facts["course_title"] != facts["title"] else []
    about += [words("section.period", period=facts["periods"])] if facts["periods"] else []
    about += [facts["org_name"], words("section.students", count=len(students))]
    return visit.page(
        "section.html",
        facts["title"],
        here=f"/sections/{section_id}",
        crumbs=crumbs(words),
        gradebook=visit.gradebook(f"sections/{section_id}"),
        section_id=section_id,
        facts=about,
        student_count=len(students),
        teachers=await _teachers(visit, section_id),
        roll_link=_roll_link(visit, snapshot),
        columns=_columns(visit, snapshot, students),
    )


async def _teachers(visit: Visit, section_id: int) -> Markup:
    """Say who else teaches the section."""
    words = visit.words
    try:
        teachers = await visit.services.read_section.read_teachers(section_id)
    except InkfastError:
        return words("section.teachers_unknown")
    others = [name for user, name in teachers.items() if visit.grant is None or user != visit.grant.user_id]
    if not others:
        return words("section.teachers_alone")
    names = others[0] if len(others) == 1 else words("section.and", first=", ".join(others[:-1]), last=others[-1])
    return words("section.teachers_with", names=names)


def _roll_link(visit: Visit, snapshot: SectionSnapshot) -> Markup:
    today = dt.date.fromisoformat(snapshot.section["today"])
    cells = snapshot.cells
    item = attendance_item(today)
    is_taken = any(
        kind == "roll_taken" and cell_item == item for kind, cell_item in zip(cells.kind, cells.item, strict=True)
    )
    key = "section.attendance.taken" if is_taken else "section.attendance.link"
    return visit.words(key, day=visit.words.day(today))


def _columns(visit: Visit, snapshot: SectionSnapshot, students: set[int]) -> list[dict[str, Any]]:
    """Return the columns of the section, in the order of the gradebook, and how far each is filled in."""
    words, cells = visit.words, snapshot.cells
    entered: dict[int, int] = {}
    for kind, item, student, value in zip(cells.kind, cells.item, cells.student, cells.value, strict=True):
        if kind == Kind.SCORE.name.lower() and student in students and bytes(value) not in {b"null", b"{}"}:
            entered[item] = entered.get(item, 0) + 1
    conflicts = Counter(c["item"] for c in snapshot.conflicts if KIND_OF_NAME[c["kind"]] in {SCORE, COMMENT})
    return [
        {
            "line_item_id": column["line_item_id"],
            "conflicts": conflicts[column["line_item_id"]],
            "title": column["title"],
            "out_of": plain_number(column.get("result_value_max")),
            "due": _date(words.date, column.get("due_date")) or words("section.columns.no_due"),
            "entered": words(
                "section.columns.entered_of", entered=entered.get(column["line_item_id"], 0), students=len(students)
            ),
        }
        for column in snapshot.line_items
        if not column.get("is_hidden")
    ]


def _date(say: Any, date: dt.date | str | None) -> Markup | None:
    """Say a date; a column that is only drafted has it as text."""
    if date is None:
        return None
    return say(dt.date.fromisoformat(date) if isinstance(date, str) else date)  # type: ignore[no-any-return]
