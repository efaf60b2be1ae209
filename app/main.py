"""Composition root: settings in, ASGI application out, and `python -m app.main` that serves it.

Nothing is read from the environment or connected at import; `create_app` only builds, the lifespan opens and closes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from litestar import Litestar

from app import VERSION, telemetry
from app.api.edits import EditController, SaveRoute
from app.api.events import EventController
from app.api.exchange import answering_head
from app.api.guards import Guard
from app.api.health import HealthController
from app.api.page import MISSING_PAGE, PlainPageController
from app.api.page_html import PlainAssets
from app.api.problems import EXCEPTION_HANDLERS
from app.api.sections import SectionController
from app.api.services import Services, is_ready, provide, stop_streams
from app.api.session import SessionController
from app.api.web_assets import WebController
from app.api.web_files import WebFiles
from app.api.whole_answers import WholeAnswers
from app.drafts.committer import Committer
from app.drafts.events import EventHub
from app.drafts.snapshots import SnapshotCache
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import InkfastError, JournalUnavailableError
from app.garbage import keep_what_stays
from app.gradebook.cached_sections import CachedSections
from app.gradebook.edit_cells import EditCells
from app.gradebook.load import Turns
from app.gradebook.maintenance import MaintenanceBoard
from app.gradebook.password_processes import PasswordProcesses
from app.gradebook.read_section import ReadSection
from app.gradebook.revocations import Revocations
from app.gradebook.rules import RulesCache
from app.gradebook.sign_in import SignIn
from app.gradebook.standing import Standing
from app.gradebook.watch_sections import WatchSections
from app.gradebook.write_directly import WriteDirectly
from app.heartbeat import beat
from app.model.edits import BODY_BYTES_MAX
from app.records.pool import create_pool
from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence
    from types import FrameType

    from litestar.openapi import OpenAPIConfig
    from litestar.types import ASGIApp

EX_USAGE, EX_UNAVAILABLE = 64, 69
KEEP_ALIVE_S = 75  # longer than any save window, so that a client saves over one connection
DRAIN_S_MAX = 10  # shorter than the supervisor's patience
BACKLOG = 4096
HOLD_SPARE_MS = 1_000  # PostgreSQL ends a statement that takes too long, and says so; that is better than our own clock

_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))
_HTTPS_HEADERS = (*_HEADERS, (b"strict-transport-security", b"max-age=31536000"))


def create_app(
    settings: Settings, *, worker: str = "1", own_port: int | None = None, openapi: OpenAPIConfig | None = None
) -> Litestar:
    """Return the application; its lifespan opens what it needs and closes it again, in order."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                provide(app, await _open(settings, stack, meter, worker, own_port))
                keep_what_stays()
            except InkfastError as error:
                telemetry.log(telemetry.Event.SERVICE_REFUSED, level=logging.CRITICAL, role="api", error=error)
                raise
            telemetry.log(telemetry.Event.SERVICE_STARTED, role="api", version=VERSION)
            yield
        telemetry.log(telemetry.Event.SERVICE_STOPPED, role="api")

    app = Litestar(
        route_handlers=[
            EditController,
            SectionController,
            EventController,
            SessionController,
            HealthController,
            PlainPageController,
            PlainAssets,
            WebController,
        ],
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS | MISSING_PAGE,
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=openapi,
        logging_config=None,  # app/telemetry.py logs
        debug=False,
    )
    is_https = settings.public_url.startswith("https://")
    routes = SaveRoute(answering_head(app.asgi_handler))
    meter = telemetry.MeasureRequests(routes, _HTTPS_HEADERS if is_https else _HEADERS)
    app.asgi_handler = cast("ASGIApp", meter)  # outside of Litestar's router, so that what it refuses is counted too
    return app


