"""Saving on the plain page: a form becomes edits, and the answer is a receipt. Nothing typed is ever thrown away.

Whatever happens, what was typed stands in the answer: in the receipt, in its box beside the reason, in the same form
to be sent again, or, when the sign-in has ended, in the sign-in page, which saves it as soon as somebody has signed in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, cast

from app.api import problems
from app.api.page_forms import crumbs, form_page, now_ms, open_form
from app.api.page_receipt import receipt_context
from app.api.page_views import address_of, choice_view, title_of
from app.api.page_visit import refuse_foreign_form
from app.errors import InkfastError, MalformedRequestError, NotFoundError, SignInRequiredError
from app.gradebook.save_form import SavedForm, SaveForm
from app.model.kinds import Kind
from app.model.plain_fields import Typed, read_fields
from app.model.plain_forms import FormStateError, hold, plan, seal, unseal

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.api.exchange import Answer
    from app.api.page_visit import Visit
    from app.model.plain_fields import Fields
    from app.model.plain_forms import FormState

_KEPT: Final = "kept."
_ACTION: Final = re.compile(
    r"/sections/(?P<section>[0-9]{1,10})/(?:columns/(?P<column>[0-9]{1,10})|attendance(?:\?day=(?P<day>[0-9-]{10}))?)"
)


async def save_sent(visit: Visit, action: str) -> Answer:
    """Save the form that was just sent to this address (a path, with the day of a roll)."""
    fields = await visit.read_form()
    is_ours = visit.is_from_own_page()
    state = _state_of(visit, fields)
    try:
        await visit.require_grant()
    except SignInRequiredError:
        return ask_to_sign_in(visit, state, fields, action)
    except InkfastError as error:
        if state is None:
            raise
        return _kept_page(visit, state, fields, [visit.words.of_code(error.code, error.params)], error)
    if not (is_ours or visit.has_token(fields)):
        if state is None:
            raise refuse_foreign_form()
        sentence = visit.words("form.check_again")
        return _kept_page(visit, state, fields, [sentence], refuse_foreign_form())
    return await save(visit, state, fields, action)


def _state_of(visit: Visit, fields: Fields) -> FormState | None:
    try:
        return unseal(fields.get("state", [""])[0], visit.form_keys)
    except FormStateError:
        return None


async def save_kept(visit: Visit, fields: Fields) -> Answer:
    """Save what was kept in the sign-in page, now that somebody has signed in."""
    kept = {name.removeprefix(_KEPT): values for name, values in fields.items() if name.startswith(_KEPT)}
    return await save(visit, _state_of(visit, kept), kept, kept.get("action", [""])[0])


def kept_fields(fields: Fields) -> list[tuple[str, str]]:
    """Return what a sign-in page that is shown again has to go on keeping."""
    return [(name, value) for name, values in fields.items() if name.startswith(_KEPT) for value in values]


async def save(visit: Visit, state: FormState | None, fields: Fields, action: str) -> Answer:
    """Save a form for who is signed in, and return its receipt, or the form as it was typed with what went wrong."""
    words, grant = visit.words, visit.grant
    assert grant is not None  # noqa: S101 -- the callers have seen to it
    if state is None:
        return await _out_of_date(visit, fields, action)
    if state.user_id != grant.user_id:
        return ask_to_sign_in(visit, state, fields, action, signed_in_as=grant.name)
    if _path_of(state) != action.partition("?")[0]:
        raise MalformedRequestError("The form is of another page.")
    if state.kind != "choice" and "end" not in fields:
        cut_short = MalformedRequestError("The form was cut short.")
        return _kept_page(visit, state, fields, [words("form.cut_short")], cut_short)
    typed = read_fields(state, fields) if state.kind != "choice" else Typed({}, {})
    saving = SaveForm(visit.services.edit_cells, visit.services.read_section)
    try:
        if state.kind == "choice":
            saved = await saving.save_choice(grant, state, _choice_of(fields))
        else:
            saved = await saving.save_typed(grant, state, typed.values)
    except MalformedRequestError:
        raise
    except InkfastError as error:
        sentences = [words.of_code(error.code, error.params)]
        if error.retryable:
            sentences += [words("form.kept"), words("form.perhaps_saved")]
        return _kept_page(visit, state, fields, sentences, error)
    except Exception as error:  # noqa: BLE001 -- it is reported, and what was typed has to be shown again
        request_id = problems.report(visit.request.scope, error)
        unexpected = InkfastError("unexpected")
        sentences = [words.of_code(unexpected.code), words("code.internal_error.id", request_id=request_id)]
        return _kept_page(visit, state, fields, [*sentences, words("form.kept")], unexpected)
    return await _receipt(visit, state, fields, typed, saved)


def _path_of(state: FormState) -> str:
    return f"/sections/{state.section_id}/conflicts" if state.kind == "choice" else address_of(state).partition("?")[0]


def _choice_of(fields: Fields) -> Literal["mine", "theirs"]:
    choice = fields.get("choice", [""])[0]
    if choice not in {"mine", "theirs"}:
        raise MalformedRequestError("The choice is missing.")
    return cast("Literal['mine', 'theirs']", choice)


async def _receipt(visit: Visit, state: FormState, fields: Fields, typed: Typed, saved: SavedForm) -> Answer:
    settings = visit.services.settings
    authors = {one.outcome.head.author_id for one in saved.edits if one.outcome.head is not None}
    names = await visit.services.read_section.read_names(sorted(authors)) if authors else {}
    context = receipt_context(
        visit.words, state, saved, fields, typed.errors, names, [settings.secret_key], visit.form_keys[0]
    )
    held = state if state.kind == "choice" else hold(state, (one.edit for one in saved.edits))
    return visit.page(
        "receipt.html",
        f"{visit.words('receipt.title')} · {title_of(visit.words, state)}",
        action=_action_of(state),
        state=seal(held, visit.form_keys[0]),
        check_fields=_sent_again(fields),
        crumbs=crumbs(visit.words, (f"/sections/{state.section_id}", state.section_title)),
        go_on=(address_of(state), visit.words("receipt.go_on", title=title_of(visit.words, state))),
        back=(f"/sections/{state.section_id}", visit.words("receipt.back", section=state.section_title)),
        status=422 if typed.errors and not saved.edits else 200,
        **context,
    )


def _action_of(state: FormState) -> str:
    return _path_of(state) if state.kind == "choice" else address_of(state)


def _sent_again(fields: Fields) -> list[tuple[str, str]]:
    """Return the inputs of a form without what each page gives anew."""
    return [
        (name, value)
        for name, values in fields.items()
        if name not in {"token", "state", "end", "action"}
        for value in values
    ]


def _held(state: FormState, fields: Fields) -> FormState:
    """Return the state with what was typed now and when, so that it counts as entered now whenever it is saved."""
    if state.kind == "choice":
        return state
    return hold(state, plan(state, read_fields(state, fields).values, {}, now_ms()))


def _kept_page(visit: Visit, state: FormState, fields: Fields, sentences: list[Markup], error: InkfastError) -> Answer:
    """Return the form as it was typed, to be sent again, with the status of the error."""
    if state.kind == "choice":
        return visit.page(
            "choice.html",
            visit.words("choice.title", count=1),
            problem=sentences,
            choices=[choice_view(visit.words, state, visit.form_keys[0], now_ms())],
            crumbs=crumbs(visit.words, (f"/sections/{state.section_id}", state.section_title)),
            status=error.status,
            retry_after_s=error.retry_after_s,
        )
    errors = read_fields(state, fields).errors
    return form_page(
        visit,
        _held(state, fields),
        fields=fields,
        errors=errors,
        problem=sentences,
        status=error.status,
        retry_after_s=error.retry_after_s,
    )


async def _out_of_date(visit: Visit, fields: Fields, action: str) -> Answer:
    """Return the form as it is now, with what was typed into one whose state cannot be read any more."""
    where = _ACTION.fullmatch(action)
    if where is None:
        raise NotFoundError("no such page")
    column = int(where["column"]) if where["column"] else None
    opened = await open_form(visit, int(where["section"]), column, where["day"])
    return form_page(
        visit,
        opened.state,
        fields=fields,
        errors=read_fields(opened.state, fields).errors,
        problem=[visit.words("form.out_of_date")],
        opened=opened,
        status=409,
    )


def ask_to_sign_in(
    visit: Visit, state: FormState | None, fields: Fields, action: str, *, signed_in_as: str | None = None
) -> Answer:
    """Return a sign-in page that keeps what was typed and saves it as soon as its author has signed in."""
    words = visit.words
    kept = [(f"{_KEPT}{name}", value) for name, value in [("action", action), *_sent_again(fields)]]
    kept += [(f"{_KEPT}end", value) for value in fields.get("end", ())]
    lead = [words("sign_in.again.lead_open")]
    if state is not None:
        held = _held(state, fields)
        kept.append((f"{_KEPT}state", seal(held, visit.form_keys[0])))
        count = sum(cell.kind != Kind.ROLL_TAKEN for cell in held.held)
        title = title_of(words, state)
        if state.kind != "choice":
            lead = [words("sign_in.again.lead", count=count + len(read_fields(state, fields).errors), title=title)]
    problem: list[Markup] = []
    if signed_in_as is not None and state is not None:
        problem = [words("sign_in.again.other_user", typist=state.user_name, name=signed_in_as)]
    return visit.page(
        "sign_in.html",
        words("sign_in.again.title"),
        lead=lead,
        problem=problem,
        kept=kept,
        username="",
        button=words("sign_in.again.button"),
        is_wrong=False,
        status=409 if problem else 401,
    )
