"""Reading: the list of one's sections, a section as it stands, and the history of a cell."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Controller, Request, get
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from app.api import problems
from app.api.compressing import VARY, answer_compressed, of_gzip
from app.api.exchange import NO_STORE, Answer, header_of
from app.api.services import services_of
from app.model.kinds import ID_MAX, KindName
from app.model.written import rfc3339

if TYPE_CHECKING:
    from app.api.exchange import Header

# Kept by the browser alone, and asked about each time: an answer of 304 saves the bytes, never the question.
_REVALIDATE: Final[Header] = (b"cache-control", b"private, no-cache")
_encode = msgspec.json.Encoder().encode

Id = Annotated[int, QueryParameter(ge=0, le=ID_MAX)]


class SectionList(Struct):
    """The sections that the teacher has today; with `records_are_away`, had at `as_of`."""

    sections: list[dict[str, Any]]
    records_are_away: bool
    as_of: str


class History(Struct):
    """Every edit of one cell, newest first."""

    history: list[dict[str, Any]]


class SectionController(Controller):
    """Sections of the teacher who asks."""

    path = "/api/v1/sections"
    tags = ("sections",)

    @get("/", operation_id="ListSections", responses=problems.documented(401, 503))
    async def list_sections(self, request: Request[Any, Any, Any]) -> Answer:
        """List the sections that the teacher has today."""
        services = services_of(request.scope)
        grant = services.guard.teacher(request.scope)
        with services.standing.load.serving("reading"):
            listed = await services.read_section.list_sections(grant)
        body = _encode(SectionList(listed.sections, listed.records_are_away, rfc3339(listed.as_of_ms)))
        return await answer_compressed(request.scope, body, (NO_STORE,))

    @get(
        "/{section_id:int}",
        operation_id="ReadSection",
        responses=problems.documented(401, 403, 404, 503),
    )
    async def read_section(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:
        """Return a section as it stands, drafts included; 304 if it is what `If-None-Match` names."""
        services = services_of(request.scope)
        grant = services.guard.teacher(request.scope)
        with services.standing.load.serving("reading"):
            snapshot = await services.read_section.read_section(grant, section_id)
        body = _encode(snapshot)
        etag = etag_of(body)
        for name in (etag, of_gzip(etag)):
            if names(header_of(request.scope, b"if-none-match"), name):
                return Answer(status=304, headers=((b"etag", name.encode()), _REVALIDATE, VARY))
        return await answer_compressed(request.scope, body, (_REVALIDATE,), etag)

    @get(
        "/{section_id:int}/history",
        operation_id="ReadHistory",
        responses=problems.documented(401, 403, 404, 422, 503),
    )
    async def read_history(
        self,
        request: Request[Any, Any, Any],
        section_id: FromPath[int],
        kind: FromQuery[KindName],
        item: Id,
        student: Id,
    ) -> Answer:
        """Return every edit of a cell, newest first: also what was refused, or lost a conflict."""
        services = services_of(request.scope)
        grant = services.guard.teacher(request.scope)
        with services.standing.load.serving("reports"):
            found = await services.read_section.read_history(grant, section_id, kind, item, student)
        return await answer_compressed(request.scope, _encode(History(found)), (NO_STORE,))


def etag_of(body: bytes) -> str:
    """Return the ETag of a snapshot, which changes with every head and every record: over all before its moment."""
    return '"' + hashlib.blake2b(memoryview(body)[: body.rindex(b'"as_of":')], digest_size=16).hexdigest() + '"'


def names(if_none_match: bytes | None, etag: str) -> bool:
    """Whether an If-None-Match header names this ETag; a proxy may have made it weak."""
    if if_none_match is None:
        return False
    listed = (part.strip().removeprefix("W/") for part in if_none_match.decode("latin-1").split(","))
    return any(part in {etag, "*"} for part in listed)
