"""`GET /api/v1/events?sections=…`: server-sent events of one's sections, one stream a browser, read with `fetch`.

A stream ends when its grant does, so that a browser comes back with the next one, perhaps to another process; when the
client leaves; and when the process is about to stop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Controller, Request, get
from litestar.params import QueryParameter

from app.api import problems
from app.api.exchange import NO_STORE, Answer
from app.api.services import services_of
from app.errors import MalformedRequestError, SignInRequiredError
from app.gradebook.watch_sections import as_sent
from app.jitter import jittered
from app.model.kinds import ID_MAX

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send

    from app.api.services import Services
    from app.drafts.events import Listener
    from app.model.grants import Grant

# Said into a silent stream, so that no proxy takes it for dead; the grant is looked at as often.
ALIVE_S: Final = 15.0
SUBSCRIBED_S_MAX: Final = 1.0  # the journal may be away, and the stream is open all the same
RECONNECT_MS: Final = 1_000  # at least, and up to five times that
Sections = Annotated[
    str, QueryParameter(pattern=r"^[0-9]{1,10}(,[0-9]{1,10})*$", max_length=660, description="Their ids, with commas.")
]

Here = Annotated[
    int,
    QueryParameter(
        ge=0, le=ID_MAX, description="The one that the user has open: others who have it open are told. 0: none."
    ),
]


class EventController(Controller):
    """What happens in sections."""

    path = "/api/v1/events"
    tags = ("sections",)

    @get("/", operation_id="WatchSections", responses=problems.documented(401, 403, 422, 429, 503))
    async def watch(self, request: Request[Any, Any, Any], sections: Sections, here: Here = 0) -> Answer:
        """Stream what happens in these sections; lossy, so that a client also reads them now and then.

        Events: `cells` (new heads, in the columns of a snapshot), `recorded` (one's own edits up to a `seq` are settled
        in PostgreSQL), `presence` (who else has the section `here` open), `missed` (events were lost: read the
        sections again).
        """
        services = services_of(request.scope)
        grant = services.guard.teacher(request.scope)
        try:
            wanted = frozenset(map(int, sections.split(",")))
        except ValueError:
            raise MalformedRequestError("Section ids are numbers.") from None
        if here and here not in wanted:
            raise MalformedRequestError("The section that is open is one of those that are watched.")
        await services.watch_sections.require_access(grant, wanted)
        return EventStream(services, request.scope, grant, wanted, here or None)


class EventStream(Answer):
    """An answer that goes on until somebody has had enough."""

    __slots__ = ("_grant", "_here", "_scope", "_sections", "_services")

    def __init__(
        self, services: Services, scope: HTTPScope, grant: Grant, sections: frozenset[int], here: int | None
    ) -> None:
        # A proxy that buffered the stream would turn "as it happens" into "at the end".
        super().__init__(headers=(NO_STORE, (b"x-accel-buffering", b"no")))
        self._services = services
        self._scope = scope
        self._grant = grant
        self._sections = sections
        self._here = here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI
        """Send events until the client leaves, the grant ends, or the process stops; leaves no task behind."""
        with self._services.watch_sections.listening(self._grant, self._sections, self._here) as listener:
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), *self._headers[2:]]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            ends = [
                asyncio.create_task(self._send_events(listener, send)),
                asyncio.create_task(_until_client_leaves(receive)),
                asyncio.create_task(self._until_stop()),
            ]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
                results = await asyncio.gather(*ends, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, listener: Listener, send: Send) -> None:
        # Who has heard that the stream is open reads its sections: nothing may fall between that and the first event.
        await listener.subscribed(SUBSCRIBED_S_MAX)
        # Clients that lost their stream together do not all come back at once.
        first = b"retry: %d\n\n" % jittered(RECONNECT_MS, 1, 5)
        await send({"type": "http.response.body", "body": first, "more_body": True})
        clock = asyncio.get_running_loop().time
        look_at = clock() + ALIVE_S
        while True:
            event = await listener.get(max(0.0, look_at - clock()))
            sent = b": alive\n\n" if event is None else as_sent(event, self._grant)
            if clock() >= look_at:
                try:
                    self._services.guard.teacher(self._scope)
                except SignInRequiredError:
                    return
                look_at = clock() + ALIVE_S
            if sent:
                await send({"type": "http.response.body", "body": sent, "more_body": True})

    async def _until_stop(self) -> None:
        await self._services.stopping.wait()


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
