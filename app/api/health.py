"""Is it alive, can it save, how does it stand, and its figures."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Controller, MediaType, Request, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from app import VERSION, telemetry
from app.api import problems
from app.api.exchange import Answer
from app.api.services import services_of
from app.errors import JournalUnavailableError, NotPermittedError
from app.gradebook.load import Work
from app.model.written import rfc3339

if TYPE_CHECKING:
    from litestar.types import HTTPScope

    from app.api.services import Services

_encode = msgspec.json.Encoder().encode
_TEXT = b"text/plain; charset=utf-8"


class MaintenanceView(Struct):
    """Maintenance that was announced: entry goes on, and is recorded afterwards."""

    until: str
    reason: str


class StatusView(Struct):
    """How the service stands, for everybody.

    `load_percent` is of what the process that answers does well; above 100 `next_save_ms` grows. `refusing`: the work
    that is answered 503 for now, the least urgent first. `oldest_unrecorded_s` and `journal_memory_percent` are null
    while the journal cannot be asked.
    """

    saving: Literal["ok", "delayed", "unavailable"]
    recording: Literal["ok", "delayed", "away"]
    oldest_unrecorded_s: float | None
    next_save_ms: int
    journal_memory_percent: float | None
    load_percent: int
    refusing: list[Work]
    maintenance: MaintenanceView | None
    version: str


class HealthController(Controller):
    """For load balancers, monitoring, and people who ask whether it is only them."""

    path = "/"
    tags = ("health",)
    security = ()

    @get("/livez", operation_id="IsAlive", media_type=MediaType.TEXT)
    async def livez(self) -> Answer:
        """Answer as long as the event loop turns."""
        return Answer(b"alive\n", media_type=_TEXT)

    @get("/readyz", operation_id="IsReady", media_type=MediaType.TEXT, responses=problems.documented(503))
    async def readyz(self, request: Request[Any, Any, Any]) -> Answer:
        """Answer 200 if edits can be saved. PostgreSQL does not count: its stop must not stop saving."""
        if services_of(request.scope).standing.saving == "unavailable":
            raise JournalUnavailableError("The journal cannot be written.")
        return Answer(b"ready\n", media_type=_TEXT)

    @get(
        "/statusz",
        operation_id="ReadStatus",
        responses={200: ResponseSpec(StatusView, description="How the service stands.", generate_examples=False)},
    )
    async def statusz(self, request: Request[Any, Any, Any]) -> Answer:
        """Say how the service stands: to everybody, and nothing about anybody."""
        services = services_of(request.scope)
        standing = services.standing
        age_s = standing.oldest_unrecorded_s
        percent = standing.ladder.percent
        announced = services.maintenance.current
        view = StatusView(
            saving=standing.saving,
            recording=standing.recording,
            oldest_unrecorded_s=round(age_s, 1) if age_s is not None else None,
            next_save_ms=standing.ladder.save_window_ms,
            journal_memory_percent=round(percent, 1) if percent is not None else None,
            load_percent=round(standing.load.pressure * 100),
            refusing=standing.load.refusing,
            maintenance=MaintenanceView(rfc3339(announced.until_ms), announced.reason) if announced else None,
            version=VERSION,
        )
        return Answer(_encode(view))

    @get(
        "/metrics",
        operation_id="ReadMetrics",
        media_type=MediaType.TEXT,
        responses=problems.documented(401, 403),
    )
    async def metrics(self, request: Request[Any, Any, Any]) -> Answer:
        """Give this process's figures in Prometheus' format: to its own port, or to an administrator."""
        services = services_of(request.scope)
        if (
            not _is_from_this_machine(request.scope, services)
            and not services.guard.user(request.scope).is_administrator
        ):
            raise NotPermittedError("Figures are for administrators.")
        body = telemetry.exposition(services.worker, telemetry.RequestCollector(services.meter))
        return Answer(body, media_type=b"text/plain; version=0.0.4; charset=utf-8")


def _is_from_this_machine(scope: HTTPScope, services: Services) -> bool:
    """Whether a loopback client asked, and cannot have been a reverse proxy that serves the world.

    A proxy on this machine is a loopback client too, and need not say that it is one. So the shared port counts only
    where the service's public address is this machine itself; otherwise the worker's own port, which is not proxied.
    """
    client, server = scope["client"], scope["server"]
    if client is None or server is None or not _is_loopback(client[0]):
        return False
    return server[1] == services.own_port or _is_loopback(urlsplit(services.settings.public_url).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
