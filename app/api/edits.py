"""`POST /api/v1/sections/{section_id}/edits`: the save path. Stop 1 of an edit."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, post
from litestar.params import FromPath

from app.api import problems
from app.api.exchange import Answer, read_body
from app.api.services import services_of
from app.model.edits import BODY_BYTES_MAX, SaveAnswer, SaveRequest


async def _save(request: Request[Any, Any, Any], section_id: int) -> Answer:
    services = services_of(request.scope)
    grant = services.guard.teacher(request.scope)
    load = services.standing.load
    load.admit("saving")
    load.saves_in_progress += 1
    try:
        body = await read_body(request.receive, BODY_BYTES_MAX)
        return Answer(await services.edit_cells.save(grant, section_id, body))
    finally:
        load.saves_in_progress -= 1
        load.saves_ended += 1


async def _save_at_once(request: Request[Any, Any, Any]) -> Answer:
    return await _save(request, int(request.scope["path_params"]["section_id"]))


class EditController(Controller):
    """Edits of one section."""

    path = "/api/v1/sections/{section_id:int}/edits"
    tags = ("edits",)

    # The hook answers, so that Litestar makes no arguments for the handler: a signature model, a conversion and an exit
    # stack were 8 of the 23 us that an empty save spends in it. The handler is what the OpenAPI document describes.
    @post(
        "/",
        operation_id="SaveEdits",
        status_code=200,
        before_request=_save_at_once,
        responses=problems.documented(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    )
    async def save_edits(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:
        """Save 0 to 200 edits and answer what became of each, as soon as all are durable.

        The body is decoded here and not by the framework: values stay the bytes that the client sent, and a body that
        is too large is refused before it has been read.
        """
        return await _save(request, section_id)


# What the OpenAPI document says of the body and of the answer (app/api/openapi.py).
REQUEST, ANSWER = SaveRequest, SaveAnswer
