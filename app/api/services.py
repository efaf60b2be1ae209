"""What handlers work with: made once in main's lifespan, found through the application's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    import asyncio

    from litestar import Litestar
    from litestar.types import HTTPScope

    from app.api.guards import Guard
    from app.api.web_files import WebFiles
    from app.gradebook.edit_cells import EditCells
    from app.gradebook.maintenance import MaintenanceBoard
    from app.gradebook.read_section import ReadSection
    from app.gradebook.sign_in import SignIn
    from app.gradebook.standing import Standing
    from app.gradebook.watch_sections import WatchSections
    from app.settings import Settings
    from app.telemetry import MeasureRequests

_NAME = "services"


class Services(NamedTuple):
    """The service of one API process."""

    settings: Settings
    guard: Guard
    sign_in: SignIn
    edit_cells: EditCells
    read_section: ReadSection
    watch_sections: WatchSections
    standing: Standing
    maintenance: MaintenanceBoard
    meter: MeasureRequests
    web: WebFiles
    worker: str
    own_port: int | None
    stopping: asyncio.Event


def provide(app: Litestar, services: Services) -> None:
    """Make the services known to the handlers of this application."""
    app.state[_NAME] = services


def stop_streams(app: Litestar) -> None:
    """Ask every stream of events to end: the process is about to."""
    services: Services | None = app.state.get(_NAME)
    if services is not None:
        services.stopping.set()


def is_ready(app: Litestar) -> bool:
    """Tell whether edits can be saved through this process; never raises."""
    services: Services | None = app.state.get(_NAME)
    return services is not None and services.standing.saving != "unavailable"


def services_of(scope: HTTPScope) -> Services:
    """Return the services of the application that serves this request."""
    return cast("Services", scope["litestar_app"].state[_NAME])
