"""`POST /api/v1/sections/{section_id}/edits`: the save path. Stop 1 of an edit.

It has a route of its own in front of Litestar's: of the time that a save of three edits takes a process, Litestar's
routing, request object and exit stacks were a quarter (docs/benchmarks.md). Who may ask, what is too large, and how an
error is told are the same functions as everywhere else. Litestar keeps the path too: it describes it in the OpenAPI
document, answers other methods, and serves the spellings that the route does not take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Controller, Request, post
from litestar.params import FromPath

from app.api import problems
from app.api.exchange import Answer, read_body
from app.api.services import services_of
from app.model.edits import BODY_BYTES_MAX, SaveAnswer, SaveRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from litestar.types import ASGIApp, HTTPScope, Receive, Send

_TEMPLATE: Final = "/api/v1/sections/{section_id}/edits"  # as Litestar names it to telemetry
_BEFORE, _AFTER = _TEMPLATE.split("{section_id}")
_DIGITS_MAX: Final = 10  # of a section's number; more, and Litestar finds out what it is


async def _save(scope: HTTPScope, receive: Receive, section_id: int) -> Answer:
    services = services_of(scope)
    grant = services.guard.teacher(scope)
    load = services.standing.load
    load.admit("saving")
    body = await read_body(receive, BODY_BYTES_MAX)
    load.saves_in_progress += 1  # not before: a client that is slow to send says nothing about us
    try:
        return Answer(await services.edit_cells.save(grant, section_id, body))
    finally:
        load.saves_in_progress -= 1
        load.saves_ended += 1


class SaveRoute:
    """ASGI: answers saves, and passes everything else on to `app` without a coroutine of its own."""

    __slots__ = ("_app",)

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve the request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            section_id = _section_of(scope["path"])
            if section_id is not None:
                return self._answer(scope, receive, send, section_id)
        return self._app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send, section_id: int) -> None:
        scope["path_template"] = _TEMPLATE
        try:
            answer = await _save(scope, receive, section_id)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the client is told by the same words as elsewhere
            answer = problems.of_exception(scope, error)
        await answer(scope, receive, send)


def _section_of(path: str) -> int | None:
    """Return the section whose edits this path names, in the one spelling that clients use; else None."""
    if not path.startswith(_BEFORE) or not path.endswith(_AFTER):
        return None
    number = path[len(_BEFORE) : -len(_AFTER)]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX else None


class EditController(Controller):
    """Edits of one section, as Litestar knows them."""

    path = "/api/v1/sections/{section_id:int}/edits"
    tags = ("edits",)

    @post(
        "/",
        operation_id="SaveEdits",
        status_code=200,
        responses=problems.documented(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    )
    async def save_edits(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:
        """Save 0 to 200 edits and answer what became of each, as soon as all are durable.

        The body is decoded here and not by the framework: values stay the bytes that the client sent, and a body that
        is too large is refused before it has been read.
        """
        return await _save(request.scope, request.receive, section_id)


# What the OpenAPI document says of the body and of the answer (app/api/openapi.py).
REQUEST, ANSWER = SaveRequest, SaveAnswer