async def _open(
    settings: Settings, stack: AsyncExitStack, meter: telemetry.MeasureRequests, worker: str, own_port: int | None
) -> Services:
    """Open everything; what was opened is closed by the stack, in the opposite order, also if this fails midway.

    Neither store has to answer: the service starts, says that it is not ready, and serves when they come.
    """
    hold_ms_max = settings.database_statement_ms_max + HOLD_SPARE_MS
    pool = await create_pool(settings, application_name="inkfast-api", hold_ms_max=hold_ms_max)
    stack.push_async_callback(pool.close)
    topology = Topology(settings.redis_url, is_checked=not settings.journal_unsafe)
    stack.callback(topology.close)
    with suppress(JournalUnavailableError):
        await topology.learn()
    store = DraftStore(topology)
    committer = _open_committer(settings, stack, topology)
    hub = EventHub(topology)
    stack.push_async_callback(hub.close)
    revocations = Revocations(settings, pool, store)
    cached = CachedSections(settings, SnapshotCache(settings.snapshot_cache_url), lambda: revocations.records_are_away)
    stack.push_async_callback(cached.close)
    directly = WriteDirectly(settings, store, cached=cached)
    stack.push_async_callback(directly.close)
    maintenance = MaintenanceBoard(pool, store, lambda: revocations.records_are_away)
    standing = Standing(settings, store, committer, revocations)
    await standing.require_durable()
    await asyncio.gather(standing.look(), revocations.look(), maintenance.look())
    passwords = PasswordProcesses(settings.password_processes)
    stack.callback(passwords.close)
    passwords.warm_up()
    for work in (
        revocations.run(),
        standing.run(),
        standing.load.run(),
        maintenance.run(),
        telemetry.watch_event_loop(),
    ):
        _in_background(stack, work)
    rules = RulesCache(settings, pool, store)
    edit_cells = EditCells(settings, pool, committer, rules, directly, cached=cached, ladder=standing.ladder)
    stack.push_async_callback(edit_cells.close)
    return Services(
        settings=settings,
        guard=Guard(settings, revocations),
        sign_in=SignIn(settings, pool, revocations, passwords),
        edit_cells=edit_cells,
        read_section=ReadSection(settings, pool, store, cached, standing.ladder, rules=rules, turns=Turns()),
        watch_sections=WatchSections(pool, hub),
        standing=standing,
        maintenance=maintenance,
        meter=meter,
        web=_read_web(),
        worker=worker,
        own_port=own_port,
        stopping=asyncio.Event(),
    )


def _read_web() -> WebFiles:
    web = WebFiles()
    if not web.is_built:
        telemetry.log(telemetry.Event.WEB_NOT_BUILT, level=logging.WARNING)
    elif web.is_stale:
        telemetry.log(telemetry.Event.WEB_STALE, level=logging.WARNING)
    return web


def _open_committer(settings: Settings, stack: AsyncExitStack, topology: Topology) -> Committer:
    committer = Committer(
        topology,
        queue_edits_max=settings.commit_queue_edits_max,
        wait_ms_max=settings.commit_wait_ms_max,
        silence_ms_max=settings.journal_silence_ms_max,
        replicas_min=settings.journal_replicas_min,
        observe=telemetry.COMMIT_SAVES.observe,
    )
    stack.push_async_callback(committer.close)
    return committer


def _in_background(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


class Server(uvicorn.Server):
    """uvicorn, telling the application of a stop as soon as it is asked for: streams end, saves are finished.

    It beats from the moment it listens until its loop ends: draining is work, and no silence.
    """

    def __init__(self, config: uvicorn.Config, heartbeat_fd: int | None) -> None:
        super().__init__(config)
        self._heartbeat_fd = heartbeat_fd
        self._beating: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open everything and listen; then show it to the supervisor."""
        await super().startup(sockets)
        app = cast("Litestar", self.config.app)
        self._beating = asyncio.create_task(beat(self._heartbeat_fd, lambda: is_ready(app)))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain."""
        stop_streams(cast("Litestar", self.config.app))
        super().handle_exit(sig, frame)


def serve(app: Litestar, sockets: list[socket.socket], heartbeat_fd: int | None = None) -> None:
    """Serve on these sockets until SIGTERM or SIGINT; what has begun is finished first, up to DRAIN_S_MAX."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=WholeAnswers,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",  # what matters of a start and a stop is logged as events
        access_log=False,
        proxy_headers=False,  # nothing here depends on the client's address
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S_MAX,
    )
    Server(config, heartbeat_fd).run(sockets)


def _listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, reuse_port=is_shared)
    listener.listen(BACKLOG)
    return listener


def _allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one: a connection for each browser, and one for its events."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a system may refuse "unlimited"; then its own default has to do
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(argv: Sequence[str]) -> int:
    """Serve as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.main", description="One API process.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="an inherited listening socket")
    where.add_argument("--port", type=int)
    parser.add_argument("--host", default="127.0.0.1", help="with --port (default: %(default)s)")
    parser.add_argument("--own-port", type=int, help="loopback port of this process alone, for /metrics")
    parser.add_argument("--worker", default=str(os.getpid()), help="its name in metrics (default: the process id)")
    options = parser.parse_args(argv)
    try:
        settings = Settings.from_env(os.environ)  # noqa: TID251 -- read by settings.py, handed over here
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EX_USAGE
    telemetry.log_to_stderr(f"api-{options.worker}")
    # Where cores are short, what is drafted gets recorded before more is taken in: teachers' outboxes wait more gladly
    # than the journal, and a district whose edits are not recorded asks again and again.
    os.nice(settings.api_niceness)
    _allow_many_connections()
    sockets = [socket.socket(fileno=options.fd) if options.fd is not None else _listen(options.host, options.port)]
    if options.own_port is not None:
        # In a rolling deploy the process that takes this one's place listens there too.
        sockets.append(_listen("127.0.0.1", options.own_port, is_shared=True))
    app = create_app(settings, worker=options.worker, own_port=options.own_port)
    serve(app, sockets, settings.heartbeat_fd)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
