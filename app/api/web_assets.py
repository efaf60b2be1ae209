"""The gradebook in the browser: its pages, which are the same for everybody, and the files that they load.

Nothing here needs a sign-in, asks a store or knows a person: a page gets what it shows from /api/v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Controller, Request, get
from litestar.params import FromPath

from app.api.exchange import Answer, header_of
from app.api.page_visit import respond
from app.api.sections import names
from app.api.services import services_of
from app.errors import NotFoundError

if TYPE_CHECKING:
    from app.api.exchange import Header
    from app.api.page_visit import Visit
    from app.api.web_files import WebFile

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_POLICY: Final[tuple[Header, ...]] = ((b"content-security-policy", POLICY.encode()), (b"x-frame-options", b"DENY"))
_REVALIDATE: Final[Header] = (b"cache-control", b"no-cache")
_FOR_GOOD: Final[Header] = (b"cache-control", b"public, max-age=31536000, immutable")
_VARY: Final[Header] = (b"vary", b"accept-encoding")


class WebController(Controller):
    """Pages, scripts and styles of the gradebook, from memory."""

    path = "/app"
    include_in_schema = False

    @get("/")
    async def home(self, request: Request[Any, Any, Any]) -> Answer:
        """Give the first page: sign in, my sections."""
        if request.scope["raw_path"] == b"/app":  # outside of what the service worker may answer
            return Answer(status=308, headers=((b"location", b"/app/"), _REVALIDATE))
        return await _page(request, "home")

    @get("/sections/{section_id:int}")
    async def gradebook(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:  # noqa: ARG002 -- the page reads its own address
        """Give the page of a section's grades."""
        return await _page(request, "gradebook")

    @get("/sections/{section_id:int}/attendance")
    async def attendance(self, request: Request[Any, Any, Any], section_id: FromPath[int]) -> Answer:  # noqa: ARG002 -- the page reads its own address
        """Give the page of a day's roll."""
        return await _page(request, "attendance")

    @get("/receipts")
    async def receipts(self, request: Request[Any, Any, Any]) -> Answer:
        """Give the page of receipts."""
        return await _page(request, "receipts")

    @get("/compatibility")
    async def compatibility(self, request: Request[Any, Any, Any]) -> Answer:
        """Give the page that says what this browser can do."""
        return await _page(request, "compatibility")

    @get("/sw.js")
    async def service_worker(self, request: Request[Any, Any, Any]) -> Answer:
        """Give the service worker; its own requests are under the same policy."""
        return _file(request, "sw.js", *_POLICY)

    @get("/sw.js.map")
    async def service_worker_map(self, request: Request[Any, Any, Any]) -> Answer:
        """Give the source map of the service worker."""
        return _file(request, "sw.js.map")

    @get("/manifest.webmanifest")
    async def manifest(self, request: Request[Any, Any, Any]) -> Answer:
        """Give what a browser needs to install the gradebook."""
        return _file(request, "manifest.webmanifest")

    @get("/icon.svg")
    async def icon(self, request: Request[Any, Any, Any]) -> Answer:
        """Give the icon."""
        return _file(request, "icon.svg")

    @get("/assets/{name:str}")
    async def asset(self, request: Request[Any, Any, Any], name: FromPath[str]) -> Answer:
        """Give a script or a style, for good: its name has its digest in it. A header says where its source map is."""
        found = services_of(request.scope).web.asset(name)
        if found is None:
            raise NotFoundError("no such file")
        map_name = f"{name}.map"
        named = [(b"sourcemap", map_name.encode())] if services_of(request.scope).web.asset(map_name) else []
        return _answer(request, found, _FOR_GOOD, *named)


async def _page(request: Request[Any, Any, Any], name: str) -> Answer:
    found = services_of(request.scope).web.page(name)
    if found is None:
        return await respond(request, _not_built)
    return _answer(request, found, _REVALIDATE, *_POLICY)


async def _not_built(visit: Visit) -> Answer:
    words = visit.words
    said = (words("gradebook.not_built"), words("gradebook.build", command="./ops/up"), words("gradebook.plain"))
    return visit.page("problem.html", words("gradebook.title"), sentences=said, status=404)


def _file(request: Request[Any, Any, Any], name: str, *headers: Header) -> Answer:
    found = services_of(request.scope).web.file(name)
    if found is None:
        raise NotFoundError("no such file")
    return _answer(request, found, _REVALIDATE, *headers)


def _answer(request: Request[Any, Any, Any], found: WebFile, *headers: Header) -> Answer:
    chosen = found.choose(header_of(request.scope, b"accept-encoding"))
    with_etag = ((b"etag", chosen.etag.encode()), _VARY, *headers)
    if names(header_of(request.scope, b"if-none-match"), chosen.etag):
        return Answer(status=304, headers=with_etag)
    answer = Answer(chosen.body, media_type=found.media_type, headers=with_etag)
    if chosen.encoding:
        answer.add_header((b"content-encoding", chosen.encoding))
    return answer
