"""Tell open grids what changed in their sections, while it happens.

Lossy by contract: whoever is told `missed` reads the section again, and polling repairs what nobody could tell.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from app import telemetry
from app.drafts.events import Drafted, Recorded
from app.drafts.presence import Present
from app.errors import MalformedRequestError, NotPermittedError, TooManyRequestsError
from app.gradebook.shown_cells import Cells, columns_of, lay_over
from app.records.accounts import list_active_section_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.drafts.events import Event, EventHub, Listener
    from app.model.grants import Grant
    from app.records.pool import Pool

SECTIONS_MAX: Final = 60
# One stream a browser: its tabs share it. Some people use several, and a lost connection lingers for a while.
STREAMS_OF_USER_MAX: Final = 12

_encode = msgspec.json.Encoder().encode


class CellsEvent(Struct):
    """Event `cells`: these cells have new heads, drafted by this author through this client."""

    section_id: int
    author_id: int
    client_id: str
    cells: Cells


class RecordedEvent(Struct):
    """Event `recorded`, for the author alone: this client's edits up to here are settled in PostgreSQL."""

    section_id: int
    client_id: str
    recorded_seq: int


class Colleague(Struct):
    """Somebody who has a section open."""

    user_id: int
    name: str


class PresenceEvent(Struct):
    """Event `presence`, for who has this section open: so have these others, and nobody else."""

    section_id: int
    users: list[Colleague]


class WatchSections:
    """The streams of one API process."""

    def __init__(self, pool: Pool, hub: EventHub) -> None:
        self._pool = pool
        self._hub = hub
        self._streams_of_user: dict[int, int] = {}
        self.streams = 0

    async def require_access(self, grant: Grant, sections: frozenset[int]) -> None:
        """Return if the user teaches each of these sections, else raise NotPermittedError or MalformedRequestError."""
        if not 0 < len(sections) <= SECTIONS_MAX:
            raise MalformedRequestError("Name 1 to 60 sections.", params={"sections_max": SECTIONS_MAX})
        if grant.section_ids is not None and sections <= grant.section_ids:
            return
        async with self._pool.acquire() as connection:
            active = await list_active_section_ids(connection, grant.user_id)
        if not sections.issubset(active):
            raise NotPermittedError("Not all of these are your sections.")

    @contextmanager
    def listening(self, grant: Grant, sections: frozenset[int], here: int | None = None) -> Iterator[Listener]:
        """Lend a listener for sections whose access was checked; TooManyRequestsError when the user has too many.

        Whoever else has the section `here` open hears that this user has, until the listener is given back.
        """
        user_id = grant.user_id
        if self._streams_of_user.get(user_id, 0) >= STREAMS_OF_USER_MAX:
            raise TooManyRequestsError("Too many streams of one user.", retry_after_s=10)
        self._streams_of_user[user_id] = self._streams_of_user.get(user_id, 0) + 1
        self.streams += 1
        telemetry.EVENT_STREAMS.set(self.streams)
        listener = self._hub.listen(sections)
        if here is not None:
            self._hub.enter(listener, here, user_id, grant.name)
        try:
            yield listener
        finally:
            listener.close()
            self.streams -= 1
            telemetry.EVENT_STREAMS.set(self.streams)
            self._streams_of_user[user_id] -= 1
            if not self._streams_of_user[user_id]:
                del self._streams_of_user[user_id]


def as_sent(event: Event, grant: Grant) -> bytes:
    """Return an event as it stands in the stream; empty if it is not for this user."""
    body: Any
    if isinstance(event, Drafted):
        name = b"cells"
        rows, drafted = lay_over({cell: head._replace(is_drafted=True) for cell, head in event.heads}, ())
        cells = columns_of(rows, drafted)
        body = CellsEvent(event.section_id, event.author_id, str(event.client_id), cells)
    elif isinstance(event, Recorded):
        if event.user_id != grant.user_id:
            return b""
        name = b"recorded"
        body = RecordedEvent(event.section_id, str(event.client_id), event.recorded_seq)
    elif isinstance(event, Present):
        name = b"presence"
        others = [Colleague(user_id, shown) for user_id, shown in event.users if user_id != grant.user_id]
        body = PresenceEvent(event.section_id, others)
    else:
        name, body = b"missed", {}
    return b"event: %s\ndata: %s\n\n" % (name, _encode(body))
