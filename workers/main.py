"""`python -m workers.main flusher|housekeeping`: settings from the environment, SIGTERM stops after the last batch."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import uvloop

from app.drafts.doctor import require_durable
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import InkfastError
from app.garbage import keep_what_stays
from app.heartbeat import beat
from app.records.pool import connect, create_pool
from app.records.schema_version import require_current_schema
from app.settings import Settings, SettingsError
from app.telemetry import Event, log, log_to_stderr
from workers.flusher import Flusher
from workers.housekeeping import Housekeeping

ROLES = ("flusher", "housekeeping")
EX_USAGE, EX_UNAVAILABLE = 64, 69


async def run(role: str, settings: Settings) -> None:
    """Run one worker until SIGTERM or SIGINT; raise InkfastError if it may not start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    topology = Topology(settings.redis_url)
    await topology.learn()
    if not settings.journal_unsafe:
        await require_durable(topology)
    connection = await connect(settings.database_url, application_name=f"inkfast-{role}")
    try:
        await require_current_schema(connection)
    finally:
        await connection.close()
    store = DraftStore(topology)
    log(Event.SERVICE_STARTED, role=role)
    keep_what_stays()
    beating = asyncio.create_task(beat(settings.heartbeat_fd))
    if role == "flusher":
        # While PostgreSQL works for one lane, Python packs and reads for the other.
        await asyncio.gather(*(Flusher(settings, store).run(stop) for _ in range(settings.flush_lanes)))
    else:
        pool = await create_pool(settings, connections_max=1, application_name="inkfast-housekeeping")
        await Housekeeping(settings, store, pool).run(stop)
        await pool.close()
    beating.cancel()
    topology.close()
    log(Event.SERVICE_STOPPED, role=role)


def main(argv: list[str]) -> int:
    """Start the worker named on the command line; return the exit status."""
    if len(argv) != 2 or argv[1] not in ROLES:
        sys.stderr.write(f"usage: python -m workers.main {'|'.join(ROLES)}\n")
        return EX_USAGE
    try:
        settings = Settings.from_env(os.environ)  # noqa: TID251 -- read by settings.py, handed over here
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EX_USAGE
    log_to_stderr(argv[1])
    try:
        uvloop.run(run(argv[1], settings))
    except InkfastError as error:
        sys.stderr.write(f"{argv[1]}: {error.detail}\n")
        return EX_UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
